import assert from "node:assert/strict";
import type { RequestListener, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { TestContext } from "node:test";
import type { ProxyError } from "../../../../src/core/errors.ts";
import type { BackendConnection } from "../../../../src/data-plane/forward/backend-connection.ts";
import {
  ConnectionPool,
  type PoolLimits,
  type Waiter,
} from "../../../../src/data-plane/forward/connection-pool.ts";
import { startBackend, startRawBackend, type TestBackend } from "../../../support/backend.ts";
import { onTestEnd } from "../../../support/cleanup.ts";
import { engineOf, testEngines as test } from "../../../support/engines.ts";
import { freePort } from "../../../support/free-port.ts";
import { SeenAnswer } from "../../../support/seen-answer.ts";
import { startStuckBackend } from "../../../support/stuck-backend.ts";
import { waitUntil } from "../../../support/wait.ts";

const limit = { timeout: 20_000 };
const LIMITS: Omit<PoolLimits, "engine"> = {
  maxConnections: 2,
  maxIdleConnections: 2,
  maxQueue: 2,
  connectTimeoutMs: 1_000,
  tlsHandshakeTimeoutMs: 1_000,
  keepAliveTimeoutMs: 60_000,
  maxHeaderBytes: 16_384,
  maxHeaderCount: 100,
};

function startPool(t: TestContext, url: string, limits: Partial<PoolLimits> = {}): ConnectionPool {
  const pool = new ConnectionPool(new URL(url), { ...LIMITS, engine: engineOf(t), ...limits });
  onTestEnd(t, () => pool.destroy());
  return pool;
}

/** A GET's way through the pool. */
class Attempt extends SeenAnswer implements Waiter {
  readonly needsFreshConnection: boolean;
  readonly #path: string;
  isQueued = false;
  isConnecting = false;
  /** undefined: it has no connection yet. */
  isReused: boolean | undefined;
  connection: BackendConnection | undefined;

  constructor(path = "/", needsFreshConnection = false) {
    super();
    this.#path = path;
    this.needsFreshConnection = needsFreshConnection;
  }

  onQueued(): void {
    this.isQueued = true;
  }

  onConnecting(): void {
    this.isConnecting = true;
  }

  onConnected(connection: BackendConnection, isReused: boolean): void {
    assert.equal(this.isReused, undefined, "given a connection twice");
    this.connection = connection;
    this.isReused = isReused;
    connection.start(this, "GET", `GET ${this.#path} HTTP/1.1\r\nHost: h\r\n\r\n`, false);
    connection.endRequest(null);
  }

  onNoConnection({ code, message }: ProxyError): void {
    this.message = message;
    this.tell(`failed ${code}`);
  }

  /** The status, or the code of what it failed with. */
  async outcome(): Promise<number | string> {
    const end = await this.over();
    return end.startsWith("failed ") ? end.slice(7) : this.status;
  }
}

function send(pool: ConnectionPool, path = "/", isFresh = false): Attempt {
  const attempt = new Attempt(path, isFresh);
  pool.acquire(attempt);
  return attempt;
}

async function settled(pool: ConnectionPool): Promise<void> {
  await waitUntil("nothing runs", () => pool.load.active === 0);
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

const urls = ({ requests }: TestBackend): string[] => requests.map(({ url }) => url);

test("requests in turn share one connection, and are told that it is reused", limit, async (t) => {
  const backend = await startBackend(t);
  const pool = startPool(t, backend.url);
  for (let i = 0; i < 5; i++) {
    const sentMs = performance.now();
    const attempt = send(pool);
    assert.equal(await attempt.outcome(), 200);
    assert.ok((attempt.connection?.idleSinceMs ?? 0) >= sentMs, "idle since it was released");
    assert.deepEqual([attempt.isReused, attempt.isConnecting, attempt.isQueued], [i > 0, i === 0, false]);
    assert.deepEqual(pool.load, { active: 0, idle: 1, queued: 0 });
  }
  assert.equal(backend.connectionsTotal, 1);
});

test("an idle connection is given at once, within the call", limit, async (t) => {
  const backend = await startBackend(t);
  const pool = startPool(t, backend.url);
  await send(pool).outcome();
  assert.equal(send(pool).isReused, true);
  assert.deepEqual(pool.load, { active: 1, idle: 0, queued: 0 });
});

test("the connection that was used last is used next", limit, async (t) => {
  const { backend, held } = await startHolding(t);
  const pool = startPool(t, backend.url);
  const both = [send(pool, "/held"), send(pool, "/held")];
  await waitUntil("both are there", () => held.length === 2);
  const ports = backend.requests.map(({ remotePort }) => remotePort);
  held[0]?.end();
  await waitUntil("one is idle", () => pool.load.idle === 1);
  held[1]?.end();
  for (const attempt of both) assert.equal(await attempt.outcome(), 200);
  for (let i = 0; i < 3; i++) {
    assert.equal(await send(pool).outcome(), 200);
    assert.equal(backend.requests.at(-1)?.remotePort, ports[1]);
  }
});

test(
  "no more connections than the limit; the next ones wait in their order; past the queue's bound it is refused at once",
  limit,
  async (t) => {
    const { backend, held } = await startHolding(t);
    const pool = startPool(t, backend.url);
    const busy = [send(pool, "/held"), send(pool, "/held")];
    const queued = [send(pool, "/a"), send(pool, "/b")];
    assert.deepEqual(pool.load, { active: 2, idle: 0, queued: 2 });
    const refused = send(pool);
    assert.deepEqual(refused.told, ["failed POOL_EXHAUSTED"]);
    assert.equal(refused.isQueued, false);
    await waitUntil("both are there", () => held.length === 2);
    assert.ok(queued.every(({ isQueued, isReused }) => isQueued && isReused === undefined));
    held[0]?.end();
    for (const attempt of queued) assert.equal(await attempt.outcome(), 200);
    assert.deepEqual(urls(backend).slice(2), ["/a", "/b"]);
    held[1]?.end();
    for (const attempt of busy) await attempt.outcome();
    assert.equal(backend.connectionsTotal, 2);
  },
);

test("without a queue a request is refused as soon as every connection is busy", limit, async (t) => {
  const { backend } = await startHolding(t);
  const pool = startPool(t, backend.url, { maxConnections: 1, maxQueue: 0 });
  send(pool, "/held");
  assert.equal(await send(pool).outcome(), "POOL_EXHAUSTED");
});

test("a request that leaves the queue is never sent, and makes room", limit, async (t) => {
  const { backend, held } = await startHolding(t);
  const pool = startPool(t, backend.url, { maxConnections: 1, maxQueue: 1 });
  const busy = send(pool, "/held");
  const left = send(pool, "/left");
  pool.leave(left);
  pool.leave(left); // twice is harmless
  assert.equal(pool.load.queued, 0);
  const stayed = send(pool, "/stayed");
  await waitUntil("the first is there", () => held.length === 1);
  held[0]?.end();
  await busy.outcome();
  assert.equal(await stayed.outcome(), 200);
  pool.leave(stayed); // it has been sent: too late, and harmless
  assert.deepEqual(urls(backend), ["/held", "/stayed"]);
  assert.deepEqual(left.told, []);
});

test(
  "a request that leaves while its connection is opened is never sent; the next one has it",
  limit,
  async (t) => {
    const backend = await startBackend(t);
    const pool = startPool(t, backend.url, { maxConnections: 1 });
    const left = send(pool, "/left");
    pool.leave(left);
    const queued = send(pool, "/queued");
    assert.equal(queued.isQueued, true);
    assert.equal(await queued.outcome(), 200);
    pool.leave(send(pool, "/left too", true));
    await waitUntil("it is open", () => pool.load.idle === 1);
    assert.equal(await send(pool, "/later").outcome(), 200);
    assert.deepEqual(urls(backend), ["/queued", "/later"]);
    assert.equal(backend.connectionsTotal, 2);
    assert.deepEqual([left.told, left.isReused], [[], undefined]);
  },
);

test("of the connections that fall idle no more than the bound are kept", limit, async (t) => {
  const { backend, held } = await startHolding(t);
  const pool = startPool(t, backend.url, { maxConnections: 4, maxIdleConnections: 1 });
  const busy = Array.from({ length: 4 }, () => send(pool, "/held"));
  await waitUntil("all are there", () => held.length === 4);
  for (const res of held) res.end();
  for (const attempt of busy) await attempt.outcome();
  await waitUntil("the others are closed", () => backend.connections === 1);
  assert.deepEqual(pool.load, { active: 0, idle: 1, queued: 0 });
});

test("with no idle connections allowed, each request has its own", limit, async (t) => {
  const backend = await startBackend(t);
  const pool = startPool(t, backend.url, { maxIdleConnections: 0 });
  for (let i = 0; i < 3; i++) {
    assert.equal(await send(pool).outcome(), 200);
    assert.deepEqual(pool.load, { active: 0, idle: 0, queued: 0 });
  }
  assert.equal(backend.connectionsTotal, 3);
});

test("an idle connection that the backend has closed is not handed out as reused", limit, async (t) => {
  const backend = await startBackend(t);
  const pool = startPool(t, backend.url);
  for (let i = 0; i < 3; i++) {
    const attempt = send(pool);
    assert.equal(await attempt.outcome(), 200);
    assert.equal(attempt.isReused, false);
    backend.closeConnections();
    await waitUntil("the pool knows", () => pool.load.idle === 0);
  }
  assert.equal(backend.connectionsTotal, 3);
});

test("an idle connection is closed after the keep-alive time", limit, async (t) => {
  const backend = await startBackend(t);
  const pool = startPool(t, backend.url, { keepAliveTimeoutMs: 200 });
  await send(pool).outcome();
  await waitUntil("the pool has none", () => pool.load.idle === 0 && pool.load.active === 0);
  await waitUntil("nor has the backend", () => backend.connections === 0);
});

test(
  "a connection that has been idle too long is not handed out, even before it was looked at",
  limit,
  async (t) => {
    const backend = await startBackend(t);
    const pool = startPool(t, backend.url);
    const first = send(pool);
    await first.outcome();
    assert.ok(first.connection);
    first.connection.idleSinceMs -= LIMITS.keepAliveTimeoutMs - 5_000;
    const second = send(pool);
    assert.equal(await second.outcome(), 200);
    assert.equal(second.isReused, true);
    first.connection.idleSinceMs -= LIMITS.keepAliveTimeoutMs + 1;
    const third = send(pool);
    assert.equal(await third.outcome(), 200);
    assert.equal(third.isReused, false);
    assert.deepEqual(pool.load, { active: 0, idle: 1, queued: 0 });
  },
);

test(
  "a connection is given up before the backend does: what its Keep-Alive says counts",
  limit,
  async (t) => {
    let hint = "timeout=60";
    const backend = await startBackend(
      t,
      (_req, res) => void res.writeHead(200, { "Keep-Alive": hint }).end(),
    );
    const pool = startPool(t, backend.url, { keepAliveTimeoutMs: 300_000 });
    const first = send(pool);
    await first.outcome();
    assert.ok(first.connection);
    first.connection.idleSinceMs -= 58_000;
    assert.equal(send(pool).isReused, true);
    await settled(pool);
    first.connection.idleSinceMs -= 59_001;
    const second = send(pool);
    assert.equal(await second.outcome(), 200);
    assert.equal(second.isReused, false);
    hint = "timeout=1"; // too short to be used again at all
    await send(pool).outcome();
    assert.deepEqual(pool.load, { active: 0, idle: 0, queued: 0 });
  },
);

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
    for (const attempt of attempts) assert.equal(await attempt.outcome(), 200);
    assert.ok(attempts.every(({ isReused }) => isReused === false));
    assert.equal(backend.connectionsTotal, 10);
    assert.ok(most <= 2, `${most} were open at once`); // the old one's close may still be on its way
  },
);

