/**
 * Exchange: what is tried again, what its time limits say and whose fault it was, over a real pool and a raw backend.
 *
 * The client is a stub of our own interface, and time stands still until a test moves it.
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { ForwardErrorCode } from "../../../../src/core/errors.ts";
import type { Outcome } from "../../../../src/core/outcome.ts";
import type { Backend } from "../../../../src/data-plane/backend/backend.ts";
import { ConnectionPool } from "../../../../src/data-plane/forward/connection-pool.ts";
import { Exchange } from "../../../../src/data-plane/forward/exchange.ts";
import type {
  Ended,
  ForwardContext,
  ForwardLimits,
} from "../../../../src/data-plane/forward/forward-context.ts";
import { forwardedRequest } from "../../../../src/data-plane/forward/headers.ts";
import { RetryBudget } from "../../../../src/data-plane/forward/retry-budget.ts";
import { RetryPolicy } from "../../../../src/data-plane/forward/retry-policy.ts";
import { clientTransport } from "../../../../src/data-plane/sockets/open-transport.ts";
import { startRawBackend } from "../../../support/backend.ts";
import { backendOf } from "../../../support/backend-of.ts";
import { onTestEnd } from "../../../support/cleanup.ts";
import { FakeClient } from "../../../support/fake-client.ts";
import { freePort } from "../../../support/free-port.ts";
import { requestHead } from "../../../support/heads.ts";
import { RawClient } from "../../../support/raw-client.ts";
import { socketPair } from "../../../support/socket-pair.ts";
import { DEFAULT_LIMIT_MS, waitUntil, withLimit } from "../../../support/wait.ts";

const limit = { timeout: 20_000 };
const POOL_LIMITS = {
  maxConnections: 4,
  maxIdleConnections: 4,
  maxQueue: 4,
  connectTimeoutMs: 1_000,
  tlsHandshakeTimeoutMs: 1_000,
  keepAliveTimeoutMs: 60_000,
  maxHeaderBytes: 16_384,
  maxHeaderCount: 100,
  engine: "auto" as const,
};
const LIMITS: ForwardLimits = {
  queueTimeoutMs: 1_000,
  responseTimeoutMs: 2_000,
  upstreamBodyIdleMs: 3_000,
  clientBodyIdleMs: 4_000,
  maxBodyBytes: 1_000,
  minBodyRateBytes: 0,
  minBodyRateGraceMs: 0,
  perTryTimeoutMs: Number.POSITIVE_INFINITY,
};
const BREAKER = {
  window: 100,
  errorRatio: 1,
  minRequests: 100,
  consecutiveFailures: 100,
  openForMs: 1_000,
  halfOpenRequests: 1,
};
const POLICY = {
  via: null,
  ownName: "ours-1",
  hasXForwarded: false,
  hasForwarded: false,
  isTrusted: () => false,
  streamTypes: ["text/event-stream"],
};

interface Scene {
  readonly context: ForwardContext;
  readonly backend: Backend;
  readonly pool: ConnectionPool;
  /** Exchanges that have ended, failures told, and retries. */
  readonly ended: Ended[];
  readonly failures: ForwardErrorCode[];
  readonly retries: (ForwardErrorCode | null)[];
  /** What was said of the backend, one for each attempt. */
  readonly outcomes: Outcome[];
  /** Time passes, and everything that runs is looked at. */
  pass(ms: number): void;
  /** Starts a request. */
  send(start?: string, fields?: readonly string[]): { client: FakeClient; exchange: Exchange };
  /** The connections that the backend has accepted, oldest first. */
  readonly accepted: RawClient[];
  /** Waits for the next request on the connection of that number, and returns its head. */
  request(index: number): Promise<string>;
}

