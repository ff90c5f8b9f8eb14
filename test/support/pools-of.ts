/** Pools of the data plane as tests want them: what a test does not say is the plainest there is. */
import type { VersionConfig } from "../../src/config/pool-config.ts";
import type { BackendSnapshot, PoolsSnapshot } from "../../src/config/snapshot.ts";
import { Pool, type PoolOptions } from "../../src/data-plane/backend/pool.ts";
import { RoundRobin } from "../../src/data-plane/pick/round-robin.ts";
import { Serving, type ServingOptions } from "../../src/data-plane/serving.ts";

/** A backend as the primary tells of one that nobody has changed or probed. */
export function memberOf(origin: string, more: Partial<BackendSnapshot> = {}): BackendSnapshot {
  const usual = { addresses: [], weight: 1, isDrained: false, health: "unknown" } as const;
  return { name: origin, origin, ...usual, ...more };
}

/** The backends that the configs name. */
export function poolsOf(versions: readonly VersionConfig[]): PoolsSnapshot {
  return {
    revision: 0,
    pools: versions.map(({ version, targets }) => ({
      version,
      backends: targets.map(({ origin, weight }) => memberOf(origin, { weight })),
    })),
  };
}

/** Without backends yet: they come with `apply`. Takes them in turn; its time stands still. */
export function poolOf(config: VersionConfig, more: Partial<PoolOptions> = {}): Pool {
  return new Pool({
    config,
    versionIndex: 0,
    balancer: new RoundRobin({ seed: 0, worker: 0, workers: 1 }),
    needsLatency: false,
    maxInFlight: Number.POSITIVE_INFINITY,
    maxRetries: Number.POSITIVE_INFINITY,
    nowMs: () => 0,
    watch: { onStanding: () => {}, onMood: () => {} },
    ...more,
  });
}

/** Serves the backends that the configs name. */
export function servingOf(
  versions: readonly VersionConfig[],
  snapshot: ServingOptions["snapshot"],
  more: Partial<ServingOptions> = {},
): Serving {
  const createPool = (config: VersionConfig, versionIndex: number): Pool => poolOf(config, { versionIndex });
  return new Serving({ versions, snapshot, pools: poolsOf(versions), createPool, ...more });
}
