/**
 * Told pool: a version's backends as GET and POST /backends tell them. Pure.
 */
import type { BackendSnapshot } from "../../config/snapshot.ts";
import type { Version } from "../../core/version.ts";
import { withoutEffect } from "./changes.ts";
import { configuredWeight, type PoolView } from "./plan-change.ts";

/** One backend as the calls tell it. */
export interface ToldBackend {
  readonly name: string;
  readonly weight: number;
  /** null: added by hand. */
  readonly configured_weight: number | null;
  readonly drained: boolean;
  readonly health: BackendSnapshot["health"];
}

export interface ToldPool {
  readonly version: Version;
  readonly backends: readonly ToldBackend[];
  /** Changes by hand of what is neither in the config nor found by DNS now; kept. */
  readonly without_effect: readonly string[];
}

export function toldPool({ version, targets, backends, changes }: Omit<PoolView, "wasRemoved">): ToldPool {
  const names = new Set(backends.map(({ name }) => name));
  const configured = new Set(targets.map(({ origin }) => origin));
  return {
    version,
    backends: backends.map((backend) => ({
      name: backend.name,
      weight: backend.weight,
      configured_weight: configuredWeight(backend.name, { targets, backends }),
      drained: backend.isDrained,
      health: backend.health,
    })),
    without_effect: withoutEffect(version, { names, configured }, changes).map(({ backend }) => backend),
  };
}
