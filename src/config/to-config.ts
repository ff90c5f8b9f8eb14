/**
 * Settings to Config: the checked keys under the names the code uses, with their units.
 *
 * Pure. Checks nothing; adds what `load.ts` found out at this start.
 */
import type { FoundPoolFiles } from "./pool-files.ts";
import { toProbe } from "./probe-schema.ts";
import type { Config, Settings } from "./schema.ts";
import type { TlsTexts } from "./tls-files.ts";
import { toVersionConfig } from "./to-pool-config.ts";
import type { FoundTokens } from "./token-files.ts";

interface Found {
  /** Absolute. */
  readonly stateDir: string;
  /** Absolute; null: the admin API listens on host and port. */
  readonly socketPath: string | null;
  readonly tokens: FoundTokens;
  readonly tls: TlsTexts | null;
  readonly poolFiles: FoundPoolFiles;
  readonly ownName: string;
}

export function toConfig(settings: Settings, found: Found): Config {
  const { server, upstream } = settings;
  const { stateDir, poolFiles, ownName } = found;
  return {
    server: {
      host: server.host,
      port: server.port,
      workers: server.workers,
      headerTimeoutMs: server.header_timeout,
      keepAliveTimeoutMs: server.keep_alive_timeout,
      bodyIdleTimeoutMs: server.body_idle_timeout,
      minBodyRateBytes: server.min_body_rate,
      minBodyRateGraceMs: server.min_body_rate_grace,
      maxHeaderBytes: server.max_header_bytes,
      maxHeaderCount: server.max_header_count,
      maxTargetBytes: server.max_target_bytes,
      maxBodyBytes: server.max_body_bytes,
      maxRequestsPerConnection: server.max_requests_per_connection,
      maxConnections: server.max_connections,
      maxConnectionsPerClient: server.max_connections_per_client,
      maxInFlight: server.max_in_flight,
      trustedProxies: server.trusted_proxies,
      forwardedHeaders: server.forwarded_headers,
      via: viaOf(server.via, ownName),
      ownName,
      shutdownGraceMs: server.shutdown_grace,
      engine: server.engine,
    },
    backends: [...settings.backends].map(([version, pool]) => toVersionConfig(version, pool, poolFiles)),
    activeVersion: settings.active_version,
    upstream: {
      connectTimeoutMs: upstream.connect_timeout,
      tlsHandshakeTimeoutMs: upstream.tls_handshake_timeout,
      responseTimeoutMs: upstream.response_timeout,
      bodyIdleTimeoutMs: upstream.body_idle_timeout,
      streamTypes: upstream.stream_types,
      keepAliveTimeoutMs: upstream.keep_alive_timeout,
      maxHeaderBytes: upstream.max_header_bytes,
      maxHeaderCount: upstream.max_header_count,
      maxConnections: upstream.max_connections,
      maxIdleConnections: upstream.max_idle_connections,
      maxTotalConnections: upstream.max_total_connections,
      maxQueue: upstream.max_queue,
      queueTimeoutMs: upstream.queue_timeout,
      perTryTimeoutMs: upstream.per_try_timeout,
      retries: upstream.retries,
      retryOn: upstream.retry_on,
      retryBudget: upstream.retry_budget,
      attemptHeader: upstream.attempt_header,
      resolvers: upstream.resolvers,
    },
    switch: switchConfig(settings.switch),
    admin: adminConfig(settings.admin, found),
    log: { level: settings.log.level },
    stateDir,
  };
}

function viaOf(via: string, ownName: string): string | null {
  if (via === "off") return null;
  return via === "auto" ? ownName : via;
}

function adminConfig(admin: Settings["admin"], { socketPath, tokens, tls }: Found): Config["admin"] {
  return {
    host: admin.host,
    port: admin.port,
    socket: socketPath === null ? null : { path: socketPath, mode: Number.parseInt(admin.socket_mode, 8) },
    token: tokens.main,
    // One that could not be read is a problem: there is none here.
    tokens: admin.tokens.flatMap(({ name, role }, index) => {
      const token = tokens.named[index];
      return token ? [{ name, role, token }] : [];
    }),
    readAllow: admin.read_allow,
    onTrafficPort: admin.on_traffic_port,
    tls: tls === null ? null : { ...tls, clientRole: admin.tls.client_role },
  };
}

/** What workers need not know, they cannot lose: they deal with strangers. They sign cookies, so they need those secrets. */
export function withoutSecrets(config: Config): Config {
  return {
    ...config,
    backends: config.backends.map((version) => ({ ...version, health: null })), // the primary alone probes by it
    admin: { ...config.admin, token: null, tokens: [], tls: null },
  };
}

function switchConfig({ probe, hold, drain, ...limits }: Settings["switch"]): Config["switch"] {
  return {
    minIntervalMs: limits.min_interval,
    probe: {
      ...toProbe(probe),
      successes: probe.successes,
      intervalMs: probe.interval,
    },
    prepareTimeoutMs: limits.prepare_timeout,
    persistTimeoutMs: limits.persist_timeout,
    commitTimeoutMs: limits.commit_timeout,
    hold: { maxRequests: hold.max_requests, maxBytes: hold.max_bytes },
    warmConnections: limits.warm_connections,
    rollbackWindowMs: limits.rollback_window,
    startPolicy: limits.start_policy,
    drain: { deadlineMs: drain.deadline, websocketWindowMs: drain.websocket_window },
  };
}
