/** Versions as pools: what the long form becomes, beside the short one, with its files. Real files in a folder of their own. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { loadConfig } from "../../../src/config/load.ts";
import type { Environment, Flags } from "../../../src/config/overrides.ts";
import { DEFAULT_BALANCE, NO_LIMITS, versionOfOne } from "../../../src/config/pool-config.ts";
import { withoutSecrets } from "../../../src/config/to-config.ts";
import { BALANCER_NAMES } from "../../../src/core/balancer-names.ts";
import { tempDir } from "../../support/temp-dir.ts";

interface Given {
  files?: Record<string, string>;
  env?: Environment;
  flags?: Flags;
}

/** @param v1 what stands below `v1:`, of two versions. */
async function load(t: TestContext, v1: string, { files = {}, env = {}, flags = {} }: Given = {}) {
  const dir = await tempDir(t, "pools");
  for (const [name, content] of Object.entries(files)) writeFileSync(join(dir, name), content);
  const file = join(dir, "config.yaml");
  writeFileSync(file, `backends:\n  v1: ${v1}\n  v2: "http://b:1"\nactive_version: v1\n`);
  const config = loadConfig({ file, env, flags, cwd: dir });
  const [first] = config.backends;
  assert.ok(first);
  return { dir, config, first };
}

const TARGETS = 'targets: ["http://a:1"]';

test("a version of one target and nothing else is what its URL alone is", async (t) => {
  const expected = [versionOfOne("v1", "http://a:1"), versionOfOne("v2", "http://b:1")];
  for (const long of [
    `{ ${TARGETS} }`,
    '{ targets: [{ url: "http://A:1/" }] }',
    `{ ${TARGETS}, balance:, limits: {} }`,
  ]) {
    assert.deepEqual((await load(t, long)).config.backends, expected, long);
  }
});

test("targets are taken as URLs and as maps, in their order", async (t) => {
  const { first } = await load(
    t,
    '{ targets: ["https://a", { url: "http://b:1", weight: 0 }, { url: "http://c:1", resolve: all, resolve_every: 1s }] }',
  );
  assert.deepEqual(first.targets, [
    { origin: "https://a", weight: 1, resolve: "name", resolveEveryMs: 10_000 },
    { origin: "http://b:1", weight: 0, resolve: "name", resolveEveryMs: 10_000 },
    { origin: "http://c:1", weight: 1, resolve: "all", resolveEveryMs: 1_000 },
  ]);
});

test("every key of a pool arrives under its name and in its unit", async (t) => {
  const { first } = await load(
    t,
    `
    targets: ["http://a:1", "http://b:1"]
    balance: { algorithm: consistent-hash, key: "header:X-User" }
    health: { method: HEAD, path: /up, host: h, headers: { X-A: b }, expect: 204, expect_headers: { X: "*" }, max_latency: 1s, timeout: 3s, interval: 4s, unhealthy_after: 5, healthy_after: 6 }
    outlier: { window: 10, error_ratio: 0.4, min_requests: 9, eject_for: 1m, max_ejected_ratio: 0.25, degraded_ratio: 0.2 }
    breaker: { window: 11, error_ratio: 0.6, min_requests: 8, consecutive_failures: 7, open_for: 2s, half_open_requests: 4 }
    limits: { max_in_flight: 100, max_queue: 0, max_connections: 5, max_retries: 0 }
    slow_start: 30s
    ready_ratio: 0.5
    when_all_unhealthy: refuse
    sticky: { cookie: c, secret: sixteen-visibles, max_age: 1h, secure: true, same_site: none }`,
  );
  const { targets: _, ...rest } = first;
  assert.deepEqual(rest, {
    version: "v1",
    balance: { algorithm: "consistent-hash", key: { from: "header", name: "x-user" } },
    health: {
      method: "HEAD",
      path: "/up",
      host: "h",
      headers: [{ name: "X-A", value: "b" }],
      expect: [{ from: 204, to: 204 }],
      expectHeaders: [{ name: "x", value: null }],
      expectBody: null,
      maxLatencyMs: 1_000,
      timeoutMs: 3_000,
      intervalMs: 4_000,
      unhealthyAfter: 5,
      healthyAfter: 6,
    },
    outlier: {
      window: 10,
      errorRatio: 0.4,
      minRequests: 9,
      ejectForMs: 60_000,
      maxEjectedRatio: 0.25,
      degradedRatio: 0.2,
    },
    breaker: {
      window: 11,
      errorRatio: 0.6,
      minRequests: 8,
      consecutiveFailures: 7,
      openForMs: 2_000,
      halfOpenRequests: 4,
    },
    limits: { maxInFlight: 100, maxQueue: 0, maxConnections: 5, maxRetries: 0 },
    slowStartMs: 30_000,
    readyRatio: 0.5,
    whenAllUnhealthy: "refuse",
    sticky: {
      cookie: "c",
      secret: "sixteen-visibles",
      maxAgeMs: 3_600_000,
      isSecure: true,
      sameSite: "none",
    },
  });
});

