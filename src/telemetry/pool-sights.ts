/**
 * Pool sights: what is known of the backends of every version now, joined: who they are (the primary), what the probes
 * say, and how each worker sees and uses them. Pure.
 *
 * Of the current members only: names come and go, and nothing of those that left is kept.
 */
import type { BackendSnapshot, HealthVerdict, PoolsSnapshot } from "../config/snapshot.ts";
import type { Version } from "../core/version.ts";
import type { PoolStats, StandingLabel } from "./worker-stats.ts";

/** What the probes in the background know of a backend. */
export interface ProbeSight {
  readonly verdict: HealthVerdict;
  /** Of the last probe that ended; null: none has. */
  readonly saw: string | null;
  /** Since the last one began. */
  readonly ageMs: number;
}

export interface BreakerCount {
  readonly closed: number;
  readonly half_open: number;
  readonly open: number;
}

export interface BackendSight extends Pick<BackendSnapshot, "name" | "weight" | "isDrained" | "health"> {
  readonly version: Version;
  /** null: it is not probed in the background. */
  readonly probe: ProbeSight | null;
  /** How many workers have told of it; the rest is theirs. */
  readonly workers: number;
  /** The mean; null: no worker has told. */
  readonly effectiveWeight: number | null;
  /** What most workers call it; of as many the worse. */
  readonly state: StandingLabel;
  /** Workers. */
  readonly ejectedBy: number;
  /** Workers. */
  readonly reachableBy: number;
  /** Workers; null: the version has no breaker. */
  readonly breaker: BreakerCount | null;
  readonly inFlight: number;
  readonly connections: { readonly active: number; readonly idle: number };
}

export interface PoolSight {
  readonly version: Version;
  /** Workers in which no backend is fit, and all are used all the same. */
  readonly panicking: number;
  readonly backends: readonly BackendSight[];
}

/** What the primary knows of the pools. */
export interface PoolSource {
  readonly pools: PoolsSnapshot;
  probeOf(version: Version, backend: string): ProbeSight | null;
}

/** From good to bad. */
const LABELS: readonly StandingLabel[] = [
  "unknown",
  "healthy",
  "warming",
  "degraded",
  "breaker-open",
  "ejected",
  "unhealthy",
];

/** @param told what each worker has told, one list for each. */
export function poolSights(source: PoolSource, told: readonly (readonly PoolStats[])[]): PoolSight[] {
  return source.pools.pools.map(({ version, backends }) => {
    const stats = told.flatMap((pools) => pools.filter((pool) => pool.version === version));
    const seen = stats.map((pool) => ({ pool, rows: new Map(pool.names.map((name, row) => [name, row])) }));
    return {
      version,
      panicking: stats.filter(({ isPanicking }) => isPanicking).length,
      backends: backends.map((backend) => sightOf(version, backend, source, seen)),
    };
  });
}

interface Seen {
  readonly pool: PoolStats;
  readonly rows: ReadonlyMap<string, number>;
}

function sightOf(
  version: Version,
  { name, weight, isDrained, health }: BackendSnapshot,
  source: PoolSource,
  seen: readonly Seen[],
): BackendSight {
  const sum = { weight: 0, inFlight: 0, active: 0, idle: 0, ejected: 0, reachable: 0 };
  const breaker = { closed: 0, half_open: 0, open: 0 };
  const states = new Map<StandingLabel, number>();
  let [workers, breakers] = [0, 0];
  for (const { pool, rows } of seen) {
    const row = rows.get(name);
    if (row === undefined) continue; // that worker has not been told of it yet
    workers++;
    sum.weight += pool.weights[row] ?? 0;
    sum.inFlight += pool.inFlight[row] ?? 0;
    sum.active += pool.active[row] ?? 0;
    sum.idle += pool.idle[row] ?? 0;
    sum.ejected += pool.isEjected[row] ?? 0;
    sum.reachable += pool.isReachable[row] ?? 0;
    const label = pool.states[row] ?? "unknown";
    states.set(label, (states.get(label) ?? 0) + 1);
    const state = pool.breakers?.[row];
    if (state === undefined) continue;
    breakers++;
    breaker[state === "half-open" ? "half_open" : state]++;
  }
  return {
    version,
    name,
    weight,
    isDrained,
    health,
    probe: source.probeOf(version, name),
    workers,
    effectiveWeight: workers === 0 ? null : sum.weight / workers,
    state: mostCommon(states),
    ejectedBy: sum.ejected,
    reachableBy: sum.reachable,
    breaker: breakers === 0 ? null : breaker,
    inFlight: sum.inFlight,
    connections: { active: sum.active, idle: sum.idle },
  };
}

function mostCommon(states: ReadonlyMap<StandingLabel, number>): StandingLabel {
  return LABELS.reduce(
    (most, label) => ((states.get(label) ?? 0) >= Math.max(1, states.get(most) ?? 0) ? label : most),
    "unknown",
  );
}
