/**
 * Summary: the JSON form of `/metrics`, for people and scripts without Prometheus. Pure.
 */
import type { Config } from "../config/schema.ts";
import type { Version } from "../core/version.ts";
import type { Build } from "./build.ts";
import type { Scrape } from "./families.ts";

export interface MetricsSummary {
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly requests: {
    readonly total: number;
    readonly success: number;
    /** Answers of 500 or more, ours and the backends'; an answer that was cut is recorded as one of them. */
    readonly errors: number;
    /** `99.95%`; 100.00% only when there was no error. */
    readonly success_rate: string;
  };
  readonly proxy: {
    readonly active_version: Version;
    readonly epoch: number;
    readonly in_flight: number;
    readonly upgraded_connections: number;
    readonly transport: {
      readonly max_idle_conns: number;
      readonly max_idle_conns_per_host: number;
      readonly max_conns_per_host: number;
    };
    readonly connections: { readonly active: number; readonly idle: number };
    readonly retries: number;
  };
  readonly runtime: {
    /** How many listen. */
    readonly workers: number;
    /** Resident memory of all processes. */
    readonly memory_mb: number;
    /** In all workers. */
    readonly gc_cycles: number;
    readonly cpu_cores: number;
    readonly uptime_seconds: number;
    readonly node: string;
  };
}

/** What the primary knows of itself and its machine. */
export interface PrimaryFacts {
  readonly wallMs: number;
  readonly uptimeSeconds: number;
  readonly residentBytes: number;
  readonly cpuCores: number;
}

const BYTES_PER_MB = 1_024 * 1_024;

export function summarize(
  scrape: Scrape,
  config: Pick<Config, "upstream">,
  build: Build,
  primary: PrimaryFacts,
): MetricsSummary {
  const everyStats = [...scrape.stats.values(), ...scrape.retired];
  const requests = everyStats.flatMap((stats) => stats.requests);
  const versions = everyStats.flatMap((stats) => stats.versions);
  const total = sum(requests.map(({ count }) => count));
  const errors = sum(requests.filter(({ code }) => code >= 500).map(({ count }) => count));
  const workerBytes = sum(everyStats.map(({ process }) => process.residentBytes));
  return {
    timestamp: Math.floor(primary.wallMs / 1_000),
    requests: { total, success: total - errors, errors, success_rate: successRate(total, errors) },
    proxy: {
      active_version: scrape.switch.activeVersion,
      epoch: scrape.switch.epoch,
      in_flight: sum(versions.map(({ inFlight }) => inFlight)),
      upgraded_connections: sum(versions.map(({ upgraded }) => upgraded)),
      transport: {
        max_idle_conns: config.upstream.maxTotalConnections,
        max_idle_conns_per_host: config.upstream.maxIdleConnections,
        max_conns_per_host: config.upstream.maxConnections,
      },
      connections: {
        active: sum(versions.map(({ connectionsActive }) => connectionsActive)),
        idle: sum(versions.map(({ connectionsIdle }) => connectionsIdle)),
      },
      retries: sum(versions.map(({ retries }) => retries)),
    },
    runtime: {
      workers: scrape.workers.filter(({ state }) => state === "listening").length,
      memory_mb: Math.round((primary.residentBytes + workerBytes) / BYTES_PER_MB),
      gc_cycles: sum(everyStats.map(({ process }) => process.gcCount)),
      cpu_cores: primary.cpuCores,
      uptime_seconds: Math.floor(primary.uptimeSeconds),
      node: build.node,
    },
  };
}

/** Rounded down, so that one error in a million is not 100.00%. */
export function successRate(total: number, errors: number): string {
  const hundredths = total === 0 ? 10_000 : Math.floor(((total - errors) * 10_000) / total);
  return `${(hundredths / 100).toFixed(2)}%`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
