import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { Agent, type Dispatcher } from "undici";
import { ProxyError } from "../../../../src/core/errors.ts";
import {
  ConnectionPool,
  type PoolHandler,
  type PoolLimits,
} from "../../../../src/data-plane/forward/connection-pool.ts";
import { startBackend, startRawBackend, type TestBackend } from "../../../support/backend.ts";
import { onTestEnd } from "../../../support/cleanup.ts";
import { freePort } from "../../../support/free-port.ts";
import { startStuckBackend } from "../../../support/stuck-backend.ts";
import { waitUntil, withLimit } from "../../../support/wait.ts";

const limit = { timeout: 20_000 };
const LIMITS: PoolLimits = {
  maxConnections: 2,
  maxIdleConnections: 2,
  maxQueue: 2,
  connectTimeoutMs: 1_000,
  tlsHandshakeTimeoutMs: 1_000,
  keepAliveTimeoutMs: 60_000,
};

function startPool(t: TestContext, url: string, limits: Partial<PoolLimits> = {}): ConnectionPool {
  const pool = new ConnectionPool(new URL(url), { ...LIMITS, ...limits });
  onTestEnd(t, () => pool.destroy());
  return pool;
}

/** A request's way through the pool. */
class Attempt implements PoolHandler {
  needsFreshConnection = false;
  cancel: (() => void) | undefined;
  /** undefined: it has no connection yet. */
  isReused: boolean | undefined;
  body = "";
  controller: Dispatcher.DispatchController | undefined;
  /** The status, or the error. Never rejects. */
  readonly ended: Promise<number | Error>;
  #end: (outcome: number | Error) => void = () => {};
  #status = 0;

  constructor() {
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }
  onQueued(cancel: () => void): void {
    this.cancel = cancel;
  }
  onConnectionAssigned(isReused: boolean): void {
    this.isReused = isReused;
  }
  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
  }
  onResponseStart(_: Dispatcher.DispatchController, status: number): void {
    this.#status = status;
  }
  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.body += chunk.toString();
  }
  onResponseEnd(): void {
    this.#end(this.#status);
  }
  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#end(error);
  }
}

function send(
  pool: ConnectionPool,
  options: Partial<Dispatcher.DispatchOptions> = {},
  isFresh = false,
): Attempt {
  const attempt = new Attempt();
  attempt.needsFreshConnection = isFresh;
  pool.dispatch({ path: "/", method: "GET", headers: [], ...options }, attempt);
  return attempt;
}

async function outcome(attempt: Attempt): Promise<number | Error> {
  return await withLimit(attempt.ended, 5_000, "a request to end");
}

async function codeOf(attempt: Attempt): Promise<string> {
  const ended = await outcome(attempt);
  return ended instanceof ProxyError ? ended.code : `no ProxyError: ${String(ended)}`;
}

async function settled(pool: ConnectionPool): Promise<void> {
  await waitUntil("the pool has noticed the ends", () => pool.load.active === 0);
}

/** A backend that answers `/held` only when it is told to, and the rest at once. */
async function startHolding(t: TestContext): Promise<{ backend: TestBackend; held: ServerResponse[] }> {
  const held: ServerResponse[] = [];
  const backend = await startBackend(t, (req, res) => {
    if (req.url === "/held") held.push(res);
    else res.end("ok");
  });
  return { backend, held };
}
const HELD = { path: "/held" };

test("requests in turn share one connection, and are told that it is reused", limit, async (t) => {
  const backend = await startBackend(t);
  const pool = startPool(t, backend.url);
  for (let i = 0; i < 5; i++) {
    const attempt = send(pool);
    assert.equal(attempt.isReused, i > 0);
    assert.equal(await outcome(attempt), 200);
    await settled(pool);
  }
  assert.equal(backend.connectionsTotal, 1);
  assert.deepEqual(pool.load, { active: 0, idle: 1, queued: 0 });
});

test("the connection that was used last is used next", limit, async (t) => {
  const { backend, held } = await startHolding(t);
  const pool = startPool(t, backend.url);
  const both = [send(pool, HELD), send(pool, HELD)];
  await waitUntil("both are there", () => held.length === 2);
  const ports = backend.requests.map(({ remotePort }) => remotePort);
  for (const [i, res] of held.entries()) {
    res.end();
    await outcome(both[i] ?? new Attempt());
    await waitUntil("it is idle", () => pool.load.idle === i + 1);
  }
  for (let i = 0; i < 3; i++) {
    await outcome(send(pool));
    await settled(pool);
    assert.equal(backend.requests.at(-1)?.remotePort, ports[1]);
  }
});

