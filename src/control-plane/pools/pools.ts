/**
 * Pools: who the backends of every version are now. The one owner of the PoolsSnapshot.
 *
 * Runs in the primary. Told of what makes them up (targets, by the config and by hand; addresses of names; verdicts
 * of the probes), it makes a new revision of each change and hands it on: the first at once, and what follows within
 * a moment together. Knows no workers, no files and no sockets.
 */
import type { TargetConfig, VersionConfig } from "../../config/pool-config.ts";
import type { BackendSnapshot, HealthVerdict, PoolSnapshot, PoolsSnapshot } from "../../config/snapshot.ts";
import type { After } from "../../core/timers.ts";
import type { Version } from "../../core/version.ts";
import { type AddressesOf, MAX_BACKENDS, membersOf } from "./members.ts";

/** What was changed by hand of one backend, by its name. */
export interface BackendChange {
  readonly isDrained?: boolean;
  readonly weight?: number;
}

/** What a version's backends come from. */
export interface PoolSource {
  readonly targets: readonly TargetConfig[];
  readonly changes: ReadonlyMap<string, BackendChange>;
}

export interface PoolsParts {
  readonly versions: readonly VersionConfig[];
  readonly after: After;
  /** A new revision. Not told of the one at the start. */
  readonly onChange: (pools: PoolsSnapshot) => void;
  /** A version has more backends than are used from now on. */
  readonly onCut: (version: Version) => void;
}

/** Changes that come within this time of one another are one revision. */
const TOGETHER_MS = 50;
/** Or longer: whoever is told of a change is sent all backends: about 5 µs for each here, and in every worker. */
const TOGETHER_MS_PER_BACKEND = 0.1;
const NO_CHANGES: PoolSource["changes"] = new Map();

export class Pools {
  readonly #parts: PoolsParts;
  readonly #sources: Map<Version, PoolSource>;
  readonly #verdicts = new Map<string, HealthVerdict>();
  #addressesOf: AddressesOf = () => [];
  #snapshot: PoolsSnapshot;
  /** Counts the changes; the snapshot is made of them when it is wanted: with many backends verdicts come by the hundred. */
  #revision = 0;
  /** A timer runs: what changes meanwhile waits for its end. */
  #isResting = false;
  #hasChanged = false;
  readonly #cut = new Set<Version>();

  constructor(parts: PoolsParts) {
    this.#parts = parts;
    this.#sources = new Map(
      parts.versions.map(({ version, targets }) => [version, { targets, changes: NO_CHANGES }]),
    );
    this.#snapshot = Object.freeze({ revision: 0, pools: this.#pools() });
  }

  /** The latest revision, whether it has been handed on yet or not. */
  get snapshot(): PoolsSnapshot {
    if (this.#snapshot.revision !== this.#revision) this.#renew();
    return this.#snapshot;
  }

  /** Of all versions. */
  get targets(): readonly TargetConfig[] {
    return [...this.#sources.values()].flatMap(({ targets }) => targets);
  }

  sourceOf(version: Version): PoolSource {
    return this.#sources.get(version) ?? { targets: [], changes: NO_CHANGES };
  }

  backendsOf(version: Version): readonly BackendSnapshot[] {
    return this.snapshot.pools.find((pool) => pool.version === version)?.backends ?? [];
  }

  /** What the backends would be, if `source` counted. */
  backendsFrom(version: Version, { targets, changes }: PoolSource): readonly BackendSnapshot[] {
    return membersOf(targets, this.#addressesOf)
      .slice(0, MAX_BACKENDS)
      .map((member) => ({
        ...member,
        ...changes.get(member.name),
        health: this.#verdicts.get(keyOf(version, member.name)) ?? "unknown",
      }));
  }

  /** What counts instead of the config's, such as after a change by hand. */
  setSource(version: Version, source: PoolSource): void {
    this.#sources.set(version, source);
    this.#changeMembers();
  }

  /** What the names of the targets resolve to from now on. */
  setAddresses(addressesOf: AddressesOf): void {
    this.#addressesOf = addressesOf;
    this.#changeMembers();
    for (const version of this.#sources.keys()) this.#noteCut(version);
  }

  setVerdict(version: Version, backend: string, verdict: HealthVerdict): void {
    this.#verdicts.set(keyOf(version, backend), verdict);
    this.#revision += 1;
    this.#change();
  }

  #noteCut(version: Version): void {
    const { targets } = this.sourceOf(version);
    const isFull = this.backendsOf(version).length === MAX_BACKENDS;
    if (!isFull || membersOf(targets, this.#addressesOf).length === MAX_BACKENDS) this.#cut.delete(version);
    else if (!this.#cut.has(version)) {
      this.#cut.add(version);
      this.#parts.onCut(version);
    }
  }

  #changeMembers(): void {
    this.#revision += 1;
    this.#renew(); // so that the verdicts of those that left are forgotten, though they come back
    this.#change();
  }

  /** Hands on at once what waits for what may follow: a switch that comes next is to be judged by it. */
  tellNow(): void {
    if (!this.#hasChanged) return;
    this.#hasChanged = false;
    this.#parts.onChange(this.snapshot);
  }

  #renew(): void {
    const pools = this.#pools();
    this.#forgetVerdicts(pools);
    this.#snapshot = Object.freeze({ revision: this.#revision, pools });
  }

  #change(): void {
    this.#hasChanged = true;
    if (!this.#isResting) this.#tell();
  }

  #tell(): void {
    if (!this.#hasChanged) return;
    this.#isResting = true;
    const count = this.snapshot.pools.reduce((sum, { backends }) => sum + backends.length, 0);
    this.#parts.after(Math.max(TOGETHER_MS, count * TOGETHER_MS_PER_BACKEND), () => {
      this.#isResting = false;
      this.#tell();
    });
    this.tellNow();
  }

  #pools(): readonly PoolSnapshot[] {
    return this.#parts.versions.map(({ version }) => ({
      version,
      backends: this.backendsFrom(version, this.sourceOf(version)),
    }));
  }

  /** Of backends that are gone: names come and go for ever. */
  #forgetVerdicts(pools: readonly PoolSnapshot[]): void {
    const here = new Set(
      pools.flatMap(({ version, backends }) => backends.map(({ name }) => keyOf(version, name))),
    );
    for (const key of this.#verdicts.keys()) if (!here.has(key)) this.#verdicts.delete(key);
  }
}

function keyOf(version: Version, backend: string): string {
  return `${version} ${backend}`;
}
