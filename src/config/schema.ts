/**
 * Schema: every config key with its limits and its default, and the `Config` that comes out.
 *
 * The only place a key lives, with `pool-schema.ts` for those of a version. Runs at start; reads no file (`load.ts` does, and finishes the keys that
 * need one: those that end in `_file`, `admin.socket`, `state_dir` and the modules of balancers). Defaults are written as the operator would write
 * them and are checked like what he writes.
 */
import { availableParallelism } from "node:os";
import { z } from "zod";
import type { RetryCondition } from "../core/retry-conditions.ts";
import { ROLES, type Role } from "../core/role.ts";
import { isVersionName, VERSION_NAME_RULE } from "../core/version.ts";
import type { VersionConfig } from "./pool-config.ts";
import { versionSettings } from "./pool-schema.ts";
import type { ProbeConfig } from "./probe-config.ts";
import { probeShape } from "./probe-schema.ts";
import { checkTogether } from "./rules.ts";
import { file, isPath, isPlainObject, leavesOf, MAP, section, time } from "./section.ts";
import {
  addressOrAddressAndPort,
  addressOrCidr,
  autoOrCount,
  countOrAuto,
  duration,
  durationOrNull,
  flag,
  host,
  mediaType,
  oneOf,
  optionalText,
  port,
  ratio,
  retryCondition,
  size,
  sizeOrUnlimited,
  text,
  viaName,
  wholeNumber,
  wholeNumberOrUnlimited,
} from "./values.ts";

const MAX_WORKERS = 256;
const MAX_WARM_CONNECTIONS = 1_000;

const connections = () => wholeNumber(1, 1_000_000);
const headCount = () => wholeNumber(10, 10_000);
const addresses = () => z.array(addressOrCidr(), { error: "a list of IP addresses and CIDRs" }).prefault([]);

const MAX_RESOLVERS = 8; // each is asked in turn, within the time limit of one look-up
const RESOLVERS = `a list of at most ${MAX_RESOLVERS} DNS servers such as 10.0.0.53 or 10.0.0.53:5353`;

const MAX_STREAM_TYPES = 32; // each answer's type is looked up among them
const MAX_RETRY_ON = 32;
const RETRY_ON = `a list of at most ${MAX_RETRY_ON} conditions such as [connect-failure, 503]`;
const STREAM_TYPES = `a list of at most ${MAX_STREAM_TYPES} media types such as text/event-stream`;

const server = section({
  host: host().prefault("0.0.0.0"),
  port: port().prefault(8080),
  workers: countOrAuto(MAX_WORKERS, () => Math.min(availableParallelism(), MAX_WORKERS)).prefault("auto"),
  header_timeout: time().prefault("10s"),
  keep_alive_timeout: time().prefault("75s"), // not 0s: idle connections would close at once, while answers say keep-alive
  body_idle_timeout: time().prefault("60s"),
  min_body_rate: size("0B", "1GiB").prefault("100B"), // per second
  min_body_rate_grace: time().prefault("10s"),
  max_header_bytes: size("1KiB", "1MiB").prefault("16KiB"),
  max_header_count: headCount().prefault(100),
  max_target_bytes: size("64B", "1MiB").prefault("8KiB"),
  max_body_bytes: sizeOrUnlimited("0B", "1024GiB").prefault("unlimited"),
  max_requests_per_connection: wholeNumberOrUnlimited(1, 1_000_000_000).prefault("unlimited"),
  max_connections: connections().prefault(20_000),
  max_connections_per_client: wholeNumberOrUnlimited(1, 1_000_000).prefault("unlimited"),
  max_in_flight: connections().prefault(20_000),
  trusted_proxies: addresses(),
  forwarded_headers: oneOf(["both", "x-forwarded", "forwarded", "off"]).prefault("both"),
  via: viaName().prefault("off"), // nginx and others do not compress for whom it names
  shutdown_grace: time("0s").prefault("30s"),
  engine: oneOf(["auto", "node"]).prefault("auto"),
});

