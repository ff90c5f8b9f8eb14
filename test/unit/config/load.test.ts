/**
 * What a good config becomes: defaults, precedence, paths, secrets. Real files in a folder of their own.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { configFileOf, loadConfig } from "../../../src/config/load.ts";
import type { Environment, Flags } from "../../../src/config/overrides.ts";
import { versionOfOne } from "../../../src/config/pool-config.ts";
import { ConfigError } from "../../../src/config/problem.ts";

const SHORT = `
backends: { v1: "http://10.0.0.1:9000", v2: "http://10.0.0.2:9000" }
active_version: v1
`;

function folder(t: TestContext, files: Record<string, string>): string {
  const path = mkdtempSync(join(tmpdir(), "traffic-switching-config-"));
  t.after(() => rmSync(path, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

interface Given {
  env?: Environment;
  flags?: Flags;
  ownId?: string;
}

function load(t: TestContext, text: string, options: Given = {}) {
  const path = folder(t, { "config.yaml": text });
  return loadConfig({ file: join(path, "config.yaml"), env: {}, cwd: path, ...options });
}

test("two backends and the active version are enough", (t) => {
  const config = load(t, SHORT);
  assert.deepEqual(config.backends, [
    versionOfOne("v1", "http://10.0.0.1:9000"),
    versionOfOne("v2", "http://10.0.0.2:9000"),
  ]);
  assert.equal(config.activeVersion, "v1");
  assert.equal(config.server.port, 8080);
  assert.equal(config.server.workers, Math.min(availableParallelism(), 256));
  assert.equal(config.server.maxBodyBytes, Number.POSITIVE_INFINITY);
  assert.equal(config.server.maxRequestsPerConnection, Number.POSITIVE_INFINITY);
  assert.equal(config.server.maxConnectionsPerClient, Number.POSITIVE_INFINITY);
  assert.equal(config.switch.minIntervalMs, 600_000);
  assert.deepEqual(config.switch.probe.expect, [{ from: 200, to: 399 }]);
  assert.equal(config.admin.token, null);
});

test("a config can be sent to a worker and cannot be changed", (t) => {
  const config = load(t, SHORT);
  assert.deepEqual(structuredClone(config), config);
  assert.ok(Object.isFrozen(config) && Object.isFrozen(config.switch.probe.expect[0]));
});

test("two daemons with one config have two names of their own", (t) => {
  const names = [load(t, SHORT), load(t, SHORT)].map(({ server }) => server.ownName);
  for (const name of names) assert.match(name, /^traffic-switching-[0-9a-f]{8}$/);
  assert.notEqual(names[0], names[1]);
});

test("the name in Via is the one of the file, and off is none", (t) => {
  const viaOf = (text: string) => load(t, `${SHORT}${text}`, { ownId: "0123abcd" }).server.via;
  assert.equal(viaOf("server: { via: auto }\n"), "traffic-switching-0123abcd");
  assert.equal(viaOf("server: { via: edge-1 }\n"), "edge-1");
  assert.equal(viaOf("server: { via: off }\n"), null);
});

test("each of the limits that may be off is off with the value that says so", (t) => {
  const text = "server: { min_body_rate: 0B }\nupstream: { retry_budget: 0, stream_types: [] }\n";
  const config = load(t, SHORT + text);
  assert.equal(config.server.minBodyRateBytes, 0);
  assert.equal(config.upstream.retryBudget, 0);
  assert.deepEqual(config.upstream.streamTypes, []);
});

test("a flag wins over the environment, the environment over the file, the file over the default", (t) => {
  const file = `${SHORT}server: { port: 1001 }\nadmin: { port: 2001 }\nlog: { level: warn }\n`;
  const config = load(t, file, {
    env: { SERVER_PORT: "1002", ADMIN_PORT: "2002", WORKERS: "3" },
    flags: { port: "1003" },
  });
  assert.equal(config.server.port, 1003);
  assert.equal(config.admin.port, 2002);
  assert.equal(config.log.level, "warn");
  assert.equal(config.server.workers, 3);
  assert.equal(config.server.host, "0.0.0.0");
});

test("every environment variable sets its key", (t) => {
  const config = load(t, SHORT, {
    env: {
      SERVER_HOST: "127.0.0.2",
      SERVER_PORT: "1",
      ACTIVE_VERSION: "v2",
      WORKERS: "auto",
      STATE_DIR: "/tmp/state",
      ADMIN_HOST: "::1",
      ADMIN_PORT: "2",
      ADMIN_TOKEN: "12345",
      LOG_LEVEL: "debug",
    },
  });
  assert.equal(config.server.host, "127.0.0.2");
  assert.equal(config.server.port, 1);
  assert.equal(config.activeVersion, "v2");
  assert.equal(config.stateDir, "/tmp/state");
  assert.equal(config.admin.host, "::1");
  assert.equal(config.admin.port, 2);
  assert.equal(config.admin.token, "12345");
  assert.equal(config.log.level, "debug");
});

test("every flag sets its key", (t) => {
  const config = load(t, SHORT, {
    flags: {
      host: "127.0.0.2",
      port: "0",
      backend: ["v2=https://other"],
      "active-version": "v2",
      workers: "2",
      "admin-host": "localhost",
      "admin-port": "0",
      "log-level": "silent",
      "state-dir": "/tmp/state",
    },
  });
  assert.equal(config.server.host, "127.0.0.2");
  assert.equal(config.server.port, 0);
  assert.deepEqual(config.backends[1], versionOfOne("v2", "https://other"));
  assert.equal(config.activeVersion, "v2");
  assert.equal(config.server.workers, 2);
  assert.equal(config.admin.host, "localhost");
  assert.equal(config.admin.port, 0);
  assert.equal(config.log.level, "silent");
  assert.equal(config.stateDir, "/tmp/state");
});

test("an empty environment variable counts as not set", (t) => {
  const env = { SERVER_PORT: "", BACKEND_V1: "", ADMIN_TOKEN: "", CONFIG_FILE: "", STATE_DIR: "" };
  assert.deepEqual(load(t, SHORT, { env }).backends, load(t, SHORT).backends);
  assert.equal(configFileOf({ env }), "config/config.yaml");
});

test("BACKEND_<NAME> overrides a version of any case, and adds one in lower case", (t) => {
  const file = `
backends: { Blue: "http://a:1", green: "http://b:1" }
active_version: Blue
`;
  const env = { BACKEND_BLUE: "http://c:1", BACKEND_GREEN: "http://d:1/", BACKEND_RED: "http://e:80" };
  assert.deepEqual(load(t, file, { env }).backends, [
    versionOfOne("Blue", "http://c:1"),
    versionOfOne("green", "http://d:1"),
    versionOfOne("red", "http://e"),
  ]);
});

test("the backends may come from the environment alone", (t) => {
  const env = { BACKEND_V1: "http://a:1", BACKEND_V2: "http://a:1", ACTIVE_VERSION: "v2" };
  const config = load(t, "backends:\nserver:\n", { env });
  assert.deepEqual(
    config.backends.map(({ version }) => version),
    ["v1", "v2"],
  );
});

test("what Kubernetes sets for a service called backend adds no version", (t) => {
  const env = {
    BACKEND_PORT: "tcp://10.0.0.9:80",
    BACKEND_V1_SERVICE_HOST: "10.0.0.9",
    BACKEND_V1_SERVICE_PORT: "80",
    BACKEND_V1_SERVICE_PORT_HTTP: "80",
    BACKEND_V1_PORT: "tcp://10.0.0.9:80",
    BACKEND_V1_PORT_80_TCP: "tcp://10.0.0.9:80",
    BACKEND_V1_PORT_80_TCP_ADDR: "10.0.0.9",
  };
  assert.deepEqual(load(t, SHORT, { env }).backends, load(t, SHORT).backends);
});

test("a name that a plain object has already is a name like any other", (t) => {
  const file = `
backends: { constructor: "http://a:1", toString: "http://b:1" }
active_version: toString
`;
  assert.deepEqual(
    load(t, file).backends.map(({ version }) => version),
    ["constructor", "toString"],
  );
});

test("state_dir starts from the file's folder, STATE_DIR and --state-dir from the current one", (t) => {
  const path = folder(t, { "config.yaml": `${SHORT}state_dir: state\n` });
  const options = { file: join(path, "config.yaml"), env: {}, cwd: "/elsewhere" };
  assert.equal(loadConfig(options).stateDir, join(path, "state"));
  assert.equal(loadConfig({ ...options, env: { STATE_DIR: "x" } }).stateDir, "/elsewhere/x");
  assert.equal(loadConfig({ ...options, flags: { "state-dir": "y" } }).stateDir, "/elsewhere/y");
});

test("the file is --config, else CONFIG_FILE, else config/config.yaml", () => {
  assert.equal(configFileOf({ file: "a.yaml", env: { CONFIG_FILE: "b.yaml" } }), "a.yaml");
  assert.equal(configFileOf({ env: { CONFIG_FILE: "b.yaml" } }), "b.yaml");
  assert.equal(configFileOf({ env: {} }), "config/config.yaml");
});

test("the token is read from token_file, trimmed; ADMIN_TOKEN takes its place", (t) => {
  const text = `${SHORT}admin: { token_file: secret.txt }\n`;
  const path = folder(t, { "config.yaml": text, "secret.txt": "  s3cret\n" });
  const options = { file: join(path, "config.yaml"), env: {} };
  assert.equal(loadConfig(options).admin.token, "s3cret");
  assert.equal(loadConfig({ ...options, env: { ADMIN_TOKEN: "other" } }).admin.token, "other");
});

for (const [what, content, expected] of [
  ["empty", " \n", "is empty"],
  ["not a token", "my s3cret is", "does not hold a token"],
] as const) {
  test(`a token file that is ${what} is refused without showing it`, (t) => {
    const text = `${SHORT}admin:\n  token_file: hidden-name\n`;
    const path = folder(t, { "config.yaml": text, "hidden-name": content });
    assert.throws(
      () => loadConfig({ file: join(path, "config.yaml"), env: {} }),
      ({ message }: Error) =>
        message.includes(`admin.token_file (line 5): the file ${expected}`) &&
        !/s3cret|hidden-name/.test(message),
    );
  });
}

test("a byte order mark, a comment and anchors are no harm", (t) => {
  const text = `\uFEFF# first\nbackends: { v1: &one "http://a:1", v2: *one }\nactive_version: v1\n`;
  assert.equal(load(t, text).backends[1]?.targets[0]?.origin, "http://a:1");
});

test("the listeners may share a port on different addresses, or when the system chooses it", (t) => {
  for (const text of [
    'server: { host: 127.0.0.1, port: 80 }\nadmin: { host: "127.0.0.2", port: 80 }\n',
    "server: { port: 0 }\nadmin: { port: 0 }\n",
  ]) {
    assert.doesNotThrow(() => load(t, SHORT + text), ConfigError);
  }
});

test("every key of the file arrives under its own name", (t) => {
  const config = load(
    t,
    `
server:
  { host: a, port: 1, workers: 2, header_timeout: 3ms, keep_alive_timeout: 4ms, body_idle_timeout: 5ms,
    min_body_rate: 13B, min_body_rate_grace: 14ms, max_header_bytes: 6KiB, max_header_count: 17,
    max_target_bytes: 8KiB, max_body_bytes: 9B, max_requests_per_connection: 15, max_connections: 10,
    max_connections_per_client: 16, max_in_flight: 11, trusted_proxies: ["::1"],
    forwarded_headers: x-forwarded, via: "edge:80", shutdown_grace: 12ms, engine: node }
backends: { v1: "http://a:1", v2: "http://b:1" }
active_version: v2
upstream:
  { connect_timeout: 21ms, tls_handshake_timeout: 22ms, response_timeout: 230ms, body_idle_timeout: 24ms,
    stream_types: [text/event-stream, video/*], keep_alive_timeout: 25ms, max_header_bytes: 18KiB,
    max_header_count: 19, max_connections: 26, max_idle_connections: 27, max_total_connections: 28,
    max_queue: 29, queue_timeout: 30ms, per_try_timeout: 23ms, retries: 3,
    retry_on: [response-timeout, closed, 5xx, 503], retry_budget: 0.5, attempt_header: false,
    resolvers: [10.0.0.53, "[::1]:5353"] }
switch:
  min_interval: 31ms
  probe:
    { method: PUT, path: "/up?x=1", host: "a.example:8443", headers: { X-Probe: "yes" }, expect: 204,
      expect_headers: { X-Version: " v2 ", Server: "*", Date: }, expect_body: ok, max_latency: 31ms,
      timeout: 32ms, successes: 2, interval: 33ms }
  prepare_timeout: 34ms
  persist_timeout: 38ms
  commit_timeout: 35ms
  hold: { max_requests: 38, max_bytes: 64KiB }
  warm_connections: 45
  rollback_window: 46ms
  start_policy: fail-over
  drain: { deadline: 37ms, websocket_window: 36ms }
admin:
  { host: b, port: 41, socket: /run/a.sock, socket_mode: "600", token: abc,
    tokens: [{ name: ci, role: switch, token: def }], read_allow: [10.0.0.0/8], on_traffic_port: false }
log: { level: error }
state_dir: /tmp/state
`,
  );
  assert.deepEqual(config, {
    server: {
      host: "a",
      port: 1,
      workers: 2,
      headerTimeoutMs: 3,
      keepAliveTimeoutMs: 4,
      bodyIdleTimeoutMs: 5,
      minBodyRateBytes: 13,
      minBodyRateGraceMs: 14,
      maxHeaderBytes: 6144,
      maxHeaderCount: 17,
      maxTargetBytes: 8192,
      maxBodyBytes: 9,
      maxRequestsPerConnection: 15,
      maxConnections: 10,
      maxConnectionsPerClient: 16,
      maxInFlight: 11,
      trustedProxies: ["::1"],
      forwardedHeaders: "x-forwarded",
      via: "edge:80",
      ownName: config.server.ownName, // made at load
      shutdownGraceMs: 12,
      engine: "node",
    },
    backends: [versionOfOne("v1", "http://a:1"), versionOfOne("v2", "http://b:1")],
    activeVersion: "v2",
    upstream: {
      connectTimeoutMs: 21,
      tlsHandshakeTimeoutMs: 22,
      responseTimeoutMs: 230,
      bodyIdleTimeoutMs: 24,
      streamTypes: ["text/event-stream", "video/*"],
      keepAliveTimeoutMs: 25,
      maxHeaderBytes: 18_432,
      maxHeaderCount: 19,
      maxConnections: 26,
      maxIdleConnections: 27,
      maxTotalConnections: 28,
      maxQueue: 29,
      queueTimeoutMs: 30,
      perTryTimeoutMs: 23,
      retries: 3,
      retryOn: ["response-timeout", "closed", "5xx", 503],
      retryBudget: 0.5,
      attemptHeader: false,
      resolvers: ["10.0.0.53", "[::1]:5353"],
    },
    switch: {
      minIntervalMs: 31,
      probe: {
        method: "PUT",
        path: "/up?x=1",
        host: "a.example:8443",
        headers: [{ name: "X-Probe", value: "yes" }],
        expect: [{ from: 204, to: 204 }],
        expectHeaders: [
          { name: "x-version", value: "v2" },
          { name: "server", value: null },
          { name: "date", value: null },
        ],
        expectBody: "ok",
        maxLatencyMs: 31,
        timeoutMs: 32,
        successes: 2,
        intervalMs: 33,
      },
      prepareTimeoutMs: 34,
      persistTimeoutMs: 38,
      commitTimeoutMs: 35,
      hold: { maxRequests: 38, maxBytes: 65_536 },
      warmConnections: 45,
      rollbackWindowMs: 46,
      startPolicy: "fail-over",
      drain: { deadlineMs: 37, websocketWindowMs: 36 },
    },
    admin: {
      host: "b",
      port: 41,
      socket: { path: "/run/a.sock", mode: 0o600 },
      token: "abc",
      tokens: [{ name: "ci", role: "switch", token: "def" }],
      readAllow: ["10.0.0.0/8"],
      onTrafficPort: false,
      tls: null, // not together with a socket; its own tests are in tls-files.test.ts
    },
    log: { level: "error" },
    stateDir: "/tmp/state",
  });
});
