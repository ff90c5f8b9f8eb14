/**
 * Changes: what was said by hand of the backends of versions, and what a pool is with it.
 *
 * Pure: no file, no clock. One change at most for each backend, whatever led to it. What means a backend that the
 * config no longer has is kept and does nothing, until the config has it again or somebody resets it.
 */
import { type TargetConfig, targetOf } from "../../config/pool-config.ts";
import type { BackendSnapshot } from "../../config/snapshot.ts";
import type { Version } from "../../core/version.ts";
import { MAX_BACKENDS } from "./members.ts";
import type { PoolSource } from "./pools.ts";

export const BACKEND_ACTIONS = ["add", "remove", "drain", "enable", "weight", "reset"] as const;
export type BackendAction = (typeof BACKEND_ACTIONS)[number];

/** Kept changes of all versions, of one `MAX_BACKENDS`: what is in the file stays small, and so does what a history can make of it. */
export const MAX_CHANGES = 10_000;

/** The heaviest weight that a backend can have. */
export const MAX_WEIGHT = 1_000;

/** What is in force for one backend, as it stands in the files. */
export interface ChangeInForce {
  readonly version: Version;
  /** Its name. */
  readonly backend: string;
  /** `added`: the config need not have it. `removed`: it is not used, although the config has it. */
  readonly presence: "added" | "removed" | "kept";
  /** null: the config's. */
  readonly weight: number | null;
  readonly drained: boolean;
}

/** By `keyOf`, in the order in which they were made. */
export type Changes = ReadonlyMap<string, ChangeInForce>;

export const NO_CHANGES: Changes = new Map();

/** What one step does: to one backend, or with null to all of the version. */
export interface ChangeStep {
  readonly version: Version;
  readonly backend: string | null;
  /** null: nothing is in force by hand any more. */
  readonly inForce: ChangeInForce | null;
}

export function keyOf(version: Version, backend: string): string {
  return `${version} ${backend}`;
}

/** @returns the changes after one more step; `changes` stays as it was. */
export function withStep(changes: Changes, step: ChangeStep): Changes {
  const after = new Map(changes);
  takeStep(after, step);
  return after;
}

/** The same in place, for a history that is read. */
export function takeStep(
  changes: Map<string, ChangeInForce>,
  { version, backend, inForce }: ChangeStep,
): void {
  if (backend === null) {
    for (const [key, change] of changes) if (change.version === version) changes.delete(key);
  } else if (inForce === null) changes.delete(keyOf(version, backend));
  else changes.set(keyOf(version, backend), inForce);
}

/**
 * What a version's pool is made of: the config's targets without those that were taken out, and behind them those that
 * were added by hand; together at most `MAX_BACKENDS`, as long as the config has no more.
 */
export function sourceOf(version: Version, targets: readonly TargetConfig[], changes: Changes): PoolSource {
  const own = changesOf(version, changes);
  if (own.length === 0) return { targets, changes: new Map() };
  const removed = new Set(own.filter(({ presence }) => presence === "removed").map(({ backend }) => backend));
  const known = new Set(targets.map(({ origin }) => origin));
  const kept = targets.filter(({ origin, resolve }) => resolve === "all" || !removed.has(origin));
  const added = own
    .filter(({ presence, backend }) => presence === "added" && !known.has(backend))
    .slice(0, Math.max(0, MAX_BACKENDS - kept.length))
    .map(({ backend }) => targetOf(backend));
  return {
    targets: [...kept, ...added],
    changes: new Map(
      own.map(({ backend, weight, drained }) => [
        backend,
        { isDrained: drained, ...(weight === null ? {} : { weight }) },
      ]),
    ),
  };
}

/** @param names of the version's backends. @returns what is kept and does nothing. */
export function withoutEffect(
  version: Version,
  { names, configured }: { readonly names: ReadonlySet<string>; readonly configured: ReadonlySet<string> },
  changes: Changes,
): readonly ChangeInForce[] {
  return changesOf(version, changes).filter(
    ({ backend, presence }) => !names.has(backend) && !(presence === "removed" && configured.has(backend)),
  );
}

export function changesOf(version: Version, changes: Changes): readonly ChangeInForce[] {
  return [...changes.values()].filter((change) => change.version === version);
}

/** Whether new requests may go to it: people allow it, and the probes in the background do not speak against it. */
export function canTakeTraffic({ weight, isDrained, health }: BackendSnapshot): boolean {
  return weight > 0 && !isDrained && health !== "unhealthy";
}