test("a request that needs a fresh connection gets one, although others are idle", limit, async (t) => {
  const backend = await startBackend(t);
  const pool = startPool(t, backend.url);
  await send(pool).outcome();
  const fresh = send(pool, "/", true);
  assert.equal(await fresh.outcome(), 200);
  assert.equal(fresh.isReused, false);
  assert.equal(backend.connectionsTotal, 2);
  assert.equal(pool.load.idle, 2);
});

test(
  "at the limit the idle connection that was used least recently makes room for a fresh one",
  limit,
  async (t) => {
    const { backend, held } = await startHolding(t);
    const pool = startPool(t, backend.url);
    const both = [send(pool, "/held"), send(pool, "/held")];
    await waitUntil("both are there", () => held.length === 2);
    const ports = backend.requests.map(({ remotePort }) => remotePort);
    held[0]?.end();
    await waitUntil("one is idle", () => pool.load.idle === 1);
    held[1]?.end();
    for (const attempt of both) await attempt.outcome();
    const fresh = send(pool, "/", true);
    assert.deepEqual(pool.load, { active: 1, idle: 1, queued: 0 });
    assert.equal(await fresh.outcome(), 200);
    assert.equal(fresh.isReused, false);
    await waitUntil("two are left", () => backend.connections === 2);
    const first = send(pool, "/held");
    const second = send(pool, "/held");
    assert.deepEqual([first.isReused, second.isReused], [true, true]);
    await waitUntil("both are there", () => held.length === 4);
    const used = backend.requests.slice(-2).map(({ remotePort }) => remotePort);
    assert.deepEqual([used.includes(ports[0] ?? 0), used.includes(ports[1] ?? 0)], [false, true]);
  },
);

