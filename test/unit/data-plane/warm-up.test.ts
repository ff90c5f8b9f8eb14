import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { ask } from "../../../src/data-plane/forward/ask.ts";
import { ConnectionPool, type PoolLimits } from "../../../src/data-plane/forward/connection-pool.ts";
import { wantedConnections, warmUp } from "../../../src/data-plane/warm-up.ts";
import { startBackend, startRawBackend } from "../../support/backend.ts";
import { backendOf } from "../../support/backend-of.ts";
import { onTestEnd } from "../../support/cleanup.ts";
import { freePort } from "../../support/free-port.ts";
import { startStuckBackend } from "../../support/stuck-backend.ts";
import { waitUntil, withLimit } from "../../support/wait.ts";

const limit = { timeout: 20_000 };
const LIMITS: PoolLimits = {
  maxConnections: 100,
  maxIdleConnections: 50,
  maxQueue: 2,
  connectTimeoutMs: 2_000,
  tlsHandshakeTimeoutMs: 1_000,
  keepAliveTimeoutMs: 60_000,
  maxHeaderBytes: 16_384,
  maxHeaderCount: 100,
  engine: "auto",
};

function startPool(t: TestContext, url: string, limits: Partial<PoolLimits> = {}): ConnectionPool {
  const pool = new ConnectionPool(new URL(url), { ...LIMITS, ...limits });
  onTestEnd(t, () => pool.destroy());
  return pool;
}

/** `count` requests at once, to their ends. */
async function burst(pool: ConnectionPool, url: string, count: number): Promise<void> {
  const backend = backendOf("v", url, 0);
  const asking = Array.from(
    { length: count },
    () =>
      new Promise<void>((resolve, reject) => {
        ask(
          pool,
          backend,
          { method: "GET", path: "/", host: null, headers: [] },
          {
            onSent() {},
            onHead() {},
            onPiece() {},
            onEnd: resolve,
            onFailed: (message) => reject(new Error(message)),
          },
        );
      }),
  );
  await withLimit(Promise.all(asking), 5_000, `${count} answers`);
}

const never = (): AbortSignal => new AbortController().signal;

test("a warm-up opens what is missing and sends nothing; a burst then opens no more", limit, async (t) => {
  const backend = await startBackend(t);
  const pool = startPool(t, backend.url);
  await burst(pool, backend.url, 2);
  assert.deepEqual(await warmUp(pool, 40, never()), { fault: null, isCutShort: false });
  assert.deepEqual(pool.load, { active: 0, idle: 40, queued: 0 });
  await waitUntil("the backend has seen all", () => backend.connectionsTotal === 40);
  assert.equal(backend.requests.length, 2);
  assert.deepEqual(await warmUp(pool, 40, never()), { fault: null, isCutShort: false });
  await burst(pool, backend.url, 40);
  assert.equal(backend.connectionsTotal, 40);
});

test("a warm-up for nothing opens nothing, and never passes the pool's limit", limit, async (t) => {
  const backend = await startBackend(t);
  const pool = startPool(t, backend.url, { maxConnections: 3 });
  assert.equal((await warmUp(pool, 0, never())).fault, null);
  assert.deepEqual(pool.load, { active: 0, idle: 0, queued: 0 });
  assert.equal((await warmUp(pool, 10, never())).fault, null);
  assert.deepEqual(pool.load, { active: 0, idle: 3, queued: 0 });
});

test(
  "a request that comes during a warm-up at the limit has the connection that opens first",
  limit,
  async (t) => {
    const backend = await startBackend(t);
    const pool = startPool(t, backend.url, { maxConnections: 4 });
    const warming = warmUp(pool, 4, never());
    await Promise.all([burst(pool, backend.url, 2), warming]);
    assert.deepEqual(pool.load, { active: 0, idle: 4, queued: 0 });
    assert.equal(backend.connectionsTotal, 4);
  },
);

test("connections are opened some at a time", limit, async (t) => {
  const stuck = await startStuckBackend(t);
  const pool = startPool(t, stuck.url);
  const stopper = new AbortController();
  const warming = warmUp(pool, 40, stopper.signal);
  assert.equal(pool.load.active, 16);
  stopper.abort();
  assert.equal((await warming).isCutShort, true);
  assert.deepEqual(pool.load, { active: 0, idle: 0, queued: 0 });
});

