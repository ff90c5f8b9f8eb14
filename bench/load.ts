/**
 * The load driver, in a process of its own: takes jobs over IPC, one at a time, and answers each with one
 * sample. Any answer other than 2xx, and any broken connection, makes the job fail.
 *
 * It reads the contender's CPU itself, at the borders of the measured window, so that what is counted and
 * what is charged are the same requests.
 */
import { execFile } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import autocannon from "autocannon";
import { type CpuUsage, cpuUsage } from "./process-usage.ts";
import { percentile } from "./statistics.ts";

export interface LoadJob {
  readonly driver: "autocannon" | "wrk";
  readonly url: string;
  readonly connections: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** Whose CPU is read: the leader of a process group. */
  readonly pid: number;
}

export interface LoadSample {
  readonly requests: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpu: CpuUsage;
}

export type ToLoad = { type: "load"; id: number; job: LoadJob };
export type FromLoad =
  | { type: "loaded"; id: number; sample: LoadSample }
  | { type: "failed"; id: number; message: string };

async function run(job: LoadJob): Promise<LoadSample> {
  switch (job.driver) {
    case "autocannon":
      return await runAutocannon(job);
    case "wrk":
      return await runWrk(job);
  }
}

/** One run: the first `warmUpMs` are thrown away, then `durationMs` are counted, without a new connection between. */
async function runAutocannon(job: LoadJob): Promise<LoadSample> {
  const { url, connections, warmUpMs, durationMs, pid } = job;
  const latenciesMs: number[] = [];
  let isCounting = false;
  const running = autocannon({
    url,
    connections,
    duration: (warmUpMs + durationMs) / 1_000 + 30, // stopped by us
    sampleInt: 100, // how soon stop() is noticed, ms
    timeout: 10,
  });
  running.on("response", (_client, _status, _bytes, latencyMs) => {
    if (isCounting) latenciesMs.push(latencyMs);
  });
  await delay(warmUpMs);
  const cpuBefore = cpuUsage(pid);
  const startMs = performance.now();
  isCounting = true;
  await delay(durationMs);
  isCounting = false;
  const endMs = performance.now();
  const cpuAfter = cpuUsage(pid);
  running.stop();
  const { errors, timeouts, non2xx, resets } = await running;
  if (errors + timeouts + non2xx + resets > 0) {
    throw new Error(`${errors} errors, ${timeouts} of them timeouts, ${non2xx} not 2xx, ${resets} resets`);
  }
  if (latenciesMs.length === 0) throw new Error("not one answer");
  const sorted = Float64Array.from(latenciesMs).sort();
  return {
    requests: sorted.length,
    seconds: (endMs - startMs) / 1_000,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    cpu: difference(cpuBefore, cpuAfter),
  };
}

async function runWrk(job: LoadJob): Promise<LoadSample> {
  if (job.warmUpMs > 0) await wrk(job, job.warmUpMs);
  const cpuBefore = cpuUsage(job.pid);
  const text = await wrk(job, job.durationMs);
  const cpu = difference(cpuBefore, cpuUsage(job.pid));
  const [, requests = "0", time = "0s"] = /(\d+) requests in ([\d.]+m?s)/.exec(text) ?? [];
  if (Number(requests) === 0) throw new Error(`not one answer\n${text}`);
  return {
    requests: Number(requests),
    seconds: milliseconds(time) / 1_000,
    p50Ms: milliseconds(/ 50% +(\S+)/.exec(text)?.[1] ?? ""),
    p99Ms: milliseconds(/ 99% +(\S+)/.exec(text)?.[1] ?? ""),
    cpu,
  };
}

async function wrk(job: LoadJob, durationMs: number): Promise<string> {
  const seconds = Math.max(1, Math.round(durationMs / 1_000)); // wrk knows whole seconds only
  const args = ["-t1", `-c${job.connections}`, `-d${seconds}s`, "--latency", job.url];
  const { stdout } = await promisify(execFile)("wrk", args, { timeout: (seconds + 15) * 1_000 });
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`wrk saw errors\n${stdout}`);
  return stdout;
}

/** `250us`, `1.5ms`, `2.01s` in ms. */
function milliseconds(text: string): number {
  const [, digits, unit] = /^([\d.]+)(us|ms|s)$/.exec(text) ?? [];
  if (digits === undefined) throw new Error(`not a time: ${text}`);
  return Number(digits) * (unit === "s" ? 1_000 : unit === "us" ? 0.001 : 1);
}

function difference(before: CpuUsage, after: CpuUsage): CpuUsage {
  return { userMs: after.userMs - before.userMs, systemMs: after.systemMs - before.systemMs };
}

function isJob(message: unknown): message is ToLoad {
  return typeof message === "object" && message !== null && "type" in message && message.type === "load";
}

process.on("disconnect", () => process.exit(0));
process.on("message", (message: unknown) => {
  if (!isJob(message)) return;
  const { id } = message;
  const send = (answer: FromLoad): void => void process.send?.(answer);
  run(message.job).then(
    (sample) => send({ type: "loaded", id, sample }),
    (error: unknown) =>
      send({ type: "failed", id, message: error instanceof Error ? error.message : String(error) }),
  );
});
