/**
 * Families: one look at the whole daemon, as our metric families. Pure: it adds up, it asks nobody.
 *
 * Counters are summed over the workers that run and those that are gone, so none falls when one dies.
 */

import type { Config } from "../config/schema.ts";
import { CONNECTION_LIMITS } from "../core/connection-count.ts";
import { FORWARD_ERRORS, type ForwardErrorCode, isRefusal } from "../core/errors.ts";
import type { Version } from "../core/version.ts";
import type { Build } from "./build.ts";
import type { Family, Sample } from "./exposition.ts";
import { METRICS } from "./metrics.ts";
import { type GateSight, poolFamilies } from "./pool-families.ts";
import type { PoolSight } from "./pool-sights.ts";
import { family, Tally } from "./tally.ts";
import { RETRIED_STATUS, type WorkerStats } from "./worker-stats.ts";

/** The workers as a scrape sees them; `Fleet` is one. */
export interface WorkerSource {
  readonly size: number;
  workers(): readonly { readonly id: number; readonly state: string; readonly epoch: number }[];
  collect(
    timeoutMs: number,
  ): Promise<{ readonly stats: ReadonlyMap<number, WorkerStats>; readonly silent: readonly number[] }>;
  retired(): readonly WorkerStats[];
}

/** What a scrape needs of the switch's status. */
export interface SwitchView {
  readonly activeVersion: Version;
  readonly epoch: number;
  readonly cooldownRemainingMs: number;
  /** null: not paused. */
  readonly pause: object | null;
  /** Versions that were switched away from, and may still run something. */
  readonly drains: readonly { readonly version: Version }[];
  readonly lastProbes: ReadonlyMap<
    Version,
    { readonly backends: ReadonlyMap<string, { readonly ok: boolean }> }
  >;
}

/** Why a client of GET /events was cut off by us. A closed set. */
export const SUBSCRIBER_DROP_REASONS = ["slow", "full"] as const;
export type SubscriberDropReason = (typeof SUBSCRIBER_DROP_REASONS)[number];

/** What a scrape needs of the clients of GET /events. */
export interface SubscriberView {
  readonly size: number;
  readonly dropped: Readonly<Record<SubscriberDropReason, number>>;
}

/** Everything read for one scrape. */
export interface Scrape {
  readonly workers: ReturnType<WorkerSource["workers"]>;
  readonly size: number;
  readonly stats: ReadonlyMap<number, WorkerStats>;
  readonly silent: readonly number[];
  readonly retired: readonly WorkerStats[];
  readonly switch: SwitchView;
  readonly pools: readonly PoolSight[];
  readonly subscribers: SubscriberView;
}

/** What is counted as an upstream error; each is there from the start, so that a rate sees the first one. */
const UPSTREAM_REASONS = Object.entries(FORWARD_ERRORS)
  .filter(
    ([code, { source }]) => source === "backend" || code === "POOL_EXHAUSTED" || code === "DRAIN_DEADLINE",
  )
  .map(([code]) => code.toLowerCase())
  .concat(RETRIED_STATUS);

/** Likewise. */
const REFUSAL_REASONS = (Object.keys(FORWARD_ERRORS) as ForwardErrorCode[])
  .filter(isRefusal)
  .map((code) => code.toLowerCase());

const WORKER_STATES = ["starting", "listening", "stopping"];

/** Our families, in the order of the table. The two that the switch itself counts are not among them. */
export function daemonFamilies(scrape: Scrape, config: Pick<Config, "backends">, build: Build): Family[] {
  const everyStats = [...scrape.stats.values(), ...scrape.retired];
  const versions = config.backends.map(({ version }) => version);
  return [
    ...requestFamilies(everyStats, versions),
    drainFamily(everyStats, versions, scrape.switch),
    ...clientFamilies(everyStats),
    ...upstreamFamilies(everyStats, versions),
    ...switchFamilies(scrape, config),
    ...poolFamilies(scrape.pools, gateSightOf(scrape.switch)),
    ...workerFamilies(scrape),
    ...subscriberFamilies(scrape.subscribers),
    new Tally("build_info").add({ version: build.version, node: build.node }, 1).family(),
  ];
}

function requestFamilies(everyStats: readonly WorkerStats[], versions: readonly Version[]): Family[] {
  const requests = new Tally("http_requests_total");
  const inFlight = new Tally("http_requests_in_flight");
  const upgraded = new Tally("upgraded_connections");
  for (const version of versions) {
    requests.add({ version, method: "GET", code: "200" }, 0); // the usual case, there from the start
    inFlight.add({ version }, 0);
    upgraded.add({ version }, 0);
  }
  for (const stats of everyStats) {
    for (const { version, method, code, count } of stats.requests) {
      requests.add({ version, method, code: String(code) }, count);
    }
    for (const { version, ...now } of stats.versions) {
      inFlight.add({ version }, now.inFlight);
      upgraded.add({ version }, now.upgraded);
    }
  }
  return [requests.family(), durationFamily(everyStats, versions), inFlight.family(), upgraded.family()];
}

/** Each kind by itself: a stream is not also a request here. */
function drainFamily(
  everyStats: readonly WorkerStats[],
  versions: readonly Version[],
  { drains, activeVersion }: SwitchView,
): Family {
  const remaining = new Tally("drain_remaining");
  for (const version of versions) {
    for (const kind of ["request", "stream", "upgraded"]) remaining.add({ version, kind }, 0);
  }
  const drained = drains.filter(({ version }) => version !== activeVersion).map(({ version }) => version);
  for (const { version, ...now } of everyStats.flatMap((stats) => stats.versions)) {
    if (!drained.includes(version)) continue;
    remaining.add({ version, kind: "request" }, now.inFlight - now.streams);
    remaining.add({ version, kind: "stream" }, now.streams);
    remaining.add({ version, kind: "upgraded" }, now.upgraded);
  }
  return remaining.family();
}

