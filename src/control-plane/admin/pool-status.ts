/**
 * Pool status: the backends of every version as GET /status shows them. Pure.
 */

import type { HealthVerdict } from "../../config/snapshot.ts";
import type { Version } from "../../core/version.ts";
import type { BackendSight, PoolSight } from "../../telemetry/pool-sights.ts";
import type { LastProbe } from "../switch/gate.ts";

type LastProbes = ReadonlyMap<Version, LastProbe>;

/** By version. */
export function poolStatus(pools: readonly PoolSight[], lastProbes: LastProbes) {
  return Object.fromEntries(
    pools.map(({ version, panicking, backends }) => [
      version,
      { panic: panicking > 0, backends: backends.map((sight) => backendStatus(sight, lastProbes)) },
    ]),
  );
}

/**
 * A version as a whole: what the probes in the background say of those that may take traffic, or without them what the
 * last gate saw.
 */
export function versionHealth(
  { version, backends }: PoolSight,
  lastProbes: LastProbes,
  nowWallMs: number,
): { state: HealthVerdict; at: string | null; saw: string | null } {
  const probes = backends.flatMap(({ isDrained, weight, name, probe }) =>
    isDrained || weight === 0 || probe === null ? [] : [{ name, ...probe }],
  );
  const [first] = probes;
  if (first === undefined) {
    const gate = lastProbes.get(version);
    if (gate === undefined) return { state: "unknown", at: null, saw: null };
    return { state: gate.ok ? "healthy" : "unhealthy", at: gate.at, saw: gate.saw };
  }
  const worst = probes.find(({ verdict }) => verdict === "unhealthy" || verdict === "degraded");
  const told = worst ?? first;
  const ageMs = Math.min(...probes.map((each) => each.ageMs));
  return {
    state: joined(probes.map(({ verdict }) => verdict)),
    at: told.saw === null ? null : new Date(nowWallMs - ageMs).toISOString(),
    saw: worst === undefined || backends.length === 1 ? told.saw : `${told.name}: ${told.saw}`,
  };
}

/** One bad backend degrades a version; it is unhealthy when all are. */
function joined(verdicts: readonly HealthVerdict[]): HealthVerdict {
  if (verdicts.every((verdict) => verdict === "unhealthy")) return "unhealthy";
  if (verdicts.some((verdict) => verdict === "unhealthy" || verdict === "degraded")) return "degraded";
  return verdicts.includes("unknown") ? "unknown" : "healthy";
}

function backendStatus(sight: BackendSight, lastProbes: LastProbes) {
  const { effectiveWeight } = sight;
  return {
    name: sight.name,
    weight: sight.weight,
    effective_weight: effectiveWeight === null ? null : Math.round(effectiveWeight * 1_000) / 1_000,
    state: sight.state,
    drained: sight.isDrained,
    health: healthOf(sight, lastProbes),
    workers: sight.workers,
    ejected_by: sight.ejectedBy,
    reachable_by: sight.reachableBy,
    breaker: sight.breaker,
    in_flight: sight.inFlight,
    connections: sight.connections,
  };
}

/** As the probes in the background say; without them as the last gate saw it. */
function healthOf({ version, name, probe }: BackendSight, lastProbes: LastProbes) {
  if (probe !== null) {
    const age_seconds = Math.round(probe.ageMs / 100) / 10;
    return { by: "probes", verdict: probe.verdict, saw: probe.saw, age_seconds };
  }
  const gate = lastProbes.get(version);
  const sight = gate?.backends.get(name);
  if (gate === undefined || sight === undefined) return { by: null, verdict: "unknown", saw: null };
  return { by: "gate", verdict: sight.ok ? "healthy" : "unhealthy", saw: sight.saw, at: gate.at };
}
