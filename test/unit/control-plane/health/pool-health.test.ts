/** The prober and the pools together: who is probed, and that both always say the same of a backend. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type HealthConfig, versionOfOne } from "../../../../src/config/pool-config.ts";
import type { DaemonEvent } from "../../../../src/control-plane/events/events.ts";
import { createPoolHealth, type PoolHealth } from "../../../../src/control-plane/health/pool-health.ts";
import { Pools } from "../../../../src/control-plane/pools/pools.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import { startBackend } from "../../../support/backend.ts";
import { onTestEnd } from "../../../support/cleanup.ts";
import { freePort } from "../../../support/free-port.ts";
import { ManualTimers } from "../../../support/manual-timers.ts";
import { waitUntil } from "../../../support/wait.ts";
import { HEALTH } from "./monitor-rig.ts";

const limit = { timeout: 20_000 };
const TOGETHER_MS = 50;
const QUICK: HealthConfig = { ...HEALTH, intervalMs: 50, timeoutMs: 10_000, unhealthyAfter: 1 };

function startHealth(t: TestContext, origins: { v1: string; v2: string }, health: HealthConfig | null) {
  const timers = new ManualTimers();
  const versions = [
    { ...versionOfOne("v1", origins.v1), health },
    { ...versionOfOne("v2", origins.v2), health: QUICK },
  ];
  const pools = new Pools({
    onCut: () => {},
    versions,
    after: (ms, run) => timers.after(ms, run),
    onChange: () => poolHealth.follow(),
  });
  const events: DaemonEvent[] = [];
  const poolHealth: PoolHealth = createPoolHealth({
    versions,
    pools,
    events: { publish: (event) => void events.push(event) },
    limits: { maxHeaderBytes: 16_384, maxHeaderCount: 100 },
    clock: systemClock,
    log: { info: () => {}, warn: () => {}, error: (fields) => assert.fail(JSON.stringify(fields)) },
  });
  onTestEnd(t, () => poolHealth.close());
  const verdictOf = (version: string) => pools.backendsOf(version)[0]?.health;
  return { pools, poolHealth, timers, events, verdictOf };
}

test("the pools have the verdicts, of the versions that are probed, from the start on", limit, async (t) => {
  const [v1, v2] = [await startBackend(t), await startBackend(t)];
  const { pools, poolHealth, timers, events, verdictOf } = startHealth(t, { v1: v1.url, v2: v2.url }, null);
  pools.setAddresses(() => []);
  timers.pass(TOGETHER_MS);
  assert.deepEqual(poolHealth.monitor.all(), [], "it has not been started");
  poolHealth.start();
  await waitUntil("the pools know", () => verdictOf("v2") === "healthy");
  assert.equal(verdictOf("v1"), "unknown");
  assert.equal(v1.requests.length, 0);
  assert.equal(poolHealth.monitor.healthOf("v2", v2.url)?.report?.saw, "200");
  const { ageMs, ...probe } = poolHealth.probeOf("v2", v2.url) ?? assert.fail("it is probed");
  assert.deepEqual([probe, ageMs >= 0], [{ verdict: "healthy", saw: "200" }, true]);
  assert.equal(poolHealth.probeOf("v1", v1.url), null);
  assert.deepEqual(events, [
    { type: "backend", version: "v2", backend: v2.url, state: "healthy", why: "200" },
  ]);
});

for (const [what, change] of [
  ["drained by hand", { isDrained: true }],
  ["of weight 0", { weight: 0 }],
] as const) {
  test(
    `a backend ${what} is probed: what is known of it is not old when it takes traffic again`,
    limit,
    async (t) => {
      const [v1, v2] = [await startBackend(t), await startBackend(t)];
      const { pools, poolHealth, verdictOf } = startHealth(t, { v1: v1.url, v2: v2.url }, QUICK);
      const { targets } = pools.sourceOf("v1");
      pools.setSource("v1", { targets, changes: new Map([[v1.url, change]]) });
      poolHealth.start();
      await waitUntil("it is known", () => verdictOf("v1") === "healthy");
    },
  );
}

test("a backend that leaves is probed no longer", limit, async (t) => {
  const [v1, v2] = [await startBackend(t), await startBackend(t)];
  const { pools, poolHealth, timers, verdictOf } = startHealth(t, { v1: v1.url, v2: v2.url }, QUICK);
  poolHealth.start();
  await waitUntil("both are healthy", () => verdictOf("v1") === "healthy" && verdictOf("v2") === "healthy");
  pools.setSource("v1", { targets: [], changes: new Map() });
  timers.pass(TOGETHER_MS);
  assert.deepEqual(
    poolHealth.monitor.all().map(({ version }) => version),
    ["v2"],
  );
});

test("a backend that leaves and is back before anybody was told keeps its verdict", limit, async (t) => {
  const v1 = `http://127.0.0.1:${await freePort()}`;
  const v2 = await startBackend(t);
  const { pools, poolHealth, timers, verdictOf } = startHealth(t, { v1, v2: v2.url }, QUICK);
  poolHealth.start();
  await waitUntil("it is out", () => verdictOf("v1") === "unhealthy");
  timers.pass(TOGETHER_MS); // or the next change is told at once
  const source = pools.sourceOf("v1");
  pools.setVerdict("v2", v2.url, "healthy");
  pools.setSource("v1", { targets: [], changes: new Map() });
  pools.setSource("v1", source);
  assert.equal(verdictOf("v1"), "unknown");
  timers.pass(TOGETHER_MS);
  assert.equal(verdictOf("v1"), "unhealthy");
});