/** What concerns no version. */
function clientFamilies(everyStats: readonly WorkerStats[]): Family[] {
  const connections = new Tally("client_connections").add({}, 0);
  const held = new Tally("held_requests").add({}, 0);
  const refusedConnections = new Tally("client_connections_refused_total");
  const refusals = new Tally("http_refusals_total");
  for (const reason of CONNECTION_LIMITS) refusedConnections.add({ reason }, 0);
  for (const reason of REFUSAL_REASONS) refusals.add({ reason }, 0);
  for (const stats of everyStats) {
    connections.add({}, stats.clientConnections);
    held.add({}, stats.held);
    for (const { reason, count } of stats.refusedConnections) refusedConnections.add({ reason }, count);
    for (const { reason, count } of stats.refusals) refusals.add({ reason }, count);
  }
  return [connections.family(), refusedConnections.family(), refusals.family(), held.family()];
}

function durationFamily(everyStats: readonly WorkerStats[], versions: readonly Version[]): Family {
  const { buckets } = METRICS.http_request_duration_seconds;
  const bounds = [...buckets, Number.POSITIVE_INFINITY];
  const samples = versions.flatMap((version): Sample[] => {
    const counted = everyStats.flatMap(({ durations }) =>
      durations.filter((each) => each.version === version),
    );
    let below = 0;
    return [
      ...bounds.map((le, i) => {
        below += sum(counted, (each) => each.buckets[i] ?? 0);
        return { suffix: "_bucket", labels: { version, le }, value: below };
      }),
      { suffix: "_sum", labels: { version }, value: sum(counted, (each) => each.sumSeconds) },
      { suffix: "_count", labels: { version }, value: below },
    ];
  });
  return family("http_request_duration_seconds", samples);
}

function upstreamFamilies(everyStats: readonly WorkerStats[], versions: readonly Version[]): Family[] {
  const errors = new Tally("upstream_errors_total");
  const connections = new Tally("upstream_connections");
  const queued = new Tally("upstream_queued_requests");
  const retries = new Tally("upstream_retries_total").add({}, 0);
  for (const version of versions) {
    for (const reason of UPSTREAM_REASONS) errors.add({ version, reason }, 0);
    for (const state of ["active", "idle"]) connections.add({ version, state }, 0);
    queued.add({ version }, 0);
  }
  for (const stats of everyStats) {
    for (const { version, reason, count } of stats.upstreamErrors) errors.add({ version, reason }, count);
    for (const { version, ...now } of stats.versions) {
      connections.add({ version, state: "active" }, now.connectionsActive);
      connections.add({ version, state: "idle" }, now.connectionsIdle);
      queued.add({ version }, now.queued);
      retries.add({}, now.retries);
    }
  }
  return [errors.family(), connections.family(), queued.family(), retries.family()];
}

function switchFamilies(scrape: Scrape, { backends }: Pick<Config, "backends">): Family[] {
  const { activeVersion, epoch, cooldownRemainingMs, pause } = scrape.switch;
  const active = new Tally("active_version");
  const applied = new Tally("worker_applied_epoch");
  for (const { version } of backends) {
    active.add({ version }, version === activeVersion ? 1 : 0);
  }
  for (const worker of scrape.workers) applied.add({ worker: String(worker.id) }, worker.epoch);
  return [
    active.family(),
    new Tally("switch_epoch").add({}, epoch).family(),
    applied.family(),
    new Tally("paused").add({}, pause === null ? 0 : 1).family(),
    new Tally("switch_cooldown_remaining_seconds").add({}, cooldownRemainingMs / 1_000).family(),
  ];
}

function gateSightOf({ lastProbes }: SwitchView): GateSight {
  return (version, backend) => lastProbes.get(version)?.backends.get(backend);
}

function workerFamilies({ workers, size, stats, silent, retired }: Scrape): Family[] {
  const states = new Tally("workers");
  const silence = new Tally("worker_silent");
  const memory = new Tally("worker_resident_memory_bytes");
  const delay = new Tally("worker_event_loop_delay_max_seconds");
  for (const state of WORKER_STATES) states.add({ state }, 0);
  for (const { id, state } of workers) {
    states.add({ state }, 1);
    silence.add({ worker: String(id) }, silent.includes(id) ? 1 : 0);
  }
  states.add({ state: "missing" }, size - workers.length);
  for (const [id, { process }] of stats) {
    memory.add({ worker: String(id) }, process.residentBytes);
    delay.add({ worker: String(id) }, process.eventLoopDelayMaxSeconds);
  }
  const processes = [...stats.values(), ...retired].map(({ process }) => process);
  const gcCycles = sum(processes, ({ gcCount }) => gcCount);
  const gcSeconds = sum(processes, ({ gcSeconds }) => gcSeconds);
  return [
    states.family(),
    silence.family(),
    memory.family(),
    delay.family(),
    new Tally("workers_gc_cycles_total").add({}, gcCycles).family(),
    new Tally("workers_gc_seconds_total").add({}, gcSeconds).family(),
  ];
}

function subscriberFamilies({ size, dropped }: SubscriberView): Family[] {
  const drops = new Tally("event_subscribers_dropped_total");
  for (const reason of SUBSCRIBER_DROP_REASONS) drops.add({ reason }, dropped[reason]);
  return [new Tally("event_subscribers").add({}, size).family(), drops.family()];
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
