/**
 * The undici Agent: the only door to a backend, for traffic and for probes, and the only home of its
 * sizes and time limits.
 */
import { Agent } from "undici";
import type { Config } from "../../config/schema.ts";
import { ConnectionPool, type PoolLimits } from "./connection-pool.ts";

/** This worker's place among those that share the limits per backend. */
export interface Share {
  readonly index: number;
  readonly workers: number;
}

/** @returns `total` shared out over the workers, the remainder to the first ones; at least 1 each. */
export function shareOf(total: number, { index, workers }: Share): number {
  return Math.max(1, Math.floor(total / workers) + (index < total % workers ? 1 : 0));
}

/** 0 stays 0: it switches something off. */
function shareOrNone(total: number, share: Share): number {
  return total === 0 ? 0 : shareOf(total, share);
}

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
    maxQueue: shareOrNone(upstream.maxQueue, share),
    connectTimeoutMs: upstream.connectTimeoutMs,
    tlsHandshakeTimeoutMs: upstream.tlsHandshakeTimeoutMs,
    keepAliveTimeoutMs: upstream.keepAliveTimeoutMs,
  };
}

export interface BackendAgent {
  readonly agent: Agent;
  /** The pool of an origin, once something was sent to it. */
  pool(origin: string): ConnectionPool | undefined;
}

export function createAgent(config: Config, share: Share): BackendAgent {
  const limits = poolLimits(config, share);
  const pools = new Map<string, ConnectionPool>();
  const agent = new Agent({
    factory: (origin) => {
      const url = new URL(origin);
      const pool = new ConnectionPool(url, limits);
      pools.set(url.origin, pool);
      return pool;
    },
  });
  return { agent, pool: (origin) => pools.get(origin) };
}
