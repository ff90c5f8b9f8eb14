/**
 * Create pool: a version's pool as its config says, for one worker: its balancer, and its part of the limits.
 */
import type { VersionConfig } from "../config/pool-config.ts";
import { systemClock } from "../core/clock.ts";
import { looseShareOf, type Share } from "../core/share.ts";
import { Pool, type PoolWatch } from "./backend/pool.ts";
import type { BalancerKind } from "./pick/balancer.ts";
import { keyHash } from "./pick/key.ts";
import { BALANCERS, loadBalancer } from "./pick/registry.ts";

export interface CreatePoolOptions {
  readonly share: Share;
  readonly watch: PoolWatch;
  /** A balancer of the operator did something wrong, and another backend was taken; once for each pool. */
  readonly onBalancerFault: (config: VersionConfig, what: string, cause: unknown) => void;
}

export type CreatePool = (config: VersionConfig, versionIndex: number) => Pool;

/**
 * Loads the balancer of every version, before anything is served by them.
 *
 * @throws StartError about the module of a balancer.
 */
export async function loadPools(
  versions: readonly VersionConfig[],
  options: CreatePoolOptions,
): Promise<CreatePool> {
  const loading = versions.map(async (config) => {
    const tell = (what: string, cause: unknown): void => options.onBalancerFault(config, what, cause);
    return loadBalancer(config.balance.algorithm, tell);
  });
  const kinds = await Promise.all(loading);
  return (config, versionIndex) => {
    const kind = kinds[versionIndex] ?? BALANCERS["round-robin"]; // never: one was loaded for each version
    return createPool(config, versionIndex, kind, options);
  };
}

function createPool(
  config: VersionConfig,
  versionIndex: number,
  kind: BalancerKind,
  { share, watch }: CreatePoolOptions,
): Pool {
  const { maxInFlight, maxRetries } = config.limits;
  const seed = Math.floor(Math.random() * 2 ** 31);
  return new Pool({
    config,
    versionIndex,
    balancer: kind.create({ seed, worker: share.index, workers: share.workers }),
    ...(kind.needsKey ? { keyHash: keyHash(config.balance.key) } : {}),
    needsLatency: kind.needsLatency,
    maxInFlight: partOf(maxInFlight, share),
    maxRetries: partOf(maxRetries, share),
    nowMs: systemClock.nowMs,
    watch,
  });
}

/** @param limit over all workers; Infinity: none. */
function partOf(limit: number, share: Share): number {
  return limit === Number.POSITIVE_INFINITY ? limit : looseShareOf(limit, share);
}
