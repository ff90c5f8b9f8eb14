/**
 * Pools: one pool of connections per backend, the only door to it, for traffic and for probes; and the only home of
 * their sizes and time limits.
 */
import type { Config } from "../../config/schema.ts";
import { looseShareOf, type Share, shareOf, shareOrNone } from "../../core/share.ts";
import type { Backend } from "../backend/backend.ts";
import { ConnectionPool, type PoolLimits } from "./connection-pool.ts";

/** The limits of one worker's pool for one backend, see `upstream` in the config reference. */
export function poolLimits(config: Config, share: Share): PoolLimits {
  const { upstream, backends } = config;
  // The total over all backends is kept by giving each an equal part of it.
  const perBackend = Math.min(
    upstream.maxConnections,
    Math.floor(upstream.maxTotalConnections / backends.length),
  );
  return {
    maxConnections: shareOf(perBackend, share),
    maxIdleConnections: shareOrNone(Math.min(upstream.maxIdleConnections, perBackend), share),
    maxQueue: looseShareOf(upstream.maxQueue, share),
    connectTimeoutMs: upstream.connectTimeoutMs,
    tlsHandshakeTimeoutMs: upstream.tlsHandshakeTimeoutMs,
    keepAliveTimeoutMs: upstream.keepAliveTimeoutMs,
    maxHeaderBytes: upstream.maxHeaderBytes,
    maxHeaderCount: upstream.maxHeaderCount,
  };
}

/** @returns the pool of a backend; each is there from the start. */
export function createPools(
  config: Config,
  share: Share,
  backends: readonly Backend[],
): (backend: Backend) => ConnectionPool {
  const limits = poolLimits(config, share);
  const pools = backends.map(({ origin }) => new ConnectionPool(new URL(origin), limits));
  return ({ index }) => pools[index] as ConnectionPool;
}