test("a section that is written is on with its defaults, with nothing in it too; one that is not is off", async (t) => {
  const { first: off } = await load(t, `{ ${TARGETS} }`);
  const { health, outlier, breaker, sticky, limits, balance } = off;
  assert.deepEqual([health, outlier, breaker, sticky], [null, null, null, null]);
  assert.deepEqual([limits, balance], [NO_LIMITS, DEFAULT_BALANCE]);
  for (const nothing of ["{}", "", "null"]) {
    const sections = ["health", "outlier", "breaker"].map((name) => `    ${name}: ${nothing}\n`).join("");
    const { first: on } = await load(t, `\n    ${TARGETS}\n${sections}`);
    assert.equal(on.health?.path, "/health");
    assert.deepEqual([on.health?.intervalMs, on.health?.timeoutMs], [5_000, 2_000]);
    assert.deepEqual([on.outlier?.ejectForMs, on.outlier?.degradedRatio], [30_000, 0.3]);
    assert.deepEqual([on.breaker?.openForMs, on.breaker?.consecutiveFailures], [10_000, 5]);
  }
});

test("every balancer of the list is taken by its name", async (t) => {
  for (const name of BALANCER_NAMES) {
    const { first } = await load(t, `{ ${TARGETS}, balance: { algorithm: ${name} } }`);
    assert.deepEqual(first.balance, { algorithm: name, key: { from: "client-address" } });
  }
});

test("a key of consistent-hash is an address, a path, a header in lower case or a cookie as it is", async (t) => {
  const KEYS = [
    ["client-address", { from: "client-address" }],
    ["path", { from: "path" }],
    ["null", { from: "client-address" }],
    ["header:X-User", { from: "header", name: "x-user" }],
    ["cookie:SID", { from: "cookie", name: "SID" }],
  ] as const;
  for (const [key, expected] of KEYS) {
    const { first } = await load(
      t,
      `\n    ${TARGETS}\n    balance: { algorithm: consistent-hash, key: ${key} }`,
    );
    assert.deepEqual(first.balance.key, expected, key);
  }
});

test("the module of a balancer is found from the config's folder, and may have a key", async (t) => {
  const files = { "b.js": "" };
  const relative = await load(t, `{ ${TARGETS}, balance: { algorithm: ./b.js, key: path } }`, { files });
  assert.deepEqual(relative.first.balance, { algorithm: join(relative.dir, "b.js"), key: { from: "path" } });
  const absolute = join(relative.dir, "b.js");
  const { first } = await load(t, `{ ${TARGETS}, balance: { algorithm: ${absolute} } }`);
  assert.equal(first.balance.algorithm, absolute);
});

test("a secret comes from the config, from its file, trimmed, or is made: another one for each version and start", async (t) => {
  const secretOf = async (sticky: string, given?: Given) =>
    (await load(t, `{ ${TARGETS}, sticky: ${sticky} }`, given)).first.sticky?.secret ?? "";
  assert.equal(await secretOf("{ secret: s3cret-of-sixteen }"), "s3cret-of-sixteen");
  const files = { s: "  s3cret-of-a-file-x\n" };
  assert.equal(await secretOf("{ secret_file: s }", { files }), "s3cret-of-a-file-x");
  const [one, other] = [await secretOf("{}"), await secretOf("{}")];
  assert.match(one, /^[\w-]{43}$/);
  assert.notEqual(one, other);
});

test("workers get the secret they sign with, but none of the probes that they do not send", async (t) => {
  const health = `{ headers: { Authorization: "Bearer s3cret" } }`;
  const { config, first } = await load(t, `{ ${TARGETS}, sticky: {}, outlier: {}, health: ${health} }`);
  assert.notEqual(first.health, null);
  const expected = config.backends.map((version) => ({ ...version, health: null }));
  assert.deepEqual(structuredClone(withoutSecrets(config).backends), expected);
  assert.ok(Object.isFrozen(first.targets[0]) && Object.isFrozen(first.sticky));
});

test("a variable or a flag takes the place of a whole pool, or adds a version", async (t) => {
  const pool = `{ targets: ["http://a:1", "http://c:1"], outlier: {} }`;
  const env = { BACKEND_V1: "http://z:1", BACKEND_V3: "http://y:1" };
  const { config } = await load(t, pool, { env });
  assert.deepEqual(config.backends, [
    versionOfOne("v1", "http://z:1"),
    versionOfOne("v2", "http://b:1"),
    versionOfOne("v3", "http://y:1"),
  ]);
  const { first } = await load(t, pool, { env, flags: { backend: ["v1=http://x:1"] } });
  assert.deepEqual(first, versionOfOne("v1", "http://x:1"));
});

test("4,000 targets with all their keys are taken", async (t) => {
  const targets = (name: string, count: number) =>
    Array.from(
      { length: count },
      (_, i) => `      - { url: "http://${name}${i}:1", weight: 2, resolve: all, resolve_every: 10s }\n`,
    ).join("");
  const pools = ["w", "x", "y"].map((name) => `  ${name}:\n    targets:\n${targets(name, 1_000)}`).join("");
  const { config } = await load(t, `\n    targets:\n${targets("v", 999)}${pools}`);
  assert.equal(
    config.backends.reduce((sum, version) => sum + version.targets.length, 0),
    4_000,
  );
});
