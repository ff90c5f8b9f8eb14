/**
 * Create pool: a version's pool as its config says, for one worker: its balancer, and its part of the limits.
 */
import type { VersionConfig } from "../config/pool-config.ts";
import { looseShareOf, type Share } from "../core/share.ts";
import { Pool } from "./backend/pool.ts";
import { RoundRobin } from "./pick/round-robin.ts";

export function createPool(config: VersionConfig, versionIndex: number, share: Share): Pool {
  const { maxInFlight } = config.limits;
  const isLimited = maxInFlight !== Number.POSITIVE_INFINITY;
  return new Pool({
    config,
    versionIndex,
    balancer: new RoundRobin({ seed: 0, worker: share.index, workers: share.workers }),
    needsLatency: false,
    maxInFlight: isLimited ? looseShareOf(maxInFlight, share) : maxInFlight,
  });
}