async function startScene(
  t: TestContext,
  { limits = {}, pool: poolLimits = {}, share = 1, attempts = 2, isThere = true } = {} as {
    limits?: Partial<ForwardLimits>;
    pool?: Partial<typeof POOL_LIMITS>;
    share?: number;
    attempts?: number;
    isThere?: boolean;
  },
): Promise<Scene> {
  const accepted: RawClient[] = [];
  const raw = isThere
    ? await startRawBackend(t, (socket) => void accepted.push(new RawClient(socket)), { allowHalfOpen: true })
    : { url: `http://127.0.0.1:${await freePort()}` };
  const backend = backendOf("v1", raw.url, 0, {}, { outlier: null, breaker: BREAKER, slowStartMs: 0 });
  const outcomes = noteOutcomes(backend);
  const pool = new ConnectionPool(new URL(raw.url), { ...POOL_LIMITS, ...poolLimits });
  onTestEnd(t, () => pool.destroy());
  const targets = {
    sticky: null,
    needsLatency: false,
    maxRetries: Number.POSITIVE_INFINITY,
    pickOther: () => null,
    noteLatency: () => {},
  };
  const ended: Ended[] = [];
  const failures: ForwardErrorCode[] = [];
  const retries: (ForwardErrorCode | null)[] = [];
  const context: ForwardContext = {
    pool: () => pool,
    limits: { ...LIMITS, ...limits },
    policy: POLICY,
    retryPolicy: new RetryPolicy(attempts - 1, ["connect-failure", "dead-connection"], true),
    retryBudget: new RetryBudget(share),
    coarse: { nowMs: 1_000_000 },
    load: { inFlight: 0 },
    ending: { isEnding: false },
    onEnd: (exchange) => ended.push(exchange),
    onFailure: (_, code) => failures.push(code),
    onRetry: (_, code) => retries.push(code),
    onUnreachable: () => {},
  };
  return {
    context,
    backend,
    pool,
    ended,
    outcomes,
    failures,
    retries,
    accepted,
    pass: (ms) => {
      context.coarse.nowMs += ms;
      backend.requests.each((each) => each.checkTimeLimits(context.coarse.nowMs));
    },
    send: (start = "GET / HTTP/1.1", fields = []) => {
      const side = {
        address: "10.0.0.1",
        isTrusted: false,
        protocol: "http" as const,
        lastHost: null,
        lastLines: "",
      };
      const head = requestHead(start, ["Host: h", ...fields]);
      const request = forwardedRequest(
        head,
        { target: "/", authority: null, host: "h" },
        side,
        "backend",
        POLICY,
      );
      assert.ok(!("code" in request));
      const client = new FakeClient();
      const exchange = new Exchange(context, client, targets, backend, request, performance.now());
      exchange.start();
      return { client, exchange };
    },
    request: async (index) => {
      const connection = await waitUntil(`connection ${index}`, () => accepted[index]);
      return await connection.readUntil("\r\n\r\n");
    },
  };
}

function noteOutcomes({ standing }: Backend): Outcome[] {
  const outcomes: Outcome[] = [];
  standing.end = (_pass, outcome) => void outcomes.push(outcome);
  return outcomes;
}

async function over({ client }: { client: FakeClient }): Promise<(string | number)[]> {
  const isOver = () => client.ends.some((end) => end === "finished");
  await waitUntil("the exchange is over", isOver, { details: () => `sent: ${client.sent}` });
  return client.ends;
}

/** A piece of the body that came in one read. */
function upload(exchange: Exchange, piece: Buffer): void {
  exchange.onBodyPiece(piece);
  exchange.onBodyReadDone();
}

/** Sends until the backend, paused, takes no more. @returns how many bytes. */
function uploadUntilHeld({ client, exchange }: { client: FakeClient; exchange: Exchange }): number {
  const piece = Buffer.alloc(64 * 1_024);
  let bytes = 0;
  for (; client.isBodyWanted; bytes += piece.length) {
    assert.ok(bytes < 64 * 1_024 * 1_024, "64 MiB were taken");
    upload(exchange, piece);
  }
  return bytes;
}

const EMPTY = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/** One request has been answered: its connection is idle. */
async function withIdleConnection(scene: Scene): Promise<RawClient> {
  const first = scene.send();
  await scene.request(0);
  const [connection] = scene.accepted;
  assert.ok(connection);
  connection.send(EMPTY);
  await over(first);
  assert.equal(scene.pool.load.idle, 1);
  return connection;
}

test("a request is answered, counted while it runs, and ended once", limit, async (t) => {
  const scene = await startScene(t);
  const { client, exchange } = scene.send();
  assert.deepEqual([scene.context.load.inFlight, scene.backend.requests.size], [1, 1]);
  assert.equal(await scene.request(0), "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  scene.accepted[0]?.send(
    "HTTP/1.1 201 Made\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nT: 1\r\nHost: x\r\n\r\n",
  );
  assert.deepEqual(await over({ client }), ["finished"]);
  assert.equal(client.sent, "[chunked]HTTP/1.1 201 Made ab.T: 1\r\n");
  assert.deepEqual([scene.ended, exchange.status], [[exchange], 201]);
  assert.deepEqual([scene.context.load.inFlight, scene.backend.requests.size], [0, 0]);
  exchange.onClientGone();
  scene.pass(1_000_000);
  assert.deepEqual([scene.ended.length, scene.failures], [1, []]);
});