const upstream = section({
  connect_timeout: time().prefault("5s"),
  tls_handshake_timeout: time().prefault("5s"),
  response_timeout: time().prefault("30s"),
  body_idle_timeout: time().prefault("60s"),
  stream_types: z
    .array(mediaType(), { error: STREAM_TYPES })
    .max(MAX_STREAM_TYPES, { error: STREAM_TYPES })
    .prefault(["text/event-stream"]),
  keep_alive_timeout: time().prefault("300s"),
  max_header_bytes: size("1KiB", "1MiB").prefault("64KiB"),
  max_header_count: headCount().prefault(1000),
  max_connections: connections().prefault(400),
  max_idle_connections: wholeNumber(0, 1_000_000).prefault(200),
  max_total_connections: connections().prefault(6000),
  max_queue: wholeNumber(0, 1_000_000).prefault(20_000),
  queue_timeout: time().prefault("10s"),
  per_try_timeout: durationOrNull("1ms", "24h").prefault(null),
  retries: wholeNumber(0, 10).prefault(1),
  retry_on: z
    .array(retryCondition(), { error: RETRY_ON })
    .max(MAX_RETRY_ON, { error: RETRY_ON })
    .prefault(["connect-failure", "dead-connection"]),
  retry_budget: ratio().prefault(0.2),
  attempt_header: flag().prefault(true),
  resolvers: z
    .array(addressOrAddressAndPort(), { error: RESOLVERS })
    .max(MAX_RESOLVERS, { error: RESOLVERS })
    .prefault([]),
});

const probe = section({
  ...probeShape("switch.probe", "/"),
  successes: wholeNumber(1, 100).prefault(3),
  interval: time("0s").prefault("100ms"),
});

const START_POLICIES = ["wait", "fail-over"] as const;

const switching = section({
  min_interval: duration("0s", "720h").prefault("10m"), // measured by a clock, never waited for by a timer
  probe,
  prepare_timeout: time().prefault("10s"),
  persist_timeout: time().prefault("5s"),
  commit_timeout: time().prefault("2s"),
  hold: section({
    max_requests: connections().prefault(10_000),
    max_bytes: size("64KiB", "1024GiB").prefault("64MiB"),
  }),
  warm_connections: autoOrCount(0, MAX_WARM_CONNECTIONS).prefault("auto"),
  rollback_window: time("0s").prefault("5m"),
  start_policy: oneOf(START_POLICIES).prefault("wait"),
  drain: section({
    deadline: time("0s").prefault("30s"),
    websocket_window: time("0s").prefault("10s"),
  }),
});

/** What `Authorization: Bearer` can carry. */
export const TOKEN_RULE = "1 to 1024 visible ASCII characters without spaces, or null";
export const isToken = (input: string): boolean => /^[!-~]{1,1024}$/.test(input);

const token = () => optionalText(TOKEN_RULE, isToken).prefault(null);

const MAX_TOKENS = 64; // a call is compared with each
const TOKENS = `a list of at most ${MAX_TOKENS} tokens, each with name, role, and token or token_file`;

const namedToken = z.strictObject(
  {
    name: text(`a name (${VERSION_NAME_RULE})`, isVersionName),
    role: oneOf(ROLES),
    token: token(),
    token_file: file(),
  },
  { error: `${MAP}: name, role, and token or token_file` },
);

const admin = section({
  host: host().prefault("127.0.0.1"),
  port: port().prefault(8081),
  socket: file(),
  socket_mode: text('file permissions in octal such as "0660"', (input) =>
    /^0?[0-7]{3}$/.test(input),
  ).prefault("0660"),
  token: token(),
  token_file: file(),
  tokens: z.array(namedToken, { error: TOKENS }).max(MAX_TOKENS, { error: TOKENS }).prefault([]),
  read_allow: addresses(),
  on_traffic_port: flag().prefault(true),
  tls: section({
    cert_file: file(),
    key_file: file(),
    client_ca_file: file(),
    client_role: oneOf(ROLES).prefault("admin"),
  }),
});

/** A map and not an object: any name is safe in it, and names such as `2` keep their place. */
const backends = z.preprocess(
  (input) => (isPlainObject(input) ? new Map(Object.entries(input)) : input),
  z.map(text(`a version name (${VERSION_NAME_RULE})`, isVersionName), versionSettings(), {
    error: `${MAP}: a version's name and its URL, or its pool`,
  }),
);

const keys = z.strictObject(
  {
    server,
    backends,
    active_version: text(`a version name (${VERSION_NAME_RULE})`, isVersionName),
    upstream,
    switch: switching,
    admin,
    log: section({
      level: oneOf(["trace", "debug", "info", "warn", "error", "fatal", "silent"]).prefault("info"),
    }),
    state_dir: text("a folder", isPath).prefault("."),
  },
  { error: MAP },
);

/** Runs the rules between keys even when single keys are wrong: all problems come at once. */
export const settingsSchema = keys.superRefine(checkTogether, { when: () => true });
/** The checked keys, named as in the file. */
export type Settings = z.output<typeof settingsSchema>;

/** Every key that takes a value (`switch.probe.path`), in order. A map with free names, such as `backends`, is one:
 * those of a version are in `POOL_KEY_PATHS`. */
