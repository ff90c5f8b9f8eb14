/** A connection for each request without wrk: autocannon goes on writing after `Connection: close`, which breaks connections. */
import { setTimeout as delay } from "node:timers/promises";
import { startShortConnections } from "../accept/short-connections.ts";
import { cpuSince, cpuUsage } from "../process-usage.ts";
import type { HttpJob, LoadSample } from "./jobs.ts";

/** Tells no latencies. */
export async function runShort({
  port,
  pid,
  connections,
  warmUpMs,
  durationMs,
}: HttpJob): Promise<LoadSample> {
  const warmUp = startShortConnections(port, connections);
  await delay(warmUpMs);
  await warmUp.stop();
  const before = cpuUsage(pid);
  const load = startShortConnections(port, connections);
  await delay(durationMs);
  const { answered, seconds, failed } = await load.stop();
  const cpu = cpuSince(before, pid);
  const [first] = failed;
  if (first)
    throw new Error(`${failed.length} connections without a whole answer, the first one: ${first.end}`);
  if (answered === 0) throw new Error("not one answer");
  return { units: answered, seconds, cpu };
}
