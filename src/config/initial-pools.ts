/**
 * The pools as the config alone has them: what serves before anything has changed or been probed. Pure.
 */
import type { VersionConfig } from "./pool-config.ts";
import type { BackendSnapshot, PoolsSnapshot } from "./snapshot.ts";

export function initialPools(versions: readonly VersionConfig[]): PoolsSnapshot {
  return {
    revision: 0,
    pools: versions.map(({ version, targets }) => ({
      version,
      backends: targets.map(
        ({ origin, weight }): BackendSnapshot => ({
          name: origin,
          origin,
          addresses: [],
          weight,
          isDrained: false,
          health: "unknown",
        }),
      ),
    })),
  };
}