test(
  "no more connections than the limit; the next ones wait in their order; past the queue's bound it is refused at once",
  limit,
  async (t) => {
    const { backend, held } = await startHolding(t);
    const pool = startPool(t, backend.url);
    const busy = [send(pool, HELD), send(pool, HELD)];
    const queued = [send(pool, { path: "/a" }), send(pool, { path: "/b" })];
    assert.deepEqual(pool.load, { active: 2, idle: 0, queued: 2 });
    const refused = send(pool);
    assert.equal(await codeOf(refused), "POOL_EXHAUSTED");
    assert.equal(refused.cancel, undefined);
    await waitUntil("both are there", () => held.length === 2);
    assert.ok(queued.every(({ cancel, isReused }) => cancel !== undefined && isReused === undefined));
    held[0]?.end();
    for (const attempt of queued) assert.equal(await outcome(attempt), 200);
    assert.deepEqual(
      backend.requests.slice(2).map(({ url }) => url),
      ["/a", "/b"],
    );
    held[1]?.end();
    for (const attempt of busy) await outcome(attempt);
    assert.equal(backend.connectionsTotal, 2);
  },
);

test("without a queue a request is refused as soon as every connection is busy", limit, async (t) => {
  const { backend } = await startHolding(t);
  const pool = startPool(t, backend.url, { maxConnections: 1, maxQueue: 0 });
  send(pool, HELD);
  assert.equal(await codeOf(send(pool)), "POOL_EXHAUSTED");
});

test("a request that is taken out of the queue is never sent, and makes room", limit, async (t) => {
  const { backend, held } = await startHolding(t);
  const pool = startPool(t, backend.url, { maxConnections: 1, maxQueue: 1 });
  const busy = send(pool, HELD);
  const left = send(pool, { path: "/left" });
  left.cancel?.();
  left.cancel?.(); // twice is harmless
  assert.equal(pool.load.queued, 0);
  const stayed = send(pool, { path: "/stayed" });
  await waitUntil("the first is there", () => held.length === 1);
  held[0]?.end();
  await outcome(busy);
  assert.equal(await outcome(stayed), 200);
  stayed.cancel?.(); // it has been sent: too late, and harmless
  assert.deepEqual(
    backend.requests.map(({ url }) => url),
    ["/held", "/stayed"],
  );
});

test("of the connections that fall idle no more than the bound are kept", limit, async (t) => {
  const { backend, held } = await startHolding(t);
  const pool = startPool(t, backend.url, { maxConnections: 4, maxIdleConnections: 1 });
  const busy = Array.from({ length: 4 }, () => send(pool, HELD));
  await waitUntil("all are there", () => held.length === 4);
  for (const res of held) res.end();
  for (const attempt of busy) await outcome(attempt);
  await settled(pool);
  assert.equal(pool.load.idle, 1);
  await waitUntil("the others are closed", () => backend.connections === 1);
});

test("with no idle connections allowed, each request has its own", limit, async (t) => {
  const backend = await startBackend(t);
  const pool = startPool(t, backend.url, { maxIdleConnections: 0 });
  for (let i = 0; i < 3; i++) {
    assert.equal(await outcome(send(pool)), 200);
    await settled(pool);
  }
  assert.equal(backend.connectionsTotal, 3);
});

test("an idle connection that the backend has closed is not handed out as reused", limit, async (t) => {
  const backend = await startBackend(t);
  const pool = startPool(t, backend.url);
  for (let i = 0; i < 3; i++) {
    const attempt = send(pool);
    assert.equal(attempt.isReused, false);
    assert.equal(await outcome(attempt), 200);
    await waitUntil("it is idle", () => pool.load.idle === 1);
    backend.closeConnections();
    await waitUntil("the pool knows", () => pool.load.idle === 0);
  }
  assert.equal(backend.connectionsTotal, 3);
});

test("an idle connection is closed after the keep-alive time", limit, async (t) => {
  const backend = await startBackend(t);
  const pool = startPool(t, backend.url, { keepAliveTimeoutMs: 200 });
  await outcome(send(pool));
  await waitUntil("the pool has none", () => pool.load.idle === 0 && pool.load.active === 0);
  await waitUntil("nor has the backend", () => backend.connections === 0);
});

