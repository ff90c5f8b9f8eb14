/**
 * Pool settings to VersionConfig: the checked keys of one version under the names the code uses, with their units.
 *
 * Checks nothing, and holds no default of a key but the one that is new at each start: a secret nobody gave.
 */
import { randomBytes } from "node:crypto";
import { DEFAULT_BALANCE, type StickyConfig, type VersionConfig } from "./pool-config.ts";
import type { FoundPoolFiles } from "./pool-files.ts";
import type { PoolSettings } from "./pool-schema.ts";
import { toProbe } from "./probe-schema.ts";

/** @param files what the versions have in files of their own. */
export function toVersionConfig(version: string, pool: PoolSettings, files: FoundPoolFiles): VersionConfig {
  const { balance, limits } = pool;
  return {
    version,
    targets: pool.targets.map(({ url, weight, resolve, resolve_every }) => ({
      origin: url,
      weight,
      resolve,
      resolveEveryMs: resolve_every,
    })),
    balance: {
      algorithm: files.modules.get(version) ?? balance.algorithm,
      key: balance.key ?? DEFAULT_BALANCE.key,
    },
    health: healthConfig(pool.health),
    outlier: outlierConfig(pool.outlier),
    breaker: breakerConfig(pool.breaker),
    limits: {
      maxInFlight: limits.max_in_flight,
      maxQueue: limits.max_queue,
      maxConnections: limits.max_connections,
      maxRetries: limits.max_retries,
    },
    slowStartMs: pool.slow_start,
    readyRatio: pool.ready_ratio,
    whenAllUnhealthy: pool.when_all_unhealthy,
    sticky: stickyConfig(pool.sticky, files.secrets.get(version)),
  };
}

function healthConfig(health: PoolSettings["health"]): VersionConfig["health"] {
  return (
    health && {
      ...toProbe(health),
      intervalMs: health.interval,
      unhealthyAfter: health.unhealthy_after,
      healthyAfter: health.healthy_after,
    }
  );
}

function outlierConfig(outlier: PoolSettings["outlier"]): VersionConfig["outlier"] {
  return (
    outlier && {
      window: outlier.window,
      errorRatio: outlier.error_ratio,
      minRequests: outlier.min_requests,
      ejectForMs: outlier.eject_for,
      maxEjectedRatio: outlier.max_ejected_ratio,
      degradedRatio: outlier.degraded_ratio,
    }
  );
}

function breakerConfig(breaker: PoolSettings["breaker"]): VersionConfig["breaker"] {
  return (
    breaker && {
      window: breaker.window,
      errorRatio: breaker.error_ratio,
      minRequests: breaker.min_requests,
      consecutiveFailures: breaker.consecutive_failures,
      openForMs: breaker.open_for,
      halfOpenRequests: breaker.half_open_requests,
    }
  );
}

const MADE_SECRET_BYTES = 32;

/** A secret that nobody gave is made here, in the primary, so that every worker gets the same. */
function stickyConfig(sticky: PoolSettings["sticky"], ofFile: string | undefined): StickyConfig | null {
  return (
    sticky && {
      cookie: sticky.cookie,
      secret: sticky.secret ?? ofFile ?? randomBytes(MADE_SECRET_BYTES).toString("base64url"),
      maxAgeMs: sticky.max_age,
      isSecure: sticky.secure,
      sameSite: sticky.same_site,
    }
  );
}
