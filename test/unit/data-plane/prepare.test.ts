import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { ProbeConfig } from "../../../src/config/schema.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { Backend } from "../../../src/data-plane/backend/backend.ts";
import { ask } from "../../../src/data-plane/forward/ask.ts";
import { ConnectionPool, type PoolLimits } from "../../../src/data-plane/forward/connection-pool.ts";
import { prepare } from "../../../src/data-plane/prepare.ts";
import type { Ask } from "../../../src/health/probe.ts";
import { startBackend } from "../../support/backend.ts";
import { onTestEnd } from "../../support/cleanup.ts";
import { waitUntil } from "../../support/wait.ts";

const limit = { timeout: 20_000 };
const CONFIG: ProbeConfig = {
  host: null,
  headers: [],
  expectHeaders: [],
  expectBody: null,
  maxLatencyMs: null,
  method: "GET",
  path: "/",
  expect: [{ from: 200, to: 399 }],
  timeoutMs: 1_000,
  successes: 3,
  intervalMs: 10,
};

const LIMITS: PoolLimits = {
  maxConnections: 2,
  maxIdleConnections: 2,
  maxQueue: 2,
  connectTimeoutMs: 1_000,
  tlsHandshakeTimeoutMs: 1_000,
  keepAliveTimeoutMs: 60_000,
  maxHeaderBytes: 16_384,
  maxHeaderCount: 100,
};

/** A backend that answers with `statuses` in turn, and with the last of them for ever. */
async function startTarget(t: TestContext, statuses: readonly number[]) {
  const backend = await startBackend(t, (_req, res) => {
    const at = Math.min(backend.requests.length - 1, statuses.length - 1);
    res.writeHead(statuses[at] ?? 200).end();
  });
  const pool = new ConnectionPool(new URL(backend.url), LIMITS);
  onTestEnd(t, () => pool.destroy());
  const target = new Backend("v2", backend.url, 1);
  const way: Ask = (request, handler) => ask(pool, target, request, handler);
  const run = (waitMs: number, changes: Partial<ProbeConfig> = {}, signal = new AbortController().signal) =>
    prepare(way, { ...CONFIG, ...changes }, waitMs, systemClock, signal);
  return { backend, pool, run };
}

test(
  "as many good probes in a row as asked for pass, no more are made, and the connection stays warm",
  limit,
  async (t) => {
    const { backend, pool, run } = await startTarget(t, [200]);
    const report = await run(0);
    assert.equal(report.passed, true);
    assert.deepEqual(
      report.probes.map(({ ok, status }) => [ok, status]),
      Array(3).fill([true, 200]),
    );
    assert.equal(backend.requests.length, 3);
    assert.deepEqual(pool.load, { active: 0, idle: 1, queued: 0 });
  },
);

test("one bad probe refuses at once, wherever in the row", limit, async (t) => {
  for (const at of [0, 1, 2]) {
    const { backend, run } = await startTarget(t, [...Array<number>(at).fill(200), 503]);
    const report = await run(0);
    assert.equal(report.passed, false);
    assert.deepEqual(
      report.probes.map(({ ok }) => ok),
      [...Array<boolean>(at).fill(true), false],
    );
    assert.equal(backend.requests.length, at + 1);
  }
});

test("while there is time to wait a bad probe starts the count anew", limit, async (t) => {
  const { backend, run } = await startTarget(t, [503, 200, 200, 503, 200, 200, 200]);
  const report = await run(10_000);
  assert.equal(report.passed, true);
  assert.equal(backend.requests.length, 7);
});

test(
  "when the time to wait is over the next bad probe refuses, and the last 20 probes are told",
  limit,
  async (t) => {
    const { backend, run } = await startTarget(t, [503]);
    const startedMs = performance.now();
    const report = await run(400, { intervalMs: 1 });
    assert.equal(report.passed, false);
    assert.ok(performance.now() - startedMs >= 390);
    assert.ok(backend.requests.length > 20);
    assert.equal(report.probes.length, 20);
  },
);

test("a good row that is under way when the time to wait ends may end well", limit, async (t) => {
  const { run } = await startTarget(t, [200]);
  assert.equal((await run(1, { intervalMs: 30 })).passed, true);
});

test("a stop ends it at once, in a probe as well as between two", limit, async (t) => {
  const between = await startTarget(t, [503]);
  const stopper = new AbortController();
  const waiting = between.run(60_000, { intervalMs: 60_000 }, stopper.signal);
  await between.backend.requestsSeen(1);
  stopper.abort();
  const report = await waiting;
  assert.equal(report.passed, false);
  assert.equal(between.backend.requests.length, 1);
  const silent = await startBackend(t, () => {});
  const pool = new ConnectionPool(new URL(silent.url), LIMITS);
  onTestEnd(t, () => pool.destroy());
  const target = new Backend("v2", silent.url, 1);
  const inside = new AbortController();
  const config = { ...CONFIG, timeoutMs: 60_000 };
  const way: Ask = (request, handler) => ask(pool, target, request, handler);
  const probing = prepare(way, config, 60_000, systemClock, inside.signal);
  await silent.requestsSeen(1);
  inside.abort();
  assert.equal((await probing).passed, false);
  await waitUntil("its request has ended", () => silent.connections === 0);
});
