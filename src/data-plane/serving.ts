/**
 * What this worker serves now: one immutable value that a request reads once, so that a switch never
 * splits a request. Replaced whole by one assignment.
 */
import type { VersionConfig } from "../config/pool-config.ts";
import type { PoolsSnapshot, Snapshot } from "../config/snapshot.ts";
import { ProxyError } from "../core/errors.ts";
import type { Version } from "../core/version.ts";
import type { Backend } from "./backend/backend.ts";
import type { MembersChange } from "./backend/members.ts";
import type { Pool } from "./backend/pool.ts";

export interface Live {
  readonly epoch: number;
  readonly active: Pool;
}

export interface ServingOptions {
  readonly versions: readonly VersionConfig[];
  readonly snapshot: Snapshot;
  readonly pools: PoolsSnapshot;
  /** Makes a version's pool, without backends. */
  readonly createPool: (config: VersionConfig, versionIndex: number) => Pool;
}

export class Serving {
  /** Every configured version's, in the order of the config. */
  readonly pools: readonly Pool[];
  #revision: number;
  #leaving: readonly Backend[] = [];
  #backends: readonly Backend[];
  #current: Live;

  constructor({ versions, snapshot, createPool, pools }: ServingOptions) {
    this.pools = versions.map(createPool);
    this.#revision = pools.revision;
    this.#applyMembers(pools);
    this.#backends = this.#members;
    this.#current = this.#live(snapshot);
  }

  get current(): Live {
    return this.#current;
  }

  /** Of all versions; those too that have left and still run something. */
  get backends(): readonly Backend[] {
    return this.#backends;
  }

  /** Those that have left their pool. */
  get leaving(): readonly Backend[] {
    return this.#leaving;
  }

  /** Every request from now on goes by `snapshot`. */
  apply(snapshot: Snapshot): void {
    this.#current = this.#live(snapshot);
  }

  /** Every request from now on finds these backends. @returns null: it knew these, or newer ones. */
  applyPools(pools: PoolsSnapshot): MembersChange | null {
    if (pools.revision <= this.#revision) return null;
    this.#revision = pools.revision;
    const changes = this.#applyMembers(pools);
    const change: MembersChange = {
      came: changes.flatMap(({ came }) => came),
      left: changes.flatMap(({ left }) => left),
      drained: changes.flatMap(({ drained }) => drained),
      enabled: changes.flatMap(({ enabled }) => enabled),
    };
    this.#leaving = [...this.#leaving, ...change.left];
    this.#backends = [...this.#members, ...this.#leaving];
    return change;
  }

  /** Nothing of it is left. */
  forget(backend: Backend): void {
    this.#leaving = this.#leaving.filter((each) => each !== backend);
    this.#backends = [...this.#members, ...this.#leaving];
  }

  /** @throws ProxyError UNKNOWN_VERSION */
  pool(version: Version): Pool {
    const pool = this.pools.find((each) => each.version === version);
    if (pool === undefined) throw new ProxyError("UNKNOWN_VERSION", `no version "${version}" is configured`);
    return pool;
  }

  #live({ activeVersion, epoch }: Snapshot): Live {
    const active = this.pool(activeVersion);
    active.beginEpoch(epoch);
    return { epoch, active };
  }

  get #members(): readonly Backend[] {
    return this.pools.flatMap(({ backends }) => backends);
  }

  #applyMembers({ pools }: PoolsSnapshot): readonly MembersChange[] {
    return pools.flatMap((each) => {
      const pool = this.pools.find(({ version }) => version === each.version);
      return pool === undefined ? [] : [pool.apply(each)];
    });
  }
}
