import assert from "node:assert/strict";
import type { RequestListener } from "node:http";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { ConnectionPool, type PoolLimits } from "../../../src/data-plane/forward/connection-pool.ts";
import { KeepWarm } from "../../../src/data-plane/keep-warm.ts";
import { warmUp } from "../../../src/data-plane/warm-up.ts";
import { startBackend } from "../../support/backend.ts";
import { backendOf } from "../../support/backend-of.ts";
import { onTestEnd } from "../../support/cleanup.ts";
import { waitUntil } from "../../support/wait.ts";

const limit = { timeout: 20_000 };
const LIMITS: PoolLimits = {
  maxConnections: 100,
  maxIdleConnections: 100,
  maxQueue: 2,
  connectTimeoutMs: 2_000,
  tlsHandshakeTimeoutMs: 1_000,
  keepAliveTimeoutMs: 300_000,
  maxHeaderBytes: 16_384,
  maxHeaderCount: 100,
  engine: "auto",
};
/** Some ticks: what is due is asked well within. */
const SOON_MS = 300;

interface Setting {
  readonly count?: number;
  readonly limits?: Partial<PoolLimits>;
  /** `Keep-Alive: timeout=`; 0: none. Node.js itself keeps connections for 60 s here. */
  readonly hintSeconds?: number;
  readonly windowMs?: number;
  readonly method?: string;
  readonly listener?: RequestListener;
}

/** A pool with idle connections, each of which has carried one answer; with a hint or without. */
async function startKept(t: TestContext, setting: Setting = {}) {
  const { count = 1, limits, hintSeconds = 0, windowMs = 300_000, method = "HEAD", listener } = setting;
  let behave: RequestListener = (_req, res) => {
    res.sendDate = false;
    if (hintSeconds > 0) res.setHeader("Keep-Alive", `timeout=${hintSeconds}`);
    res.end("ok");
  };
  const backend = await startBackend(t, (req, res) => behave(req, res), { server: { keepAliveTimeout: 0 } });
  const pool = new ConnectionPool(new URL(backend.url), { ...LIMITS, ...limits });
  const version = backendOf("v1", backend.url, 0);
  const time = { skewMs: 0 };
  const keepWarm = new KeepWarm({
    windowMs,
    request: { method, path: "/up?x=1", host: null, headers: [], timeoutMs: 1_000 },
    nowMs: () => performance.now() + time.skewMs,
    pool: () => pool,
  });
  onTestEnd(t, () => {
    keepWarm.end();
    pool.destroy();
  });
  pool.isKept = true; // above the idle limit too
  await warmUp(pool, count, new AbortController().signal);
  for (const connection of [...pool.idle]) {
    connection.isUsed = true;
    if (hintSeconds > 0) connection.idleLimitMs = (hintSeconds - 1) * 1_000;
  }
  pool.isKept = false;
  if (listener !== undefined) behave = listener;
  const age = (ms: number): void => {
    for (const connection of pool.idle) connection.idleSinceMs -= ms;
  };
  return { backend, pool, version, keepWarm, age, time };
}

test(
  "without a hint an idle connection is asked the probe's request about every 30 s, and not before",
  limit,
  async (t) => {
    const { backend, pool, version, keepWarm, age } = await startKept(t);
    keepWarm.start(version);
    for (let round = 1; round <= 3; round++) {
      age(28_000);
      await delay(SOON_MS);
      assert.equal(backend.requests.length, round - 1, "too early");
      age(1_200);
      await backend.requestsSeen(round);
      await waitUntil("it is idle again", () => pool.idle.length === 1);
    }
    const [request] = backend.requests;
    assert.deepEqual(
      [request?.method, request?.url, request?.headers.host],
      ["HEAD", "/up?x=1", version.authority],
    );
    assert.equal(backend.connectionsTotal, 1);
  },
);

test("with a hint it is asked shortly before that limit", limit, async (t) => {
  const { backend, version, keepWarm, age } = await startKept(t, { hintSeconds: 100 });
  keepWarm.start(version);
  age(97_000);
  await delay(SOON_MS);
  assert.equal(backend.requests.length, 0);
  age(1_200);
  await backend.requestsSeen(1);
});

test("a backend that closes after 4 s idle keeps every connection open", limit, async (t) => {
  const backend = await startBackend(t, undefined, { server: { keepAliveTimeout: 4_000 } });
  const pool = new ConnectionPool(new URL(backend.url), LIMITS);
  const version = backendOf("v1", backend.url, 0);
  const request = { method: "GET", path: "/", host: null, headers: [], timeoutMs: 1_000 };
  const keepWarm = new KeepWarm({
    windowMs: 60_000,
    request,
    nowMs: () => performance.now(),
    pool: () => pool,
  });
  onTestEnd(t, () => {
    keepWarm.end();
    pool.destroy();
  });
  await warmUp(pool, 8, new AbortController().signal);
  for (const connection of pool.idle) connection.idleSinceMs -= 12_500; // never used, so due soon
  keepWarm.start(version);
  await delay(7_000); // more than the 5 s that Node.js takes it for
  assert.deepEqual([pool.load.active + pool.load.idle, backend.connectionsTotal], [8, 8]);
  assert.ok(backend.requests.length >= 2 * 8, `${backend.requests.length} requests`);
});