test(
  "with every connection busy, one that needs a fresh connection waits like the others, and gets it",
  limit,
  async (t) => {
    const { backend, held } = await startHolding(t);
    const pool = startPool(t, backend.url, { maxConnections: 1 });
    send(pool, "/held");
    const fresh = send(pool, "/fresh", true);
    const behind = send(pool, "/behind");
    assert.equal(pool.load.queued, 2);
    await waitUntil("the first is there", () => held.length === 1);
    held[0]?.end();
    assert.equal(await fresh.outcome(), 200);
    assert.equal(await behind.outcome(), 200);
    assert.deepEqual([fresh.isReused, behind.isReused], [false, true]);
    assert.deepEqual(urls(backend), ["/held", "/fresh", "/behind"]);
    assert.deepEqual(pool.load, { active: 0, idle: 1, queued: 0 });
  },
);

test("a failed connect says why and frees its place, again and again", limit, async (t) => {
  const port = await freePort();
  const pool = startPool(t, `http://127.0.0.1:${port}`, { maxConnections: 1 });
  for (let i = 0; i < 5; i++) {
    const attempt = send(pool);
    const queued = send(pool);
    for (const each of [attempt, queued]) {
      assert.equal(await each.outcome(), "BACKEND_CONNECT_FAILED");
      assert.match(each.message, /cannot connect to http:\/\/127\.0\.0\.1:\d+: connect ECONNREFUSED/);
    }
    assert.deepEqual(pool.load, { active: 0, idle: 0, queued: 0 });
  }
});

