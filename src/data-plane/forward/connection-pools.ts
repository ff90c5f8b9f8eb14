/**
 * Connection pools: one pool of connections per backend, the only door to it, for traffic and for probes; and the only
 * home of their sizes and time limits.
 */
import type { Config } from "../../config/schema.ts";
import { looseShareOf, type Share, shareOf, shareOrNone } from "../../core/share.ts";
import type { Backend } from "../backend/backend.ts";
import { ConnectionPool, type PoolLimits } from "./connection-pool.ts";

export type PoolsConfig = Pick<Config, "upstream" | "backends"> & {
  readonly server: Pick<Config["server"], "engine">;
};

/**
 * The limits of one worker's pool for one backend, see `upstream` in the config reference.
 *
 * @param backends how many there are, of all versions.
 */
export function poolLimits(
  config: PoolsConfig,
  share: Share,
  backends: number,
  versionIndex: number,
): PoolLimits {
  const { upstream } = config;
  const own = config.backends[versionIndex]?.limits;
  // The total over all backends is kept by giving each an equal part of it.
  const perBackend = Math.min(
    own?.maxConnections ?? upstream.maxConnections,
    Math.floor(upstream.maxTotalConnections / backends),
  );
  return {
    maxConnections: shareOf(perBackend, share),
    maxIdleConnections: shareOrNone(Math.min(upstream.maxIdleConnections, perBackend), share),
    maxQueue: looseShareOf(own?.maxQueue ?? upstream.maxQueue, share),
    connectTimeoutMs: upstream.connectTimeoutMs,
    tlsHandshakeTimeoutMs: upstream.tlsHandshakeTimeoutMs,
    keepAliveTimeoutMs: upstream.keepAliveTimeoutMs,
    maxHeaderBytes: upstream.maxHeaderBytes,
    maxHeaderCount: upstream.maxHeaderCount,
    engine: config.server.engine,
  };
}

export class ConnectionPools {
  readonly #config: PoolsConfig;
  readonly #share: Share;
  readonly #pools = new Map<Backend, ConnectionPool>();
  readonly #onLost: (backend: Backend) => void;

  /** @param onLost see connection-pool.ts. */
  constructor(
    config: PoolsConfig,
    share: Share,
    backends: readonly Backend[],
    onLost: (backend: Backend) => void = () => {},
  ) {
    this.#onLost = onLost;
    this.#config = config;
    this.#share = share;
    this.update(backends);
  }

  /** The pool of a backend; each is there from the start. */
  readonly of = (backend: Backend): ConnectionPool => this.#pools.get(backend) as ConnectionPool;

  /** Those that came get a pool; all get their addresses and limits anew: the total is shared by as many as there are. */
  update(backends: readonly Backend[]): void {
    // The system may know of a change before the primary looks again; of what was asked elsewhere it knows nothing.
    const mayBeOld = this.#config.upstream.resolvers.length === 0;
    for (const backend of backends) {
      const limits = poolLimits(this.#config, this.#share, backends.length, backend.versionIndex);
      const pool = this.#pools.get(backend) ?? this.#create(backend, limits);
      pool.limits = limits;
      pool.setAddresses(backend.addresses, mayBeOld && backend.name === backend.origin);
      this.#pools.set(backend, pool);
    }
  }

  #create(backend: Backend, limits: PoolLimits): ConnectionPool {
    return new ConnectionPool(new URL(backend.origin), limits, () => this.#onLost(backend));
  }

  /** The backend has left and nothing runs on it any more. */
  close(backend: Backend): void {
    this.#pools.get(backend)?.destroy();
    this.#pools.delete(backend);
  }
}