test(
  "neither our keep-alive time nor the bound of idle ones closes what is kept; later they do",
  limit,
  async (t) => {
    const { backend, pool, version, keepWarm, age } = await startKept(t, {
      count: 4,
      limits: { maxIdleConnections: 1, keepAliveTimeoutMs: 10_000 },
    });
    keepWarm.start(version);
    age(10_500);
    await delay(1_200); // the pool looks once a second
    assert.equal(pool.idle.length, 4);
    assert.equal(backend.requests.length, 4, "each was asked when our own limit came");
    keepWarm.stop(version);
    await waitUntil("the surplus is closed", () => pool.idle.length === 1);
  },
);

test("at most 20 requests a second are sent, the most urgent first", limit, async (t) => {
  const { backend, pool, version, keepWarm, age } = await startKept(t, { count: 60 });
  age(40_000);
  const urgent = pool.idle[37];
  assert.ok(urgent);
  urgent.idleSinceMs -= 1_000;
  keepWarm.start(version);
  const startedMs = performance.now();
  await waitUntil("one was asked", () =>
    pool.idle.find(({ idleSinceMs }) => performance.now() - idleSinceMs < 40_000),
  );
  assert.ok(performance.now() - urgent.idleSinceMs < 40_000, "it was the first");
  await backend.requestsSeen(30);
  assert.ok(performance.now() - startedMs >= 29 * 50 - 10);
});

test("many connections with little time are begun early enough for all", limit, async (t) => {
  const { backend, pool, version, keepWarm, age } = await startKept(t, { count: 60, hintSeconds: 6 });
  keepWarm.start(version);
  age(1_300); // 3.7 s are left, 3 s of them for 60 requests and 1 s in reserve
  await backend.requestsSeen(60);
  assert.equal(pool.load.active + pool.load.idle, 60);
  assert.equal(backend.connections, 60);
});

test("what its backend would have closed is let go, without a request", limit, async (t) => {
  const { backend, pool, version, keepWarm, age } = await startKept(t, { count: 3, hintSeconds: 5 });
  age(4_100);
  keepWarm.start(version);
  await waitUntil("they are closed", () => pool.idle.length === 0);
  await waitUntil("the backend sees it", () => backend.connections === 0);
  assert.equal(backend.requests.length, 0);
});

for (const [what, listener] of Object.entries<RequestListener>({
  "is cut": (req) => req.socket.destroy(),
  "is no HTTP": (req) => req.socket.end("nonsense\r\n\r\n"),
  "says that the connection closes": (_req, res) => res.setHeader("Connection", "close").end(),
  "has a body without end": (_req, res) => {
    res.writeHead(200, { "Transfer-Encoding": "chunked" });
    const piece = Buffer.alloc(65_536);
    const more = setInterval(() => res.write(piece), 2);
    res.on("close", () => clearInterval(more));
  },
})) {
  test(`a connection whose answer ${what} is closed, quietly`, limit, async (t) => {
    const { backend, pool, version, keepWarm, age } = await startKept(t, {
      count: 2,
      method: "GET",
      listener,
    });
    age(35_000);
    keepWarm.start(version);
    await waitUntil("both are gone", () => pool.load.active + pool.load.idle === 0);
    await waitUntil("at the backend too", () => backend.connections === 0);
  });
}

test("a connection whose answer does not come in time is closed", limit, async (t) => {
  const { backend, pool, version, keepWarm, age } = await startKept(t, { listener: () => {} });
  age(35_000);
  keepWarm.start(version);
  await backend.requestsSeen(1);
  assert.equal(pool.load.active, 1);
  keepWarm.stop(version); // what runs keeps its time limit
  await waitUntil("it is closed", () => pool.load.active + pool.load.idle === 0);
});

test("after the window nothing is asked or kept any more", limit, async (t) => {
  const { backend, pool, version, keepWarm, age, time } = await startKept(t, { windowMs: 60_000 });
  keepWarm.start(version);
  assert.equal(pool.isKept, true);
  time.skewMs = 60_000;
  await waitUntil("it is over", () => !pool.isKept);
  age(35_000);
  await delay(SOON_MS);
  assert.equal(backend.requests.length, 0);
});

test("a window of 0 s keeps nothing", limit, async (t) => {
  const { backend, pool, version, keepWarm, age } = await startKept(t, { windowMs: 0 });
  keepWarm.start(version);
  assert.equal(pool.isKept, false);
  age(35_000);
  await delay(SOON_MS);
  assert.equal(backend.requests.length, 0);
});

test("a version about to be active, or active again, is asked nothing", limit, async (t) => {
  const { backend, pool, version, keepWarm, age } = await startKept(t);
  keepWarm.start(version);
  keepWarm.rest(version);
  age(35_000);
  await delay(SOON_MS);
  assert.equal(backend.requests.length, 0, "about to be");
  keepWarm.stop(version);
  await delay(1_000);
  assert.equal(backend.requests.length, 0, "active");
  assert.equal(pool.isKept, false);
  keepWarm.start(version);
  keepWarm.rest(version);
  await backend.requestsSeen(1); // it was not made active after all
});
