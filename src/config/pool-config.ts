/**
 * Pool config: what the operator said of one version: its targets, and how they are picked, judged and limited.
 *
 * Types only; the schema fills them, from the short form (`v1: "http://host:port"`) too. Plain data: it is sent to
 * the workers. A section that was not written is null: off.
 */
import type { ProbeConfig } from "./probe-config.ts";

export interface VersionConfig {
  /** The version's name. */
  readonly version: string;
  /** In the order of the file, 1 or more. */
  readonly targets: readonly TargetConfig[];
  readonly balance: BalanceConfig;
  /** null: its backends are probed by a switch alone, not in the background. */
  readonly health: HealthConfig | null;
  readonly outlier: OutlierConfig | null;
  readonly breaker: BreakerConfig | null;
  readonly limits: LimitsConfig;
  /** How long a backend that comes back takes to climb to its whole weight; 0: at once. */
  readonly slowStartMs: number;
  /** The share of its backends that must pass the gate of a switch; above 0, up to 1. */
  readonly readyRatio: number;
  /** What is done when no backend is healthy: all are used all the same, or the request is refused. */
  readonly whenAllUnhealthy: "use-all" | "refuse";
  readonly sticky: StickyConfig | null;
}

export interface TargetConfig {
  /** `http://host:port` or `https://host:port`, as `new URL(...).origin` writes it. */
  readonly origin: string;
  /** 0 takes no traffic. */
  readonly weight: number;
  /** `name`: one backend, whatever its name resolves to; `all`: each address of the name is a backend. */
  readonly resolve: "name" | "all";
  /** How often the name is looked up where its answer has no TTL. */
  readonly resolveEveryMs: number;
}

export interface BalanceConfig {
  /** A name of the registry (pick/registry.ts), or the absolute path of a module. */
  readonly algorithm: string;
  /** What a balancer that hashes goes by. */
  readonly key: BalanceKey;
}

export type BalanceKey =
  | { readonly from: "client-address" | "path" }
  /** `name` of a header in lower case. */
  | { readonly from: "header" | "cookie"; readonly name: string };

/** A probe in the background, and how many in a row change the verdict. */
export interface HealthConfig extends Omit<ProbeConfig, "successes"> {
  readonly unhealthyAfter: number;
  readonly healthyAfter: number;
}

export interface OutlierConfig {
  /** How many of the last outcomes of a backend count, per worker. */
  readonly window: number;
  readonly errorRatio: number;
  /** The fewest outcomes that a ratio is taken of. */
  readonly minRequests: number;
  /** The first time; longer with each that follows. */
  readonly ejectForMs: number;
  readonly maxEjectedRatio: number;
  /** From this error ratio on it is degraded: its weight is halved, and less. */
  readonly degradedRatio: number;
}

export interface BreakerConfig {
  readonly window: number;
  readonly errorRatio: number;
  readonly minRequests: number;
  /** So many failures in a row open it, whatever the ratio. */
  readonly consecutiveFailures: number;
  readonly openForMs: number;
  /** How many requests half-open lets through at once; as many good ones in a row close it. */
  readonly halfOpenRequests: number;
}

/** Of one backend, over all workers; Infinity: none. */
export interface LimitsConfig {
  readonly maxInFlight: number;
  /** null: `upstream.max_queue`. */
  readonly maxQueue: number | null;
  /** null: `upstream.max_connections`. */
  readonly maxConnections: number | null;
  readonly maxRetries: number;
}

export interface StickyConfig {
  readonly cookie: string;
  /** What its value is signed with: never told. */
  readonly secret: string;
  /** null: until the browser is closed. */
  readonly maxAgeMs: number | null;
  readonly isSecure: boolean;
  readonly sameSite: "lax" | "strict" | "none";
}

export const DEFAULT_BALANCE: BalanceConfig = { algorithm: "round-robin", key: { from: "client-address" } };

export const NO_LIMITS: LimitsConfig = {
  maxInFlight: Number.POSITIVE_INFINITY,
  maxQueue: null,
  maxConnections: null,
  maxRetries: Number.POSITIVE_INFINITY,
};

/** What the short form says. */
export function versionOfOne(version: string, origin: string): VersionConfig {
  return {
    version,
    targets: [targetOf(origin)],
    balance: DEFAULT_BALANCE,
    health: null,
    outlier: null,
    breaker: null,
    limits: NO_LIMITS,
    slowStartMs: 0,
    readyRatio: 1,
    whenAllUnhealthy: "use-all",
    sticky: null,
  };
}

/** A target of which nothing but its URL was said. */
export function targetOf(origin: string): TargetConfig {
  return { origin, weight: 1, resolve: "name", resolveEveryMs: 10_000 };
}

/** A version's backends in a few words, for people: the origin of the only one, or the first ones. */
export function describeTargets(targets: readonly { readonly origin: string }[]): string {
  const shown = targets.slice(0, MOST_SHOWN).map(({ origin }) => origin);
  const more = targets.length - shown.length;
  return more > 0 ? `${shown.join(", ")} and ${more} more` : shown.join(", ");
}

const MOST_SHOWN = 4;