for (const [minorVersion, bytes, sent] of [
  [1, "HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\nab", "[length]HTTP/1.1 200 x ab."],
  [1, "HTTP/1.1 200 x\r\n\r\nab", "[chunked]HTTP/1.1 200 x ab."],
  [0, "HTTP/1.1 200 x\r\n\r\nab", "[close]HTTP/1.1 200 x ab."],
  [
    0,
    "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    "[close]HTTP/1.1 200 x ab.",
  ],
  [1, "HTTP/1.1 204 x\r\n\r\n", "[none]HTTP/1.1 204 x ."],
  [1, "HTTP/1.1 205 x\r\nContent-Length: 2\r\n\r\nab", "[length]HTTP/1.1 205 x ."],
  [1, "HTTP/1.1 205 x\r\n\r\nab", "[none]HTTP/1.1 205 x ."],
  [1, "HTTP/1.1 103 y\r\n\r\nHTTP/1.1 204 x\r\n\r\n", "HTTP/1.1 103 y\r\n[none]HTTP/1.1 204 x ."],
  [0, "HTTP/1.1 103 y\r\n\r\nHTTP/1.1 204 x\r\n\r\n", "[none]HTTP/1.1 204 x ."],
] as const) {
  test(
    `${JSON.stringify(bytes)} goes to HTTP/1.${minorVersion} as ${JSON.stringify(sent)}`,
    limit,
    async (t) => {
      const scene = await startScene(t);
      const { client } = scene.send(`GET / HTTP/1.${minorVersion}`);
      await scene.request(0);
      scene.accepted[0]?.send(bytes).end();
      await over({ client });
      assert.equal(client.sent, sent);
    },
  );
}

// ── what is tried again ───────────────────────────────────────────────────────────────────────────

for (const method of ["GET", "HEAD", "OPTIONS", "TRACE"]) {
  test(
    `${method} on a reused connection that turns out to be dead is sent again, on a fresh one`,
    limit,
    async (t) => {
      const scene = await startScene(t);
      const dead = await withIdleConnection(scene);
      const { client } = scene.send(`${method} / HTTP/1.1`);
      await scene.request(0);
      dead.reset();
      await scene.request(1);
      scene.accepted[1]?.send(EMPTY);
      assert.deepEqual(await over({ client }), ["finished"]);
      assert.deepEqual([scene.retries, scene.failures], [["BACKEND_CLOSED"], []]);
    },
  );
}

for (const [what, start, fields] of [
  ["an unsafe method", "DELETE / HTTP/1.1", []],
  ["a POST without a body", "POST / HTTP/1.1", ["Content-Length: 0"]],
  ["a method that nobody knows", "get / HTTP/1.1", []],
  ["a body", "GET / HTTP/1.1", ["Content-Length: 1"]],
] as const) {
  test(`a request with ${what} is never sent again once it was sent`, limit, async (t) => {
    const scene = await startScene(t);
    const dead = await withIdleConnection(scene);
    const { client } = scene.send(start, fields);
    await scene.request(0);
    dead.reset();
    assert.deepEqual(await over({ client }), [502, "finished"]);
    assert.deepEqual([scene.retries, scene.failures], [[], ["BACKEND_CLOSED"]]);
    assert.equal(scene.accepted.length, 1);
  });
}

for (const [what, bytes] of [
  ["an interim answer", "HTTP/1.1 103 x\r\n\r\n"],
  ["the first byte of the answer", "H"],
  ["most of a head", EMPTY.slice(0, -1)],
] as const) {
  test(`after ${what} the request has been processed: it is not sent again`, limit, async (t) => {
    const scene = await startScene(t);
    const reused = await withIdleConnection(scene);
    const { client } = scene.send();
    await scene.request(0);
    reused.send(bytes).end();
    assert.deepEqual(await over({ client }), [502, "finished"]);
    assert.deepEqual([scene.retries, scene.failures], [[], ["BACKEND_CLOSED"]]);
    assert.equal(scene.accepted.length, 1);
  });
}

test(
  "a fresh connection that breaks is no idle one that died: the request is not sent again",
  limit,
  async (t) => {
    const scene = await startScene(t);
    const { client } = scene.send();
    await scene.request(0);
    scene.accepted[0]?.reset();
    assert.deepEqual(await over({ client }), [502, "finished"]);
    assert.equal(scene.accepted.length, 1);
  },
);

test("a connect that fails is tried again for any method, as often as allowed", limit, async (t) => {
  for (const [retries, expected] of [
    [0, 0],
    [1, 1],
    [3, 3],
  ] as const) {
    const scene = await startScene(t, { attempts: 1 + retries, isThere: false });
    const { client } = scene.send("POST / HTTP/1.1", ["Content-Length: 5"]);
    assert.deepEqual(await over({ client }), [502, "finished"]);
    assert.equal(scene.retries.length, expected);
    assert.deepEqual(scene.failures, ["BACKEND_CONNECT_FAILED"]);
  }
});

