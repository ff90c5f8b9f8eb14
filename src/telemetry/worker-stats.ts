/**
 * What one worker has counted since it started, as plain data: the primary adds the workers up.
 *
 * Lists hold only combinations that occurred. Counters grow for the life of the worker.
 */
import type { ConnectionLimit } from "../core/connection-count.ts";
import type { Version } from "../core/version.ts";

/** Upper bounds of the duration histogram, in seconds; the last bucket (+Inf) is implied. */
export const DURATION_BUCKETS_SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
] as const;

/** Reason of an upstream error that is none of our codes: an answer whose status let another backend be asked. */
export const RETRIED_STATUS = "retried_status";

/** The closed set of method labels; anything else is OTHER. */
export const METHOD_LABELS = [
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "CONNECT",
  "TRACE",
  "OTHER",
] as const;

export interface WorkerStats {
  readonly epoch: number;
  /** Finished requests; `code` is the status answered, 499 when the client left. */
  readonly requests: readonly { version: Version; method: string; code: number; count: number }[];
  /** `buckets[i]` counts durations ≤ DURATION_BUCKETS_SECONDS[i] and above the bound before; one more entry than bounds. */
  readonly durations: readonly { version: Version; buckets: number[]; sumSeconds: number; count: number }[];
  readonly versions: readonly {
    version: Version;
    inFlight: number;
    /** Of those in flight: streams of events that can end between two of them. */
    streams: number;
    upgraded: number;
    connectionsActive: number;
    connectionsIdle: number;
    queued: number;
    retries: number;
  }[];
  /** `reason` is the code of the failure in lower case: `backend_connect_failed`. */
  readonly upstreamErrors: readonly { version: Version; reason: string; count: number }[];
  /** Requests that the proxy itself refused; `reason` is the error code in lower case. */
  readonly refusals: readonly { reason: string; count: number }[];
  readonly clientConnections: number;
  /** Requests that wait until a hold is over. */
  readonly held: number;
  readonly refusedConnections: readonly { reason: ConnectionLimit; count: number }[];
  /** null: not told this time; only who asks for the statistics is told, as those of 1,000 backends are not small. */
  readonly pools: readonly PoolStats[] | null;
  readonly process: ProcessStats;
}

/** How the worker sees the backends of a version, in columns: the same place is the same backend. */
export interface PoolStats {
  readonly version: Version;
  /** No backend is fit, and all are used all the same. */
  readonly isPanicking: boolean;
  readonly names: readonly string[];
  /** What counts of their weights now. */
  readonly weights: readonly number[];
  /** Requests and upgraded connections. */
  readonly inFlight: readonly number[];
  /** Connections. */
  readonly active: readonly number[];
  readonly idle: readonly number[];
  readonly isEjected: readonly (0 | 1)[];
  readonly isReachable: readonly (0 | 1)[];
  readonly states: readonly StandingLabel[];
  /** null: the version has none. */
  readonly breakers: readonly ("closed" | "half-open" | "open")[] | null;
}

export type StandingLabel =
  | "unknown"
  | "healthy"
  | "warming"
  | "degraded"
  | "unhealthy"
  | "ejected"
  | "breaker-open";

export interface ProcessStats {
  readonly cpuUserSeconds: number;
  readonly cpuSystemSeconds: number;
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  readonly externalBytes: number;
  readonly gcCount: number;
  readonly gcSeconds: number;
  /** Longest and mean delay of the event loop since the last report, seconds. */
  readonly eventLoopDelayMaxSeconds: number;
  readonly eventLoopDelayMeanSeconds: number;
}