test("a warm-up that is given up before it began opens nothing", limit, async (t) => {
  const backend = await startBackend(t);
  const pool = startPool(t, backend.url);
  assert.equal((await warmUp(pool, 4, AbortSignal.abort())).isCutShort, true);
  assert.equal(pool.load.active, 0);
});

test("a connection that cannot be made ends the warm-up and says why", limit, async (t) => {
  const port = await freePort();
  const pool = startPool(t, `http://127.0.0.1:${port}`);
  assert.deepEqual(await warmUp(pool, 20, never()), {
    fault: `connect ECONNREFUSED 127.0.0.1:${port}`,
    isCutShort: false,
  });
  assert.deepEqual(pool.load, { active: 0, idle: 0, queued: 0 });
});

test("a warm-up ends with its pool", limit, async (t) => {
  const stuck = await startStuckBackend(t);
  const pool = startPool(t, stuck.url);
  const warming = warmUp(pool, 4, never());
  pool.destroy();
  assert.equal((await withLimit(warming, 1_000, "the warm-up")).fault, "the worker is ending");
});

for (const [what, say] of Object.entries<(socket: Socket) => void>({
  "an unasked 408 and its end": (socket) =>
    socket.end("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n"),
  "an unasked 408 alone": (socket) => socket.write("HTTP/1.1 408 Request Timeout\r\n\r\n"),
  "its end": (socket) => socket.end(),
  "a reset": (socket) => socket.resetAndDestroy(),
})) {
  test(
    `a connection that was never used and gets ${what} is dropped, and no request sees it`,
    limit,
    async (t) => {
      const sockets: Socket[] = [];
      const backend = await startRawBackend(t, (socket) => {
        sockets.push(socket);
        socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
      });
      const pool = startPool(t, backend.url);
      await warmUp(pool, 3, never());
      await waitUntil("the backend has accepted them", () => sockets.length === 3);
      for (const socket of sockets) say(socket);
      await waitUntil("the pool has dropped them", () => pool.idle.length === 0);
      assert.deepEqual(pool.load, { active: 0, idle: 0, queued: 0 });
      await burst(pool, backend.url, 1);
      assert.equal(sockets.length, 4);
    },
  );
}

test("a connection that was never used lies idle for 15 s at most", limit, async (t) => {
  const backend = await startBackend(t);
  const pool = startPool(t, backend.url);
  await burst(pool, backend.url, 1);
  await warmUp(pool, 3, never());
  for (const connection of pool.idle) connection.idleSinceMs -= 15_100;
  await waitUntil("they are closed", () => pool.idle.length === 1);
  assert.equal(pool.idle[0]?.isUsed, true);
});

test("connections about to idle out do not count as warm", limit, async (t) => {
  const backend = await startBackend(t);
  const pool = startPool(t, backend.url);
  await burst(pool, backend.url, 2);
  for (const connection of pool.idle) connection.idleSinceMs -= LIMITS.keepAliveTimeoutMs - 500;
  await warmUp(pool, 2, never());
  await waitUntil("the new ones are there", () => backend.connectionsTotal === 4);
});

test("auto wants as many as were in use at once in the last seconds, 64 at most", limit, async (t) => {
  const backend = await startBackend(t);
  const active = startPool(t, backend.url);
  const target = startPool(t, backend.url, { maxIdleConnections: 90 });
  assert.equal(wantedConnections("auto", [active], target), 0);
  await warmUp(active, 5, never());
  assert.equal(wantedConnections("auto", [active], target), 0, "warm ones that nobody used");
  await burst(active, backend.url, 20);
  for (let i = 0; i < 5; i++) await burst(active, backend.url, 1);
  assert.equal(wantedConnections("auto", [active], target), 20);
  await burst(active, backend.url, 70);
  assert.equal(wantedConnections("auto", [active], target), 64);
  for (const connection of active.idle) connection.idleSinceMs -= 5_100;
  assert.equal(wantedConnections("auto", [active], target), 0);
});

test("what is wanted is bounded by the pool's own limits", limit, async (t) => {
  const { url } = await startBackend(t);
  const active = startPool(t, url);
  const wanted = (limits: Partial<PoolLimits>): number =>
    wantedConnections(500, [active], startPool(t, url, limits));
  assert.equal(wanted({ maxIdleConnections: 1_000 }), 100);
  assert.equal(wanted({ maxIdleConnections: 30 }), 30);
  assert.equal(wanted({ maxIdleConnections: 0 }), 0);
});
