/**
 * Create pool: a version's pool as its config says, for one worker: its balancer, and its part of the limits.
 */
import type { VersionConfig } from "../config/pool-config.ts";
import { systemClock } from "../core/clock.ts";
import { looseShareOf, type Share } from "../core/share.ts";
import { Pool, type PoolWatch } from "./backend/pool.ts";
import { RoundRobin } from "./pick/round-robin.ts";

export function createPool(
  config: VersionConfig,
  versionIndex: number,
  share: Share,
  watch: PoolWatch,
): Pool {
  const { maxInFlight } = config.limits;
  const isLimited = maxInFlight !== Number.POSITIVE_INFINITY;
  return new Pool({
    config,
    versionIndex,
    balancer: new RoundRobin({ seed: 0, worker: share.index, workers: share.workers }),
    needsLatency: false,
    maxInFlight: isLimited ? looseShareOf(maxInFlight, share) : maxInFlight,
    nowMs: systemClock.nowMs,
    watch,
  });
}
