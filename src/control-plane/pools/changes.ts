/**
 * Changes: what was said by hand of the backends of versions, and what a pool is with it.
 *
 * Pure: no file, no clock. One change at most for each backend, whatever led to it. What means a backend that the
 * config no longer has is kept and does nothing, until the config has it again or somebody resets it.
 */
import { type TargetConfig, targetOf } from "../../config/pool-config.ts";
import type { BackendSnapshot } from "../../config/snapshot.ts";
import type { Version } from "../../core/version.ts";

export const BACKEND_ACTIONS = ["add", "remove", "drain", "enable", "weight", "reset"] as const;
export type BackendAction = (typeof BACKEND_ACTIONS)[number];

/** Of one version: backends of a pool, and likewise changes that are kept. */
export const MAX_BACKENDS = 1_000;
/** Of all versions: what is in the file stays small, and so does what a history can make of it. */
export const MAX_CHANGES = 10_000;

/** The heaviest weight that a backend can have. */
export const MAX_WEIGHT = 65_535;

/** What is in force for one backend, as it stands in the files. */
export interface BackendChange {
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
export type Changes = ReadonlyMap<string, BackendChange>;

export const NO_CHANGES: Changes = new Map();

/** What one step does: to one backend, or with null to all of the version. */
export interface ChangeStep {
  readonly version: Version;
  readonly backend: string | null;
  /** null: nothing is in force by hand any more. */
  readonly inForce: BackendChange | null;
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
  changes: Map<string, BackendChange>,
  { version, backend, inForce }: ChangeStep,
): void {
  if (backend === null) {
    for (const [key, change] of changes) if (change.version === version) changes.delete(key);
  } else if (inForce === null) changes.delete(keyOf(version, backend));
  else changes.set(keyOf(version, backend), inForce);
}

/**
 * The config's targets, and behind them those that were added by hand; together at most `MAX_BACKENDS` as long as the
 * config has no more. Their names are resolved next; then `applyChanges` has the rest.
 */
export function withAdded(
  version: Version,
  targets: readonly TargetConfig[],
  changes: Changes,
): readonly TargetConfig[] {
  const known = new Set(targets.map(({ origin }) => origin));
  const added = changesOf(version, changes)
    .filter(({ presence, backend }) => presence === "added" && !known.has(backend))
    .slice(0, Math.max(0, MAX_BACKENDS - targets.length))
    .map(({ backend }) => targetOf(backend));
  return added.length === 0 ? targets : [...targets, ...added];
}

/** One backend of a pool, the config and the changes taken together. */
export interface PooledBackend extends BackendSnapshot {
  /** What the config says; null when it was added by hand. */
  readonly configuredWeight: number | null;
  /** It is one of the addresses of a name (`resolve: all`), and comes and goes with it. */
  readonly isOfName: boolean;
}

export interface AppliedChanges {
  /** Without the removed ones. */
  readonly backends: readonly PooledBackend[];
  /** Of this version, what is kept and does nothing. */
  readonly withoutEffect: readonly BackendChange[];
}

/**
 * @param targets the config's.
 * @param members what `withAdded` gives, resolved; with the weights of the targets.
 */
export function applyChanges(
  version: Version,
  {
    targets,
    members,
  }: { readonly targets: readonly TargetConfig[]; readonly members: readonly BackendSnapshot[] },
  changes: Changes,
): AppliedChanges {
  const configured = new Set(targets.map(({ origin }) => origin));
  const names = new Set(members.map(({ name }) => name));
  const backends = members.flatMap((member) => {
    const change = changes.get(keyOf(version, member.name));
    if (change?.presence === "removed") return [];
    return [pooled(member, configured.has(member.origin) ? member.weight : null, change)];
  });
  const withoutEffect = changesOf(version, changes).filter(({ backend }) => !names.has(backend));
  return { backends, withoutEffect };
}

function pooled(
  member: BackendSnapshot,
  configuredWeight: number | null,
  change: BackendChange | undefined,
): PooledBackend {
  return {
    ...member,
    weight: change?.weight ?? member.weight,
    isDrained: change?.drained ?? false,
    configuredWeight,
    isOfName: member.name !== member.origin,
  };
}

export function changesOf(version: Version, changes: Changes): readonly BackendChange[] {
  return [...changes.values()].filter((change) => change.version === version);
}

/** Whether new requests may go to it, as far as people have said. */
export function canTakeTraffic({
  weight,
  isDrained,
}: Pick<BackendSnapshot, "weight" | "isDrained">): boolean {
  return weight > 0 && !isDrained;
}
