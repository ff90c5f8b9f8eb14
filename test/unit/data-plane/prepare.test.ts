import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { ProbeConfig } from "../../../src/config/probe-config.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { ask } from "../../../src/data-plane/forward/ask.ts";
import { ConnectionPool, type PoolLimits } from "../../../src/data-plane/forward/connection-pool.ts";
import { prepare, type Warming } from "../../../src/data-plane/prepare.ts";
import type { Ask } from "../../../src/health/probe.ts";
import { startBackend } from "../../support/backend.ts";
import { backendOf } from "../../support/backend-of.ts";
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
  engine: "auto",
};

const NO_WARM_UP: Warming = {
  warmUp: async () => ({ fault: null, isCutShort: false }),
  warm: () => 0,
};

/** A backend that answers with `statuses` in turn, and with the last of them for ever; without any, never. */
async function startTarget(t: TestContext, statuses: readonly number[]) {
  const backend = await startBackend(t, (_req, res) => {
    if (statuses.length === 0) return; // never answers
    const at = Math.min(backend.requests.length - 1, statuses.length - 1);
    res.writeHead(statuses[at] ?? 200).end();
  });
  const pool = new ConnectionPool(new URL(backend.url), LIMITS);
  onTestEnd(t, () => pool.destroy());
  const target = backendOf("v2", backend.url, 1);
  const way: Ask = (request, handler) => ask(pool, target, request, handler);
  const run = (
    waitMs: number,
    changes: Partial<ProbeConfig> = {},
    signal = new AbortController().signal,
    totalMs = 60_000,
    warming = NO_WARM_UP,
  ) => prepare(way, warming, { ...CONFIG, ...changes }, { waitMs, totalMs }, systemClock, signal);
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
    const report = await run(1_000, { intervalMs: 1 });
    assert.equal(report.passed, false);
    assert.ok(performance.now() - startedMs >= 990);
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
  const target = backendOf("v2", silent.url, 1);
  const inside = new AbortController();
  const config = { ...CONFIG, timeoutMs: 60_000 };
  const way: Ask = (request, handler) => ask(pool, target, request, handler);
  const limits = { waitMs: 60_000, totalMs: 60_000 };
  const probing = prepare(way, NO_WARM_UP, config, limits, systemClock, inside.signal);
  await silent.requestsSeen(1);
  inside.abort();
  assert.equal((await probing).passed, false);
  await waitUntil("its request has ended", () => silent.connections === 0);
});

test(
  "an interval longer than the time to wait does not outlast it: the last probe is made at its end",
  limit,
  async (t) => {
    const { backend, run } = await startTarget(t, [503]);
    const startedMs = performance.now();
    const report = await run(200, { intervalMs: 60_000 });
    const tookMs = performance.now() - startedMs;
    assert.equal(report.passed, false);
    assert.ok(tookMs >= 195 && tookMs < 10_000, `took ${tookMs} ms`);
    assert.ok(backend.requests.length >= 2);
  },
);

test("without an interval a bad target is still not asked without a pause", limit, async (t) => {
  const { backend, run } = await startTarget(t, [503]);
  await run(300, { intervalMs: 0 });
  assert.ok(backend.requests.length <= 40, `${backend.requests.length} probes in 300 ms`);
});

test(
  "its own limit ends it, in a probe as well as between two, though nobody says stop",
  limit,
  async (t) => {
    const signal = new AbortController().signal;
    const between = await startTarget(t, [200]);
    const startedMs = performance.now();
    const paused = await between.run(0, { intervalMs: 60_000 }, signal, 200);
    assert.equal(paused.passed, false);
    assert.equal(between.backend.requests.length, 1);
    const silent = await startTarget(t, []);
    const inside = await silent.run(60_000, { timeoutMs: 60_000 }, signal, 200);
    assert.equal(inside.passed, false);
    assert.match(inside.probes[0]?.saw ?? "", /^no answer after \d+ ms, when the gate had ended$/);
    assert.ok(performance.now() - startedMs < 10_000);
    await waitUntil("its request has ended", () => silent.backend.connections === 0);
  },
);

test("a warm-up comes after the good probes, and what is warm is told", limit, async (t) => {
  const { backend, run } = await startTarget(t, [200]);
  const probesBefore: number[] = [];
  const warming: Warming = {
    warmUp: async () => {
      probesBefore.push(backend.requests.length);
      return { fault: null, isCutShort: false };
    },
    warm: () => 7,
  };
  const report = await run(0, {}, undefined, undefined, warming);
  assert.deepEqual([report.passed, report.warm, report.probes.length], [true, 7, 3]);
  assert.deepEqual(probesBefore, [3]);
});

test(
  "a warm-up that fails refuses like a bad probe, and while there is time it all starts anew",
  limit,
  async (t) => {
    let attempts = 0;
    const failing = (failures: number): Warming => ({
      warmUp: async () => ({
        fault: attempts++ < failures ? "connect ECONNREFUSED" : null,
        isCutShort: false,
      }),
      warm: () => 1,
    });
    const refused = await startTarget(t, [200]);
    const report = await refused.run(0, {}, undefined, undefined, failing(1));
    assert.equal(report.passed, false);
    assert.deepEqual(
      report.probes.map(({ ok, saw, status }) => [ok, saw, status]),
      [...Array(3).fill([true, "200", 200]), [false, "warm-up: connect ECONNREFUSED", null]],
    );
    attempts = 0;
    const patient = await startTarget(t, [200]);
    assert.equal((await patient.run(10_000, {}, undefined, undefined, failing(2))).passed, true);
    assert.equal(patient.backend.requests.length, 9);
  },
);