test("one that tries again from within its failure gets the place that has become free", limit, async (t) => {
  const port = await freePort();
  const pool = startPool(t, `http://127.0.0.1:${port}`, { maxConnections: 1, maxQueue: 0 });
  const second = new Attempt();
  const first = new Attempt();
  first.onNoConnection = () => pool.acquire(second);
  pool.acquire(first);
  assert.equal(await second.outcome(), "BACKEND_CONNECT_FAILED");
  assert.deepEqual([second.isConnecting, second.isQueued], [true, false]);
});

test("a backend that comes back is reached on a place that had failed", limit, async (t) => {
  const port = await freePort();
  const pool = startPool(t, `http://127.0.0.1:${port}`, { maxConnections: 1 });
  assert.equal(await send(pool).outcome(), "BACKEND_CONNECT_FAILED");
  await startBackend(t, undefined, { port });
  assert.equal(await send(pool).outcome(), 200);
});

test("a connect that takes too long fails and frees its place", limit, async (t) => {
  const stuck = await startStuckBackend(t);
  const pool = startPool(t, stuck.url, { maxConnections: 1, connectTimeoutMs: 100 });
  assert.equal(await send(pool).outcome(), "BACKEND_CONNECT_TIMEOUT");
  assert.deepEqual(pool.load, { active: 0, idle: 0, queued: 0 });
});

test("an aborted request frees its place, and its connection is not used again", limit, async (t) => {
  const { backend, held } = await startHolding(t);
  const pool = startPool(t, backend.url, { maxConnections: 1 });
  const aborted = send(pool, "/held");
  const queued = send(pool);
  await waitUntil("it is there", () => held.length === 1);
  aborted.connection?.abort();
  assert.equal(await queued.outcome(), 200);
  assert.equal(queued.isReused, false);
  assert.notEqual(backend.requests[1]?.remotePort, backend.requests[0]?.remotePort);
  assert.deepEqual(pool.load, { active: 0, idle: 1, queued: 0 });
  assert.deepEqual(aborted.told, []);
});

