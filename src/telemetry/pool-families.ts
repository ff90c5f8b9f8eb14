/**
 * Pool families: the metrics of the backends, of the current members alone: one that has left takes its series along.
 * Pure.
 */
import type { Version } from "../core/version.ts";
import type { Family } from "./exposition.ts";
import type { BackendSight, PoolSight } from "./pool-sights.ts";
import { Tally } from "./tally.ts";

/** What the last gate saw of a backend; undefined: it has not seen it. */
export type GateSight = (version: Version, backend: string) => { readonly ok: boolean } | undefined;

export function poolFamilies(pools: readonly PoolSight[], gateSight: GateSight): Family[] {
  const up = new Tally("backend_up");
  const weight = new Tally("backend_weight");
  const ejected = new Tally("backend_ejected");
  const inFlight = new Tally("backend_in_flight");
  const age = new Tally("backend_probe_age_seconds");
  const breakers = new Tally("breaker_state");
  const panic = new Tally("pool_panic");
  for (const { version, panicking, backends } of pools) {
    panic.add({ version }, panicking > 0 ? 1 : 0);
    for (const sight of backends) {
      const labels = { version, backend: sight.name };
      const isUp = isBackendUp(sight, gateSight);
      if (isUp !== null) up.add(labels, isUp ? 1 : 0);
      if (sight.effectiveWeight !== null) weight.add(labels, sight.effectiveWeight);
      ejected.add(labels, sight.ejectedBy);
      inFlight.add(labels, sight.inFlight);
      if (sight.probe !== null) age.add(labels, sight.probe.ageMs / 1_000);
      for (const [state, workers] of Object.entries(sight.breaker ?? {}))
        breakers.add({ ...labels, state }, workers);
    }
  }
  return [up, ejected, weight, inFlight, age, breakers, panic].map((tally) => tally.family());
}

/** The probes in the background know better than a gate that is long over. @returns null: nothing is known. */
function isBackendUp({ version, name, probe }: BackendSight, gateSight: GateSight): boolean | null {
  if (probe !== null && probe.verdict !== "unknown") return probe.verdict !== "unhealthy";
  return gateSight(version, name)?.ok ?? null;
}