test("past the retry budget nothing is tried again", limit, async (t) => {
  const scene = await startScene(t, { isThere: false, share: 0 });
  assert.deepEqual(await over(scene.send()), [502, "finished"]);
  assert.deepEqual(scene.retries, []);
});

// ── what is said of the backend ───────────────────────────────────────────────────────────────────

for (const [bytes, outcome] of [
  ["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "good"],
  ["HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n", "good"],
  ["HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n", "failed"],
  ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", "failed"],
  ["nonsense\r\n\r\n", "failed"],
] as const) {
  test(`${JSON.stringify(bytes)}, and then the end, is said to be ${outcome}, once`, limit, async (t) => {
    const scene = await startScene(t);
    const sent = scene.send();
    await scene.request(0);
    scene.accepted[0]?.send(bytes).end();
    await over(sent);
    assert.deepEqual(scene.outcomes, [outcome]);
  });
}

test("each attempt is said by itself", limit, async (t) => {
  const scene = await startScene(t, { attempts: 3, isThere: false });
  await over(scene.send());
  assert.deepEqual(scene.outcomes, ["failed", "failed", "failed"]);
});

test("an idle connection that closed just as it was used is no failure of the backend", limit, async (t) => {
  const scene = await startScene(t);
  const dead = await withIdleConnection(scene);
  const sent = scene.send();
  await scene.request(0);
  dead.reset();
  await scene.request(1);
  scene.accepted[1]?.send(EMPTY);
  await over(sent);
  assert.deepEqual(scene.outcomes, ["good", "none", "good"]);
});

test(
  "an answer that does not come in time is a failure; one that the client does not wait for says nothing",
  limit,
  async (t) => {
    const scene = await startScene(t);
    const late = scene.send();
    await scene.request(0);
    scene.pass(2_001);
    await over(late);
    const left = scene.send();
    await scene.request(1);
    left.exchange.onClientGone();
    assert.deepEqual(scene.outcomes, ["failed", "none"]);
  },
);

test("what the proxy refuses or ends says nothing of the backend", limit, async (t) => {
  const scene = await startScene(t, { pool: { maxConnections: 1, maxQueue: 0 } });
  const cut = scene.send();
  await scene.request(0);
  await over(scene.send("POST / HTTP/1.1", ["Content-Length: 1001"]));
  await over(scene.send());
  cut.exchange.cutForDrain();
  await over(cut);
  assert.deepEqual(scene.failures, ["BODY_TOO_LARGE", "POOL_EXHAUSTED", "DRAIN_DEADLINE"]);
  assert.deepEqual(scene.outcomes, ["none", "none", "none"]);
});

// ── answers that fail ─────────────────────────────────────────────────────────────────────────────

test(
  "an answer that fails in the read of its head is taken back: the client gets an error instead",
  limit,
  async (t) => {
    const scene = await startScene(t);
    const { client, exchange } = scene.send();
    await scene.request(0);
    scene.accepted[0]?.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense");
    assert.deepEqual(await over({ client }), [502, "finished"]);
    assert.deepEqual([scene.failures, exchange.status], [["BACKEND_INVALID_ANSWER"], 502]);
  },
);

test("an answer that fails later is broken off, and recorded as failed", limit, async (t) => {
  const scene = await startScene(t);
  const { client, exchange } = scene.send();
  await scene.request(0);
  scene.accepted[0]?.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhalf");
  await waitUntil("the half has gone on", () => client.sent.endsWith("half") && !client.canRetract);
  scene.accepted[0]?.end();
  assert.deepEqual(await over({ client }), ["broken", "finished"]);
  assert.deepEqual([scene.failures, exchange.status], [["BACKEND_CLOSED"], 502]);
});

test(
  "a client that leaves ends the backend's request, whatever it is at, and counts as 499",
  limit,
  async (t) => {
    for (const bytes of [
      "",
      "HTTP/1.1 103 x\r\n\r\nHTTP/1.1 200",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhalf",
    ]) {
      const scene = await startScene(t);
      const { client, exchange } = scene.send();
      await scene.request(0);
      const [connection] = scene.accepted;
      assert.ok(connection);
      connection.send(bytes);
      if (bytes.includes(" 103 ")) await waitUntil("it is told", () => client.sent.includes(" 103 "));
      if (bytes.endsWith("half")) await waitUntil("it has begun", () => client.sent.endsWith("half"));
      exchange.onClientGone();
      await connection.waitClosed();
      assert.deepEqual([scene.failures, exchange.status, scene.ended.length], [["CLIENT_ABORTED"], 499, 1]);
      assert.deepEqual(scene.pool.load, { active: 0, idle: 0, queued: 0 });
    }
  },
);

test(
  "a body past its limit is refused, announced or not, and never reaches the backend whole",
  limit,
  async (t) => {
    const scene = await startScene(t);
    const announced = scene.send("POST / HTTP/1.1", ["Content-Length: 1001"]);
    assert.deepEqual(await over(announced), [413, "finished"]);
    assert.equal(scene.accepted.length, 0);
    const { client, exchange } = scene.send("POST / HTTP/1.1", ["Transfer-Encoding: chunked"]);
    await scene.request(0);
    assert.equal(client.isBodyWanted, true);
    upload(exchange, Buffer.alloc(1_000));
    assert.deepEqual(client.ends, []);
    upload(exchange, Buffer.alloc(1));
    assert.deepEqual(client.ends, [413, "finished"]);
    await scene.accepted[0]?.waitClosed();
    assert.deepEqual(scene.failures, ["BODY_TOO_LARGE", "BODY_TOO_LARGE"]);
  },
);

// ── time ──────────────────────────────────────────────────────────────────────────────────────────

test("a request that waits too long for a connection gets 503, and leaves the queue", limit, async (t) => {
  const scene = await startScene(t, { pool: { maxConnections: 1 } });
  scene.send();
  await scene.request(0);
  const queued = scene.send();
  scene.pass(1_000);
  assert.deepEqual(queued.client.ends, []);
  scene.pass(1);
  assert.deepEqual(await over(queued), [503, "finished"]);
  assert.deepEqual([scene.failures, scene.pool.load.queued], [["POOL_EXHAUSTED"], 0]);
});

test(
  "an answer that does not begin in time gets 504; an interim answer is a sign of life",
  limit,
  async (t) => {
    const scene = await startScene(t);
    const { client } = scene.send();
    await scene.request(0);
    scene.pass(2_000);
    scene.accepted[0]?.send("HTTP/1.1 102 x\r\n\r\n");
    await waitUntil("it is told", () => client.sent.includes("102"));
    scene.pass(2_000);
    assert.deepEqual(client.ends, []);
    scene.pass(1);
    assert.deepEqual(await over({ client }), [504, "finished"]);
    assert.deepEqual(scene.failures, ["BACKEND_RESPONSE_TIMEOUT"]);
    await scene.accepted[0]?.waitClosed();
  },
);

test("an answer that falls silent is cut; one of a stream type may be silent for ever", limit, async (t) => {
  for (const [type, ends] of [
    ["text/plain", ["broken", "finished"]],
    ["text/event-stream;x", []],
  ] as const) {
    const scene = await startScene(t);
    const { client } = scene.send();
    await scene.request(0);
    scene.accepted[0]?.send(`HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nContent-Length: 9\r\n\r\na`);
    await waitUntil("it has begun", () => client.sent.endsWith("a") && !client.canRetract);
    scene.pass(3_000);
    assert.deepEqual(client.ends, []);
    scene.pass(1);
    assert.deepEqual(client.ends, ends);
  }
});

test(
  "a client that reads no more holds the backend, and is given up in time; that is not the backend's fault",
  limit,
  async (t) => {
    const scene = await startScene(t);
    const { client, exchange } = scene.send();
    client.isReading = false;
    await scene.request(0);
    scene.accepted[0]?.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na");
    await waitUntil("it has begun", () => client.sent.endsWith("a") && !client.canRetract);
    scene.pass(4_000); // longer than the backend may be silent
    assert.deepEqual(client.ends, []);
    scene.pass(1);
    assert.deepEqual(client.ends, ["closed", "finished"]);
    assert.deepEqual([scene.failures, exchange.status], [["CLIENT_ABORTED"], 499]);
    await scene.accepted[0]?.waitClosed();
  },
);

test(
  "an upload that stops coming gets 408; while the backend holds it, it is the backend that is slow",
  limit,
  async (t) => {
    const scene = await startScene(t);
    const { client, exchange } = scene.send("POST / HTTP/1.1", ["Content-Length: 9"]);
    await scene.request(0);
    upload(exchange, Buffer.from("a"));
    scene.pass(4_000);
    assert.deepEqual(client.ends, []);
    scene.pass(1);
    assert.deepEqual(await over({ client }), [408, "finished"]);
    const limits = { maxBodyBytes: Number.POSITIVE_INFINITY };
    const holding = await startScene(t, { limits });
    const held = holding.send("POST / HTTP/1.1", ["Content-Length: 99999999"]);
    await holding.request(0);
    holding.accepted[0]?.pause();
    uploadUntilHeld(held);
    holding.pass(2_001);
    assert.deepEqual(await over(held), [504, "finished"]);
    assert.deepEqual(holding.failures, ["BACKEND_RESPONSE_TIMEOUT"]);
  },
);

test("an upload slower than its least rate gets 408, after the grace", limit, async (t) => {
  const limits = { minBodyRateBytes: 100, minBodyRateGraceMs: 1_000, clientBodyIdleMs: 60_000 };
  const scene = await startScene(t, { limits });
  const { client, exchange } = scene.send("POST / HTTP/1.1", ["Content-Length: 999"]);
  await scene.request(0);
  scene.pass(1_000);
  assert.deepEqual(client.ends, []);
  upload(exchange, Buffer.alloc(150));
  scene.pass(500);
  assert.deepEqual(client.ends, []);
  scene.pass(1);
  assert.deepEqual(await over({ client }), [408, "finished"]);
});

test("while the backend holds an upload back its client is not slow", limit, async (t) => {
  const limits = {
    minBodyRateBytes: 100,
    minBodyRateGraceMs: 100,
    responseTimeoutMs: Number.POSITIVE_INFINITY,
    clientBodyIdleMs: Number.POSITIVE_INFINITY,
    maxBodyBytes: Number.POSITIVE_INFINITY,
  };
  const scene = await startScene(t, { limits });
  const { client, exchange } = scene.send("POST / HTTP/1.1", ["Content-Length: 99999999"]);
  await scene.request(0);
  scene.accepted[0]?.pause();
  const bytes = uploadUntilHeld({ client, exchange });
  const enoughForMs = (bytes / limits.minBodyRateBytes) * 1_000;
  scene.pass(50_000);
  scene.accepted[0]?.resume();
  await waitUntil("it takes more", () => client.isBodyWanted);
  scene.pass(enoughForMs);
  assert.deepEqual(client.ends, []);
  scene.pass(1);
  assert.deepEqual(await over({ client }), [408, "finished"]);
});

test(
  "a client that waits to be told to send its body is not slow: until then it is the backend's time",
  limit,
  async (t) => {
    const limits = {
      minBodyRateBytes: 100,
      minBodyRateGraceMs: 100,
      clientBodyIdleMs: 500,
      responseTimeoutMs: 2_000,
    };
    const scene = await startScene(t, { limits });
    const fields = ["Content-Length: 100", "Expect: 100-continue"];
    const waiting = scene.send("POST / HTTP/1.1", fields);
    await scene.request(0);
    scene.pass(2_000);
    assert.deepEqual(waiting.client.ends, []);
    scene.pass(1);
    assert.deepEqual(await over(waiting), [504, "finished"]);
    assert.deepEqual(scene.failures, ["BACKEND_RESPONSE_TIMEOUT"]);
    const told = scene.send("POST / HTTP/1.1", fields);
    await scene.request(1);
    scene.pass(1_900);
    scene.accepted[1]?.send("HTTP/1.1 100 Continue\r\n\r\n");
    await waitUntil("it is told", () => told.client.sent.includes(" 100 "));
    scene.pass(100); // its own time begins now
    assert.deepEqual(told.client.ends, []);
    upload(told.exchange, Buffer.alloc(20));
    scene.pass(100);
    assert.deepEqual(told.client.ends, []);
    scene.pass(1);
    assert.deepEqual(await over(told), [408, "finished"]);
  },
);

test(
  "a client that does not wait to be told is as slow as any other, from its first byte on",
  limit,
  async (t) => {
    const limits = { minBodyRateBytes: 100, minBodyRateGraceMs: 100, clientBodyIdleMs: 500 };
    const scene = await startScene(t, { limits });
    const { client, exchange } = scene.send("POST / HTTP/1.1", [
      "Content-Length: 100",
      "Expect: 100-continue",
    ]);
    await scene.request(0);
    scene.pass(1_000);
    upload(exchange, Buffer.alloc(20));
    scene.pass(200);
    assert.deepEqual(client.ends, []);
    scene.pass(1);
    assert.deepEqual(await over({ client }), [408, "finished"]);
  },
);

test(
  "an early answer that ends the backend's connection ends the request; one that does not lets the upload go on",
  limit,
  async (t) => {
    const scene = await startScene(t);
    const closing = scene.send("POST / HTTP/1.1", ["Content-Length: 9"]);
    await scene.request(0);
    scene.accepted[0]?.send("HTTP/1.1 413 x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    assert.deepEqual(await over(closing), ["finished"]);
    upload(closing.exchange, Buffer.from("late")); // and harmless
    const open = scene.send("POST / HTTP/1.1", ["Content-Length: 2"]);
    await scene.request(1);
    scene.accepted[1]?.send("HTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\n");
    await waitUntil("it is answered", () => open.client.sent.endsWith("."));
    assert.deepEqual(open.client.ends, []);
    upload(open.exchange, Buffer.from("ab"));
    open.exchange.onBodyEnd("");
    assert.equal(await scene.accepted[1]?.readUntil("ab"), "ab");
    assert.deepEqual(open.client.ends, ["finished"]);
    assert.deepEqual([scene.pool.load.idle, scene.failures], [1, []]);
  },
);

test(
  "a drain cuts what is not answered with 504, and breaks off what is; what is whole may leave",
  limit,
  async (t) => {
    const scene = await startScene(t);
    const [waiting, begun, whole] = [scene.send(), scene.send(), scene.send()];
    whole.client.isReading = false;
    for (const index of [0, 1, 2]) await scene.request(index);
    scene.accepted[1]?.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na");
    scene.accepted[2]?.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb");
    await waitUntil(
      "both have begun",
      () => begun.client.sent.endsWith("a") && whole.client.sent.endsWith("b."),
    );
    scene.backend.requests.each((each) => each.cutForDrain());
    assert.deepEqual(waiting.client.ends, [504, "finished"]);
    assert.deepEqual(begun.client.ends, ["broken", "finished"]);
    assert.deepEqual(whole.client.ends, []);
    whole.client.isReading = true;
    whole.exchange.onClientDrained();
    assert.deepEqual(whole.client.ends, ["finished"]);
    assert.deepEqual(scene.failures, ["DRAIN_DEADLINE", "DRAIN_DEADLINE"]);
  },
);

// ── streams of events ─────────────────────────────────────────────────────────────────────────────

const EVENTS = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const BEGUN = "[chunked]HTTP/1.1 200 OK ";

function chunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`;
}

/** As the drain does it. */
function endStreams({ backend }: Scene): void {
  for (const stream of backend.streams) stream.endForDrain();
}

/** A request whose answer, a stream of events, has come this far. */
async function startEvents(scene: Scene, sent: string, start?: string) {
  const { client, exchange } = scene.send(start);
  const index = scene.backend.requests.size - 1;
  await scene.request(index);
  const connection = scene.accepted[index];
  assert.ok(connection);
  connection.send(EVENTS + (sent === "" ? "" : chunk(sent)));
  await waitUntil("it has come", () => client.sent === BEGUN + sent, { details: () => client.sent });
  return { client, exchange, connection };
}

for (const sent of ["", "data: 1\n\n", "data: 1\r\n\r\n", "data: 1\n\ndata: 2\n\n", ": ping\n\n"]) {
  test(
    `a stream of events that stands behind ${JSON.stringify(sent)} ends at its turn, whole`,
    limit,
    async (t) => {
      const scene = await startScene(t);
      const { client, exchange, connection } = await startEvents(scene, sent);
      assert.equal(scene.backend.streams.size, 1);
      endStreams(scene);
      assert.deepEqual(client.ends, ["finished"]);
      assert.equal(client.sent, `${BEGUN + sent}.`);
      assert.deepEqual([exchange.status, scene.failures, scene.ended], [200, [], [exchange]]);
      assert.deepEqual([scene.backend.streams.size, scene.backend.requests.size], [0, 0]);
      await connection.waitClosed();
      assert.deepEqual(scene.pool.load, { active: 0, idle: 0, queued: 0 });
    },
  );
}

for (const end of ["\n\n", "\r\n\r\n", "\n\r\n"]) {
  test(
    `a stream within an event ends behind it (${JSON.stringify(end)}), and the rest is dropped`,
    limit,
    async (t) => {
      const event = `id: 7\ndata: seven${end}`;
      for (let cut = 1; cut < event.length; cut++) {
        const scene = await startScene(t);
        const { client, connection } = await startEvents(scene, event.slice(0, cut));
        endStreams(scene);
        assert.deepEqual(client.ends, []);
        connection.send(chunk(`${event.slice(cut)}data: eight${end}`));
        assert.deepEqual(await over({ client }), ["finished"]);
        assert.equal(client.sent, `${BEGUN + event}.`, `cut at ${cut}`);
        await connection.waitClosed();
        assert.deepEqual(scene.failures, []);
      }
    },
  );
}

test(
  "an event that ends with two CR ends the stream when no LF has come by the next look",
  limit,
  async (t) => {
    const scene = await startScene(t);
    const { client } = await startEvents(scene, "data: 1\r\r");
    endStreams(scene);
    assert.deepEqual(client.ends, []);
    endStreams(scene);
    assert.deepEqual(client.ends, ["finished"]);
    assert.equal(client.sent, `${BEGUN}data: 1\r\r.`);
  },
);

test(
  "a stream that was asked to end within an event goes on when the drain is called off",
  limit,
  async (t) => {
    const scene = await startScene(t);
    const { client, connection } = await startEvents(scene, "data: 1");
    endStreams(scene);
    for (const stream of scene.backend.streams) stream.keep();
    connection.send(chunk("\n\ndata: 2\n\n"));
    await waitUntil("both events have come", () => client.sent.endsWith("2\n\n"));
    assert.deepEqual(client.ends, []);
    endStreams(scene); // in the next drain
    assert.deepEqual(client.ends, ["finished"]);
  },
);

test("a stream that is still within an event at the deadline is broken off", limit, async (t) => {
  const scene = await startScene(t);
  const { client } = await startEvents(scene, "data: 1");
  endStreams(scene);
  scene.backend.requests.each((each) => each.cutForDrain());
  assert.deepEqual(client.ends, ["broken", "finished"]);
  assert.deepEqual([scene.failures, scene.backend.streams.size], [["DRAIN_DEADLINE"], 0]);
});

test("a stream whose client reads nothing ends once that has taken what came", limit, async (t) => {
  const scene = await startScene(t);
  const { client, exchange, connection } = await startEvents(scene, "data: 1\n\n");
  client.isReading = false;
  connection.send(chunk("data: 2\n\n"));
  await waitUntil("it has come", () => client.sent.endsWith("2\n\n"));
  endStreams(scene);
  assert.deepEqual(client.ends, []);
  assert.equal(scene.backend.streams.size, 0);
  client.isReading = true;
  exchange.onClientDrained();
  assert.deepEqual(client.ends, ["finished"]);
});

test("a stream that ends or fails by itself is one no more", limit, async (t) => {
  const scene = await startScene(t);
  const whole = await startEvents(scene, "data: 1\n\n");
  const failing = await startEvents(scene, "data: 1\n\n");
  const leaving = await startEvents(scene, "data: 1\n\n");
  assert.equal(scene.backend.streams.size, 3);
  whole.connection.send("0\r\n\r\n");
  assert.deepEqual(await over(whole), ["finished"]);
  assert.equal(scene.backend.streams.size, 2);
  failing.connection.reset();
  assert.deepEqual(await over(failing), ["broken", "finished"]);
  leaving.exchange.onClientGone();
  assert.equal(scene.backend.streams.size, 0);
});

test(
  "only what EventSource can ask for again ends between events: other methods and codings run on",
  limit,
  async (t) => {
    const scene = await startScene(t);
    const posted = await startEvents(scene, "data: 1\n\n", "POST / HTTP/1.1");
    assert.equal(scene.backend.streams.size, 0);
    endStreams(scene);
    assert.deepEqual(posted.client.ends, []);
    const { client } = scene.send();
    await scene.request(1);
    scene.accepted[1]?.send(EVENTS.replace("Transfer", "Content-Encoding: gzip\r\nTransfer") + chunk("x"));
    await waitUntil("it has come", () => client.sent.endsWith("x"));
    assert.equal(scene.backend.streams.size, 0);
  },
);

// ── upgrades ──────────────────────────────────────────────────────────────────────────────────────

test("a 101 makes a tunnel of both connections, with the first bytes of both sides", limit, async (t) => {
  const scene = await startScene(t);
  const [ours, theirs] = await socketPair(t);
  const { client, exchange } = scene.send("GET / HTTP/1.1", ["Connection: Upgrade", "Upgrade: a"]);
  client.detached = clientTransport(ours);
  await scene.request(0);
  const [backend] = scene.accepted;
  assert.ok(backend);
  backend.send("HTTP/1.1 101 x\r\nUpgrade: a\r\n\r\nfirst");
  assert.equal(await new RawClient(theirs).readUntil("first"), "first");
  assert.equal(await backend.readUntil("early"), "early");
  assert.equal(client.sent, "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: a\r\n");
  assert.deepEqual([scene.ended, exchange.status], [[exchange], 101]);
  assert.deepEqual([scene.backend.requests.size, scene.backend.tunnels.size], [0, 1]);
  theirs.end();
  await withLimit(backend.closed, DEFAULT_LIMIT_MS, "the backend's side to end");
  backend.end();
  await waitUntil("the tunnel is gone", () => scene.backend.tunnels.size === 0);
});