test("an answer that fails frees its place, and those that wait are served", limit, async (t) => {
  let count = 0;
  const backend = await startRawBackend(t, (socket) => {
    socket.on("data", () =>
      socket.write(count++ % 2 === 0 ? "nonsense" : "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    );
  });
  const pool = startPool(t, backend.url, { maxConnections: 1, maxQueue: 3 });
  const attempts = Array.from({ length: 4 }, () => send(pool));
  const outcomes = await Promise.all(attempts.map((attempt) => attempt.outcome()));
  assert.deepEqual(outcomes, ["BACKEND_INVALID_ANSWER", 200, "BACKEND_INVALID_ANSWER", 200]);
  assert.deepEqual(pool.load, { active: 0, idle: 1, queued: 0 });
});

test(
  "a connection that was handed over after a 101 is no longer the pool's: its place is free",
  limit,
  async (t) => {
    const backend = await startRawBackend(t, (socket) => {
      socket.once("data", () => socket.write("HTTP/1.1 101 x\r\nUpgrade: a\r\n\r\n"));
    });
    const pool = startPool(t, backend.url, { maxConnections: 1, maxQueue: 0 });
    for (let i = 0; i < 3; i++) {
      const attempt = new Attempt();
      attempt.onConnected = (connection) => {
        connection.start(attempt, "GET", "GET / HTTP/1.1\r\n\r\n", true);
        connection.endRequest(null);
      };
      attempt.onUpgraded = (_, transport) => {
        onTestEnd(t, () => transport.destroy());
        attempt.tell("upgraded");
      };
      pool.acquire(attempt);
      assert.deepEqual(pool.load, { active: 1, idle: 0, queued: 0 });
      await attempt.over();
      assert.deepEqual(pool.load, { active: 0, idle: 0, queued: 0 });
    }
    assert.equal(backend.connections, 3);
  },
);

test(
  "a pool that is destroyed refuses what waits and what comes, and closes what is idle",
  limit,
  async (t) => {
    const { backend, held } = await startHolding(t);
    const pool = startPool(t, backend.url);
    await send(pool).outcome();
    const running = send(pool, "/held");
    const opening = send(pool, "/never");
    const queued = send(pool);
    pool.destroy();
    for (const refused of [opening, queued, send(pool)]) {
      assert.deepEqual(refused.told, ["failed POOL_EXHAUSTED"]);
    }
    await waitUntil("the first is there", () => held.length === 1);
    held[0]?.end();
    assert.equal(await running.outcome(), 200);
    await waitUntil("the last connection is closed", () => backend.connections === 0);
    assert.deepEqual(urls(backend), ["/", "/held"]);
  },
);

// ── addresses that leave ──────────────────────────────────────────────────────────────────────────

/** A backend of a name that is at each of these addresses of loopback, on one port. */
async function startAt(
  t: TestContext,
  hosts: readonly string[],
): Promise<{ pool: ConnectionPool; backends: TestBackend[]; held: ServerResponse[] }> {
  const held: ServerResponse[] = [];
  const port = await freePort();
  const backends = [];
  for (const host of hosts) {
    const listener: RequestListener = (req, res) => {
      if (req.url === "/held") held.push(res);
      else res.end("ok");
    };
    backends.push(await startBackend(t, listener, { port, host }));
  }
  const pool = startPool(t, `http://backend.test:${port}`);
  pool.setAddresses(hosts);
  return { pool, backends, held };
}

test("an idle connection to an address that left is closed at once, the others stay", limit, async (t) => {
  const { pool, backends, held } = await startAt(t, ["127.0.0.2", "127.0.0.3"]);
  const both = [send(pool, "/held"), send(pool, "/held")];
  await waitUntil("both are there", () => held.length === 2);
  for (const res of held) res.end();
  for (const attempt of both) assert.equal(await attempt.outcome(), 200);
  assert.equal(pool.load.idle, 2);
  pool.setAddresses(["127.0.0.3"]);
  assert.equal(pool.load.idle, 1);
  await waitUntil("it is closed", () => backends[0]?.connections === 0);
  assert.equal(backends[1]?.connections, 1);
  const next = send(pool);
  assert.deepEqual([await next.outcome(), next.isReused], [200, true]);
});

test("what runs on an address that left ends there, and its connection with it", limit, async (t) => {
  const { pool, backends, held } = await startAt(t, ["127.0.0.2", "127.0.0.3"]);
  const running = send(pool, "/held");
  await waitUntil("it is there", () => held.length === 1);
  pool.setAddresses(["127.0.0.3"]);
  pool.setAddresses(["127.0.0.3", "127.0.0.4"]); // one more forgets nothing
  held[0]?.end("done");
  assert.equal(await running.outcome(), 200);
  assert.deepEqual(pool.load, { active: 0, idle: 0, queued: 0 });
  assert.equal(await send(pool).outcome(), 200);
  assert.deepEqual(
    backends.map(({ requests }) => requests.length),
    [1, 1],
  );
});

test("an address that comes back keeps the connections that were still busy on it", limit, async (t) => {
  const { pool, held } = await startAt(t, ["127.0.0.2"]);
  const running = send(pool, "/held");
  await waitUntil("it is there", () => held.length === 1);
  pool.setAddresses(["127.0.0.3"]);
  pool.setAddresses(["127.0.0.2", "127.0.0.3"]);
  held[0]?.end();
  assert.equal(await running.outcome(), 200);
  assert.equal(pool.load.idle, 1);
});

test("addresses that only come, or are no longer known, close nothing", limit, async (t) => {
  const { pool } = await startAt(t, ["127.0.0.2"]);
  assert.equal(await send(pool).outcome(), 200);
  for (const addresses of [["127.0.0.2", "127.0.0.3"], ["127.0.0.3", "127.0.0.2"], []]) {
    pool.setAddresses(addresses);
    assert.equal(pool.load.idle, 1);
  }
});

test(
  "one that was connected to before any address was known is judged by the first that are",
  limit,
  async (t) => {
    const backend = await startBackend(t);
    const pool = startPool(t, `http://localhost:${backend.port}`);
    assert.equal(await send(pool).outcome(), 200);
    pool.setAddresses(["127.0.0.1"]);
    assert.equal(pool.load.idle, 1);
    pool.setAddresses([]);
    pool.setAddresses(["127.0.0.2"]);
    assert.equal(pool.load.idle, 0);
  },
);

test(
  "a request that waits goes on, over a new address, when an idle place comes free so",
  limit,
  async (t) => {
    const { pool, held, backends } = await startAt(t, ["127.0.0.2", "127.0.0.3"]);
    pool.setAddresses(["127.0.0.2"]);
    const running = [send(pool, "/held"), send(pool, "/held")];
    await waitUntil("both are there", () => held.length === 2);
    const waiting = send(pool);
    assert.equal(waiting.isQueued, true);
    pool.setAddresses(["127.0.0.3"]);
    held[0]?.end();
    assert.equal(await waiting.outcome(), 200);
    assert.deepEqual([waiting.isReused, backends[1]?.requests.length], [false, 1]);
    held[1]?.end();
    for (const attempt of running) assert.equal(await attempt.outcome(), 200);
  },
);

test("a connection that fails when its request has left is told of all the same", limit, async (t) => {
  let lost = 0;
  const backend = new URL(`http://127.0.0.1:${await freePort()}`);
  const pool = new ConnectionPool(backend, { ...LIMITS, engine: engineOf(t) }, () => lost++);
  onTestEnd(t, () => pool.destroy());
  const waits = send(pool);
  assert.equal(await waits.outcome(), "BACKEND_CONNECT_FAILED");
  assert.equal(lost, 0, "the request tells it itself");
  const left = send(pool);
  pool.leave(left);
  await waitUntil("it has failed", () => pool.isEmpty);
  assert.equal(lost, 1);
});

test(
  "once its backend has left nothing stays open, not for one that takes no used connection either",
  limit,
  async (t) => {
    const { backend, held } = await startHolding(t);
    const pool = startPool(t, backend.url, { keepAliveTimeoutMs: 60_000 });
    const running = [send(pool, "/held"), send(pool, "/held")];
    await waitUntil("both run", () => held.length === 2);
    const fresh = send(pool, "/", true);
    assert.equal(fresh.isQueued, true);
    pool.limits = { ...pool.limits, maxConnections: 3 };
    pool.retire();
    for (const each of held) each.end();
    for (const each of [...running, fresh]) assert.equal(await each.outcome(), 200);
    await waitUntil("nothing is open", () => pool.isEmpty);
  },
);
