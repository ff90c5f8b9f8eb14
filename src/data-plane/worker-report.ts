/**
 * Worker report: what one worker has counted and holds now, put together when the primary asks.
 */
import { monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks";
import type { ProcessStats, WorkerStats } from "../telemetry/worker-stats.ts";
import type { Backend } from "./backend/backend.ts";
import type { ConnectionPool } from "./forward/connection-pool.ts";
import { poolReport } from "./pool-report.ts";
import type { Recorder } from "./record/record.ts";
import type { Serving } from "./serving.ts";

const EVENT_LOOP_RESOLUTION_MS = 20;
const NANOSECONDS = 1e9;

export interface ReportSources {
  readonly serving: Serving;
  readonly recorder: Recorder;
  connections(backend: Backend): ConnectionPool;
  clientConnections(): number;
  held(): number;
}

/** Starts measuring the process; the returned function reads everything out, the pools when they are asked for. */
export function createWorkerReport({
  serving,
  recorder,
  connections,
  clientConnections,
  held,
}: ReportSources): (hasPools: boolean) => WorkerStats {
  const readProcess = measureProcess();
  return (hasPools) => ({
    epoch: serving.current.epoch,
    ...recorder.read(),
    versions: serving.pools.map((pool) => {
      const { version } = pool;
      const own = serving.backends.filter((backend) => backend.version === version);
      const loads = own.map((backend) => connections(backend).load);
      return {
        version,
        inFlight: sum(own, ({ requests }) => requests.size),
        streams: sum(own, ({ streams }) => streams.size),
        upgraded: sum(own, ({ tunnels }) => tunnels.size),
        connectionsActive: sum(loads, ({ active }) => active),
        connectionsIdle: sum(loads, ({ idle }) => idle),
        queued: sum(loads, ({ queued }) => queued),
        retries: recorder.retriesOf(pool),
      };
    }),
    clientConnections: clientConnections(),
    held: held(),
    pools: hasPools ? serving.pools.map((pool) => poolReport(pool, connections, performance.now())) : null,
    process: readProcess(),
  });
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}

function measureProcess(): () => ProcessStats {
  const loop = monitorEventLoopDelay({ resolution: EVENT_LOOP_RESOLUTION_MS });
  loop.enable();
  let gcCount = 0;
  let gcSeconds = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) {
      gcCount++;
      gcSeconds += duration / 1_000;
    }
  }).observe({ entryTypes: ["gc"] });
  return () => {
    const cpu = process.cpuUsage();
    const memory = process.memoryUsage();
    const stats: ProcessStats = {
      cpuUserSeconds: cpu.user / 1e6,
      cpuSystemSeconds: cpu.system / 1e6,
      residentBytes: memory.rss,
      heapUsedBytes: memory.heapUsed,
      heapTotalBytes: memory.heapTotal,
      externalBytes: memory.external,
      gcCount,
      gcSeconds,
      eventLoopDelayMaxSeconds: delaySeconds(loop.max),
      eventLoopDelayMeanSeconds: delaySeconds(loop.mean),
    };
    loop.reset();
    return stats;
  };
}

/** The histogram measures from timer to timer; what is above its resolution is delay. */
function delaySeconds(nanoseconds: number): number {
  if (Number.isNaN(nanoseconds)) return 0; // nothing measured since the last report
  return Math.max(0, nanoseconds / NANOSECONDS - EVENT_LOOP_RESOLUTION_MS / 1_000);
}
