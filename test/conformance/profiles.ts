/**
 * The configs that cases run under, written as the daemon's own; what other proxies have instead is in peers/.
 *
 * A new profile, or a new key of one, goes here and nowhere else; a proxy that lacks it is "n/a" for its cases.
 */
import type { JsonObject } from "../support/http-client.ts";

/** Small enough to be reached quickly. Durations as config and, for cases to reckon with, as numbers. */
export const LIMITS = {
  maxBodyBytes: 1024,
  maxTargetBytes: 64,
  maxHeaderBytes: 2048,
  maxHeaderCount: 10,
  headerTimeoutMs: 500,
  bodyIdleTimeoutMs: 500,
  keepAliveTimeoutMs: 1_000,
  responseTimeoutMs: 500,
  upstreamBodyIdleTimeoutMs: 500,
  upstreamMaxHeaderBytes: 4096,
  upstreamMaxHeaderCount: 20,
  maxConnections: 6,
  maxConnectionsPerClient: 3,
  maxRequestsPerConnection: 3,
  maxInFlight: 2,
  maxQueue: 2,
  queueTimeoutMs: 1_500,
  minBodyRateBytes: 1024,
  minBodyRateGraceMs: 200,
} as const;

/** The name under the profile "via". */
export const VIA = "proxy-1.test";

export const PROFILES = {
  /** As it comes. */
  default: { log: { level: "warn" } },
  /** The limits above. */
  limits: {
    log: { level: "warn" },
    server: {
      max_body_bytes: `${LIMITS.maxBodyBytes}B`,
      max_target_bytes: `${LIMITS.maxTargetBytes}B`,
      max_header_bytes: `${LIMITS.maxHeaderBytes}B`,
      max_header_count: LIMITS.maxHeaderCount,
      header_timeout: `${LIMITS.headerTimeoutMs}ms`,
      body_idle_timeout: `${LIMITS.bodyIdleTimeoutMs}ms`,
      keep_alive_timeout: `${LIMITS.keepAliveTimeoutMs}ms`,
    },
    upstream: {
      response_timeout: `${LIMITS.responseTimeoutMs}ms`,
      body_idle_timeout: `${LIMITS.upstreamBodyIdleTimeoutMs}ms`,
      max_header_bytes: `${LIMITS.upstreamMaxHeaderBytes}B`,
      max_header_count: LIMITS.upstreamMaxHeaderCount,
    },
  },
  /** Lets few clients in, and few of their requests. */
  crowd: {
    log: { level: "warn" },
    server: {
      max_connections: LIMITS.maxConnections,
      max_connections_per_client: LIMITS.maxConnectionsPerClient,
      max_requests_per_connection: LIMITS.maxRequestsPerConnection,
    },
  },
  /** Runs few requests at a time. */
  busy: { log: { level: "warn" }, server: { max_in_flight: LIMITS.maxInFlight } },
  /** One connection to the backend, and a short queue for it. */
  queue: {
    log: { level: "warn" },
    upstream: {
      max_connections: 1,
      max_queue: LIMITS.maxQueue,
      queue_timeout: `${LIMITS.queueTimeoutMs}ms`,
    },
  },
  /** Uploads must not be slow. */
  uploads: {
    log: { level: "warn" },
    server: {
      min_body_rate: `${LIMITS.minBodyRateBytes}B`,
      min_body_rate_grace: `${LIMITS.minBodyRateGraceMs}ms`,
    },
  },
  /** Uploads must be so fast that no backend may be slow either, if its time counted. */
  "fast uploads": {
    log: { level: "warn" },
    server: { min_body_rate: "16MiB", min_body_rate_grace: `${LIMITS.minBodyRateGraceMs}ms` },
  },
  /** Believes what a proxy in front of it, at loopback, says of the client. */
  trusting: { log: { level: "warn" }, server: { trusted_proxies: ["127.0.0.1/32", "10.0.0.0/8"] } },
  /** One connection to the backend: a second request waits for it. */
  narrow: { log: { level: "warn" }, upstream: { max_connections: 1, max_total_connections: 2 } },
  /** Has a name in Via. */
  via: { log: { level: "warn" }, server: { via: VIA } },
  /** Says nothing of the client. */
  silent: { log: { level: "warn" }, server: { forwarded_headers: "off" } },
} as const satisfies Readonly<Record<string, JsonObject>>;

export type ProfileName = keyof typeof PROFILES;

/** What a proxy may lack: a setting, or a thing that it does at all. */
export const NEEDS = [
  "max_body_bytes",
  "max_target_bytes",
  "max_header_bytes",
  "max_header_count",
  "header_timeout",
  "body_idle_timeout",
  "keep_alive_timeout",
  "response_timeout",
  "upstream_body_idle_timeout",
  "upstream_max_header_bytes",
  "upstream_max_header_count",
  "trusted_proxies",
] as const;
export type Need = (typeof NEEDS)[number];
