/**
 * What workers that are gone had counted, added up, so that no counter falls when one dies.
 *
 * Pure. Gauges (in flight, connections, memory) of a dead worker are zero: its work is gone with it.
 */
import type { WorkerStats } from "../../telemetry/worker-stats.ts";

/** @returns the sum of the counters of `sum` (null: none yet) and of the worker that ended with `last`. */
export function addRetired(sum: WorkerStats | null, last: WorkerStats): WorkerStats {
  return {
    epoch: last.epoch,
    requests: merge(
      [...(sum?.requests ?? []), ...last.requests],
      (entry) => `${entry.version} ${entry.method} ${entry.code}`,
      (a, b) => ({ ...a, count: a.count + b.count }),
    ),
    durations: merge(
      [...(sum?.durations ?? []), ...last.durations],
      (entry) => entry.version,
      (a, b) => ({
        version: a.version,
        buckets: a.buckets.map((count, i) => count + (b.buckets[i] ?? 0)),
        sumSeconds: a.sumSeconds + b.sumSeconds,
        count: a.count + b.count,
      }),
    ),
    versions: merge(
      [...(sum?.versions ?? []), ...last.versions].map(({ version, retries }) => ({
        ...NO_GAUGES,
        version,
        retries,
      })),
      (entry) => entry.version,
      (a, b) => ({ ...a, retries: a.retries + b.retries }),
    ),
    upstreamErrors: merge(
      [...(sum?.upstreamErrors ?? []), ...last.upstreamErrors],
      (entry) => `${entry.version} ${entry.reason}`,
      (a, b) => ({ ...a, count: a.count + b.count }),
    ),
    refusals: mergeReasons(sum?.refusals ?? [], last.refusals),
    clientConnections: 0,
    held: 0,
    pools: null,
    refusedConnections: mergeReasons(sum?.refusedConnections ?? [], last.refusedConnections),
    process: {
      cpuUserSeconds: (sum?.process.cpuUserSeconds ?? 0) + last.process.cpuUserSeconds,
      cpuSystemSeconds: (sum?.process.cpuSystemSeconds ?? 0) + last.process.cpuSystemSeconds,
      gcCount: (sum?.process.gcCount ?? 0) + last.process.gcCount,
      gcSeconds: (sum?.process.gcSeconds ?? 0) + last.process.gcSeconds,
      residentBytes: 0,
      heapUsedBytes: 0,
      heapTotalBytes: 0,
      externalBytes: 0,
      eventLoopDelayMaxSeconds: 0,
      eventLoopDelayMeanSeconds: 0,
    },
  };
}

const NO_GAUGES = {
  inFlight: 0,
  streams: 0,
  upgraded: 0,
  connectionsActive: 0,
  connectionsIdle: 0,
  queued: 0,
};

function mergeReasons<T extends { readonly reason: string; readonly count: number }>(
  before: readonly T[],
  last: readonly T[],
): T[] {
  return merge(
    [...before, ...last],
    ({ reason }) => reason,
    (a, b) => ({ ...a, count: a.count + b.count }),
  );
}

function merge<T>(entries: readonly T[], key: (entry: T) => string, add: (a: T, b: T) => T): T[] {
  const merged = new Map<string, T>();
  for (const entry of entries) {
    const before = merged.get(key(entry));
    merged.set(key(entry), before === undefined ? entry : add(before, entry));
  }
  return [...merged.values()];
}
