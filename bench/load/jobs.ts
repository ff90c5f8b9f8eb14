/** What the load driver can be asked to do, and what it answers. */
import type { CpuUsage } from "../process-usage.ts";

export type Tool = "wrk" | "autocannon";

interface Target {
  readonly port: number;
  /** Whose CPU and memory are read: the leader of a process group. */
  readonly pid: number;
}

/** One request after another on every connection for a while; the first `warmUpMs` are thrown away. */
export interface HttpJob extends Target {
  readonly kind: "http";
  readonly tool: Tool;
  readonly path: string;
  readonly connections: number;
  /** More than 0: a POST with so many bytes. */
  readonly uploadBytes: number;
  /** Of an answer's body. */
  readonly answerBytes: number;
  /** Every request says `Connection: close`. */
  readonly isClosing: boolean;
  readonly warmUpMs: number;
  readonly durationMs: number;
}

/** So many requests with ab; `warmUpRequests` over few connections before. */
export interface AbJob extends Target {
  readonly kind: "ab";
  readonly connections: number;
  readonly requests: number;
  readonly warmUpRequests: number;
  readonly answerBytes: number;
}

/** One body over one connection, once to warm up and once measured. */
export interface TransferJob extends Target {
  readonly kind: "transfer";
  readonly direction: "download" | "upload";
  readonly path: string;
  readonly bytes: number;
}

/** Connections that have had one answer each and then do nothing. */
export interface IdleJob extends Target {
  readonly kind: "idle";
  readonly connections: number;
  /** Time for collection, before each of the two looks at the memory. */
  readonly settleMs: number;
}

/** One message after another on every connection, each answered by the same. */
export interface WebSocketJob extends Target {
  readonly kind: "websocket";
  readonly connections: number;
  /** At most 125. */
  readonly messageBytes: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
}

export type LoadJob = HttpJob | AbJob | TransferJob | IdleJob | WebSocketJob;

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Undefined: the tool does not tell. */
  readonly p999Ms?: number;
  readonly longestMs?: number;
}

export interface LoadSample {
  /** Of work: requests, messages, connections; of a transfer GiB. */
  readonly units: number;
  readonly seconds: number;
  readonly cpu: CpuUsage;
  readonly latency?: Latency;
  readonly failed?: number;
  readonly residentBeforeBytes?: number;
  readonly residentBytes?: number;
}

export type ToLoad = { type: "load"; id: number; job: LoadJob };
export type FromLoad =
  | { type: "loaded"; id: number; sample: LoadSample }
  | { type: "failed"; id: number; message: string };

/** After this the driver is taken for stuck. */
export function limitOf(job: LoadJob): number {
  const marginMs = 30_000;
  switch (job.kind) {
    case "http":
      return Math.max(job.warmUpMs, 1_000) * 5 + job.durationMs + marginMs; // see tools.ts
    case "websocket":
      return job.warmUpMs + job.durationMs + marginMs;
    case "ab":
      return (job.requests + job.warmUpRequests) / 2 + marginMs; // 2,000 each second at the least
    case "transfer":
      return (job.bytes * 2) / 20_000 + marginMs; // 20 MB each second at the least
    case "idle":
      return job.connections * 5 + job.settleMs * 2 + marginMs;
  }
}