test(
  "a backend that closes after each answer is served with a new connection each time, within the limit",
  limit,
  async (t) => {
    let open = 0;
    let most = 0;
    const backend = await startBackend(
      t,
      (_req, res) => void res.writeHead(200, { Connection: "close" }).end("ok"),
    );
    backend.server.on("connection", (socket: Socket) => {
      most = Math.max(most, ++open);
      socket.once("close", () => open--);
    });
    const pool = startPool(t, backend.url, { maxConnections: 1, maxQueue: 20 });
    const attempts = Array.from({ length: 10 }, () => send(pool));
    for (const attempt of attempts) assert.equal(await outcome(attempt), 200);
    assert.ok(attempts.every(({ isReused }) => isReused === false));
    assert.equal(backend.connectionsTotal, 10);
    assert.ok(most <= 2, `${most} were open at once`); // the old one's close may still be on its way
  },
);

test("a request that needs a fresh connection gets one, although others are idle", limit, async (t) => {
  const backend = await startBackend(t);
  const pool = startPool(t, backend.url);
  await outcome(send(pool));
  await waitUntil("it is idle", () => pool.load.idle === 1);
  const fresh = send(pool, {}, true);
  assert.equal(fresh.isReused, false);
  assert.equal(await outcome(fresh), 200);
  assert.equal(backend.connectionsTotal, 2);
});

test("at the limit an idle connection makes room for a fresh one", limit, async (t) => {
  const backend = await startBackend(t);
  const pool = startPool(t, backend.url, { maxConnections: 1 });
  await outcome(send(pool));
  await waitUntil("it is idle", () => pool.load.idle === 1);
  const fresh = send(pool, {}, true);
  assert.equal(fresh.isReused, false);
  assert.equal(await outcome(fresh), 200);
  await waitUntil("one is left", () => backend.connections === 1 && pool.load.idle === 1);
});

test(
  "with every connection busy, one that needs a fresh connection waits like the others",
  limit,
  async (t) => {
    const { backend, held } = await startHolding(t);
    const pool = startPool(t, backend.url, { maxConnections: 1 });
    send(pool, HELD);
    const fresh = send(pool, {}, true);
    assert.equal(pool.load.queued, 1);
    await waitUntil("the first is there", () => held.length === 1);
    held[0]?.end();
    assert.equal(await outcome(fresh), 200);
  },
);

test("a failed connect frees its place, again and again", limit, async (t) => {
  const pool = startPool(t, `http://127.0.0.1:${await freePort()}`, { maxConnections: 1 });
  for (let i = 0; i < 5; i++) {
    const attempt = send(pool);
    const queued = send(pool);
    assert.match(String(await outcome(attempt)), /ECONNREFUSED/);
    assert.match(String(await outcome(queued)), /ECONNREFUSED/);
    await settled(pool);
  }
  assert.deepEqual(pool.load, { active: 0, idle: 0, queued: 0 });
});

test("a backend that comes back is reached on a place that had failed", limit, async (t) => {
  const port = await freePort();
  const pool = startPool(t, `http://127.0.0.1:${port}`, { maxConnections: 1 });
  assert.ok((await outcome(send(pool))) instanceof Error);
  await settled(pool);
  await startBackend(t, undefined, { port });
  assert.equal(await outcome(send(pool)), 200);
});

test("a connect that takes too long fails and frees its place", limit, async (t) => {
  const stuck = await startStuckBackend(t);
  const pool = startPool(t, stuck.url, { maxConnections: 1, connectTimeoutMs: 100 });
  const error = await outcome(send(pool));
  assert.equal((error as Error & { code?: string }).code, "UND_ERR_CONNECT_TIMEOUT");
  await settled(pool);
});

test(
  "a request that undici will not send fails and leaves its place, and the next one is served",
  limit,
  async (t) => {
    const backend = await startBackend(t);
    const pool = startPool(t, backend.url, { maxConnections: 1 });
    for (let i = 0; i < 3; i++) {
      const refused = send(pool, { headers: ["Connection", "what\x01"] });
      assert.equal(((await outcome(refused)) as Error & { code?: string }).code, "UND_ERR_INVALID_ARG");
      await settled(pool);
      assert.equal(await outcome(send(pool)), 200);
      await settled(pool);
    }
    const queued = [send(pool), send(pool, { path: "no slash" }), send(pool)];
    assert.equal(await outcome(queued[0] ?? new Attempt()), 200);
    assert.ok((await outcome(queued[1] ?? new Attempt())) instanceof Error);
    assert.equal(await outcome(queued[2] ?? new Attempt()), 200);
  },
);