export const KEY_PATHS: readonly string[] = leavesOf(keys);

/** The keys inside lists of maps, by the list's path. */
export const ITEM_KEYS: Readonly<Record<string, readonly string[]>> = {
  "admin.tokens": Object.keys(namedToken.shape),
};

/** The checked config; every duration in ms, every size in bytes, `unlimited` is Infinity. Plain data: it is sent to the workers. */
export interface Config {
  readonly server: {
    readonly host: string;
    readonly port: number; // 0 lets the system choose
    readonly workers: number; // `auto` is resolved
    readonly headerTimeoutMs: number;
    readonly keepAliveTimeoutMs: number;
    readonly bodyIdleTimeoutMs: number;
    readonly minBodyRateBytes: number; // per second; 0 is off
    readonly minBodyRateGraceMs: number;
    readonly maxHeaderBytes: number;
    readonly maxHeaderCount: number;
    readonly maxTargetBytes: number;
    readonly maxBodyBytes: number;
    readonly maxRequestsPerConnection: number;
    readonly maxConnections: number;
    readonly maxConnectionsPerClient: number;
    readonly maxInFlight: number;
    readonly trustedProxies: readonly string[]; // CIDRs or single addresses
    readonly forwardedHeaders: Settings["server"]["forwarded_headers"];
    readonly via: string | null; // our name in Via, `auto` is resolved; null: no Via
    readonly ownName: string; // of this daemon since its start, unlike any other's: by it a loop is seen
    readonly shutdownGraceMs: number;
    readonly engine: Settings["server"]["engine"]; // what carries the connections: open-transport.ts
  };
  readonly backends: readonly VersionConfig[]; // in the order of the file, 2 or more
  readonly activeVersion: string; // one of the backends
  readonly upstream: {
    readonly connectTimeoutMs: number;
    readonly tlsHandshakeTimeoutMs: number;
    readonly responseTimeoutMs: number;
    readonly bodyIdleTimeoutMs: number;
    readonly streamTypes: readonly string[]; // `type/subtype` or `type/*`, in lower case
    readonly keepAliveTimeoutMs: number;
    readonly maxHeaderBytes: number;
    readonly maxHeaderCount: number;
    readonly maxConnections: number;
    readonly maxIdleConnections: number; // may be more than maxConnections
    readonly maxTotalConnections: number;
    readonly maxQueue: number;
    readonly queueTimeoutMs: number;
    readonly retries: number;
    readonly perTryTimeoutMs: number | null; // null is responseTimeoutMs alone
    readonly retryOn: readonly RetryCondition[];
    readonly retryBudget: number; // share of the requests, 0 to 1; 0 is no retry
    readonly attemptHeader: boolean;
    readonly resolvers: readonly string[]; // DNS servers, `IP` or `IP:port`; empty: names are looked up as the system does
  };
  readonly switch: {
    readonly minIntervalMs: number; // up to 30 days: more than setTimeout can wait
    readonly probe: ProbeConfig;
    readonly prepareTimeoutMs: number;
    readonly persistTimeoutMs: number;
    readonly commitTimeoutMs: number;
    readonly hold: { readonly maxRequests: number; readonly maxBytes: number };
    readonly warmConnections: number | "auto"; // per backend, over all workers
    readonly rollbackWindowMs: number; // 0 is off
    readonly startPolicy: Settings["switch"]["start_policy"]; // when the version of the state is dead and another lives
    readonly drain: { readonly deadlineMs: number; readonly websocketWindowMs: number };
  };
  readonly admin: {
    readonly host: string;
    readonly port: number; // 0 lets the system choose
    readonly socket: { readonly path: string; readonly mode: number } | null; // in place of host and port
    readonly token: string | null; // read from token_file when that is given; its role is admin
    readonly tokens: readonly NamedToken[]; // their files are read; no two are equal, nor equal to `token`
    readonly readAllow: readonly string[]; // CIDRs or single addresses
    readonly onTrafficPort: boolean;
    readonly tls: AdminTls | null;
  };
  readonly log: { readonly level: Settings["log"]["level"] };
  readonly stateDir: string; // absolute
}

export interface NamedToken {
  readonly name: string;
  readonly role: Role;
  readonly token: string;
}

/** Of the admin listener; the files' texts in PEM. */
export interface AdminTls {
  readonly cert: string;
  readonly key: string;
  /** Not null: a client needs a certificate that one of these signed. */
  readonly clientCa: string | null;
  /** Of whoever has such a certificate. */
  readonly clientRole: Role;
}
