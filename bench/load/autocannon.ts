/** Load without wrk: autocannon, in the driver's own process. */
import { setTimeout as delay } from "node:timers/promises";
import autocannon from "autocannon";
import { cpuSince, cpuUsage } from "../process-usage.ts";
import { percentile } from "../statistics.ts";
import type { HttpJob, LoadSample } from "./jobs.ts";

const MOST_HEAD_BYTES = 2_000;

/** One run: the first `warmUpMs` are thrown away, then `durationMs` are counted, without a new connection between. */
export async function runAutocannon(job: HttpJob): Promise<LoadSample> {
  const { warmUpMs, durationMs, pid, answerBytes } = job;
  const latenciesMs: number[] = [];
  let isCounting = false;
  let wrongLengths = 0;
  const running = autocannon(request(job));
  running.on("response", (_client, _status, bytes, latencyMs) => {
    if (bytes < answerBytes || bytes > answerBytes + MOST_HEAD_BYTES) wrongLengths++;
    if (isCounting) latenciesMs.push(latencyMs);
  });
  await delay(warmUpMs);
  const before = cpuUsage(pid);
  const startMs = performance.now();
  isCounting = true;
  await delay(durationMs);
  isCounting = false;
  const seconds = (performance.now() - startMs) / 1_000;
  const cpu = cpuSince(before, pid);
  running.stop();
  const { errors, timeouts, non2xx, resets } = await running;
  if (errors + timeouts + non2xx + resets > 0) {
    throw new Error(`${errors} errors, ${timeouts} of them timeouts, ${non2xx} not 2xx, ${resets} resets`);
  }
  if (wrongLengths > 0) throw new Error(`${wrongLengths} answers were not of ${answerBytes} bytes`);
  if (latenciesMs.length === 0) throw new Error("not one answer");
  return { units: latenciesMs.length, seconds, cpu, latency: latencyOf(latenciesMs) };
}

export function latencyOf(latenciesMs: readonly number[]): Required<LoadSample>["latency"] {
  const sorted = Float64Array.from(latenciesMs).sort();
  return {
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    p999Ms: percentile(sorted, 0.999),
    longestMs: percentile(sorted, 1),
  };
}

function request(job: HttpJob): autocannon.Options {
  const { port, path, connections, uploadBytes, warmUpMs, durationMs } = job;
  return {
    url: `http://127.0.0.1:${port}${path}`,
    connections,
    duration: (warmUpMs + durationMs) / 1_000 + 30, // stopped by us
    sampleInt: 100, // how soon stop() is noticed, ms
    timeout: 10,
    ...(uploadBytes > 0 ? { method: "POST", body: Buffer.alloc(uploadBytes, "x") } : {}),
  };
}