test("an aborted request frees its place, and its connection is not used again", limit, async (t) => {
  const { backend, held } = await startHolding(t);
  const pool = startPool(t, backend.url, { maxConnections: 1 });
  const aborted = send(pool, HELD);
  await waitUntil("it is there", () => held.length === 1);
  aborted.controller?.abort(new Error("no longer wanted"));
  assert.ok((await outcome(aborted)) instanceof Error);
  const next = send(pool);
  assert.equal(await outcome(next), 200);
  assert.notEqual(backend.requests[1]?.remotePort, backend.requests[0]?.remotePort);
});

test("a handler that refuses to start frees its place, and nothing is sent", limit, async (t) => {
  const backend = await startBackend(t);
  const pool = startPool(t, backend.url, { maxConnections: 1 });
  const attempt = new Attempt();
  attempt.onRequestStart = () => {
    throw new Error("no longer wanted");
  };
  pool.dispatch({ path: "/never", method: "GET", headers: [] }, attempt);
  assert.ok((await outcome(attempt)) instanceof Error);
  assert.equal(await outcome(send(pool)), 200);
  assert.deepEqual(
    backend.requests.map(({ url }) => url),
    ["/"],
  );
});

test("OPTIONS * is sent as such, and leaves the next request's path alone", limit, async (t) => {
  const backend = await startBackend(t);
  const pool = startPool(t, backend.url);
  const asterisk = send(pool, { path: "*", method: "OPTIONS" });
  const plain = send(pool, { path: "/plain", method: "OPTIONS" });
  assert.deepEqual([await outcome(asterisk), await outcome(plain)], [200, 200]);
  assert.deepEqual(backend.requests.map(({ url }) => url).sort(), ["*", "/plain"]);
});

test("an OPTIONS * that had to wait is still one", limit, async (t) => {
  const { backend, held } = await startHolding(t);
  const pool = startPool(t, backend.url, { maxConnections: 1 });
  send(pool, HELD);
  const asterisk = send(pool, { path: "*", method: "OPTIONS" });
  await waitUntil("the first is there", () => held.length === 1);
  held[0]?.end();
  assert.equal(await outcome(asterisk), 200);
  assert.equal(backend.requests.at(-1)?.url, "*");
});

test("an end of the connection by RST does not make an answer without a length whole", limit, async (t) => {
  const backend = await startRawBackend(t, (socket) => {
    socket.once("data", () =>
      socket.write("HTTP/1.1 200 OK\r\n\r\nhalf", () => setTimeout(() => socket.resetAndDestroy(), 50)),
    );
  });
  const pool = startPool(t, backend.url);
  const attempt = send(pool);
  assert.ok((await outcome(attempt)) instanceof Error);
  assert.equal(attempt.body, "half");
});

test("a pool that is destroyed refuses what waits and closes what is idle", limit, async (t) => {
  const { backend, held } = await startHolding(t);
  const pool = startPool(t, backend.url, { maxConnections: 1 });
  send(pool, HELD);
  await waitUntil("the first is there", () => held.length === 1);
  const queued = send(pool);
  void pool.destroy();
  assert.equal(await codeOf(queued), "POOL_EXHAUSTED");
  held[0]?.end();
  await waitUntil("the last connection is closed", () => backend.connections === 0);
});

test("behind an Agent it is one pool for an origin", limit, async (t) => {
  const backend = await startBackend(t);
  const made: ConnectionPool[] = [];
  const agent = new Agent({
    factory: (origin) => {
      const pool = startPool(t, String(origin));
      made.push(pool);
      return pool;
    },
  });
  for (let i = 0; i < 3; i++) {
    const attempt = new Attempt();
    agent.dispatch({ origin: backend.url, path: "/", method: "GET", headers: [] }, attempt);
    assert.equal(await outcome(attempt), 200);
    await waitUntil("it is idle", () => made[0]?.load.idle === 1);
  }
  assert.equal(made.length, 1);
  assert.equal(backend.connectionsTotal, 1);
});
