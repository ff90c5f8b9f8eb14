/** What a request that failed at one backend of a pool does at another: when, how often, and what everybody is told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BackendSnapshot } from "../../../../src/config/snapshot.ts";
import type { RetryCondition } from "../../../../src/core/retry-conditions.ts";
import type { RawClient } from "../../../support/raw-client.ts";
import { waitUntil } from "../../../support/wait.ts";
import { over, type RetryScene, startRetryScene } from "./retry-scene.ts";

const limit = { timeout: 20_000 };
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const BUSY = "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy";
const GET = "GET / HTTP/1.1";
const SAFE = ["GET", "HEAD", "OPTIONS", "TRACE"];
const IDEMPOTENT = [...SAFE, "PUT", "DELETE"];
const UNSAFE = ["POST", "PATCH", "get", "FROBNICATE"];
const ALL = [...IDEMPOTENT, ...UNSAFE];
const LENGTH = "Content-Length: 3";

/** The first backend has an idle connection. */
async function withIdleConnection(scene: RetryScene): Promise<RawClient> {
  const first = scene.send();
  await scene.head(0);
  const connection = await scene.connection(0);
  connection.send(OK);
  await over(first);
  return connection;
}

async function answered(scene: RetryScene, by: number): Promise<void> {
  await scene.head(by);
  (await scene.connection(by)).send(OK);
}

// ── where to, and with what ───────────────────────────────────────────────────────────────────────

test(
  "a connect that fails moves any request to another backend, a body too, at no cost",
  limit,
  async (t) => {
    for (const method of ALL) {
      const scene = await startRetryScene(t, { gone: [0], share: 0.001 });
      while (scene.context.retryBudget.take(0)); // nothing is left of the budget
      const { client, exchange } = scene.send(`${method} / HTTP/1.1`, [LENGTH]);
      await scene.head(1);
      assert.equal(client.isBodyWanted, true);
      exchange.onBodyPiece(Buffer.from("abc"));
      exchange.onBodyEnd("");
      assert.equal(await scene.accepted[1]?.[0]?.readUntil("abc"), "abc");
      scene.accepted[1]?.[0]?.send("HTTP/1.1 204 x\r\n\r\n");
      assert.deepEqual(await over({ client }), ["finished"]);
      assert.deepEqual([scene.retried, scene.failures], [[[0, "BACKEND_CONNECT_FAILED"]], []]);
      assert.deepEqual([exchange.backend, exchange.status], [scene.pool.backends[1], 204]);
      assert.deepEqual(scene.load(), [
        [0, 0],
        [0, 0],
      ]);
    }
  },
);

test("nothing of a body is read before a backend has been reached", limit, async (t) => {
  const scene = await startRetryScene(t, { gone: [0] });
  const { client, exchange } = scene.send("POST / HTTP/1.1", [LENGTH]);
  await waitUntil("it moves", () => {
    if (scene.retried.length === 0) assert.equal(client.isBodyWanted, false);
    return scene.retried.length === 1;
  });
  await scene.head(1);
  assert.equal(client.isBodyWanted, true);
  exchange.onClientGone();
});

test("each attempt goes to a backend that was not tried, while there is one", limit, async (t) => {
  const scene = await startRetryScene(t, {
    backends: 4,
    retries: 3,
    gone: [0, 2],
    retryOn: ["connect-failure", 503],
  });
  const { client } = scene.send();
  await scene.head(1);
  scene.accepted[1]?.[0]?.send(BUSY);
  await answered(scene, 3);
  await over({ client });
  assert.deepEqual(scene.retried, [
    [0, "BACKEND_CONNECT_FAILED"],
    [1, null],
    [2, "BACKEND_CONNECT_FAILED"],
  ]);
  assert.equal(client.sent, "[length]HTTP/1.1 200 OK ok.");
});

test(
  "when all were tried, one that lives is asked again, and not the last one that does not",
  limit,
  async (t) => {
    const scene = await startRetryScene(t, { retries: 2, gone: [1], retryOn: ["connect-failure", "closed"] });
    const { client } = scene.send();
    await scene.head(0);
    scene.accepted[0]?.[0]?.end();
    await scene.head(0, 1);
    scene.accepted[0]?.[1]?.send(OK);
    await over({ client });
    assert.deepEqual(scene.retried, [
      [0, "BACKEND_CLOSED"],
      [1, "BACKEND_CONNECT_FAILED"],
    ]);
  },
);

test(
  "no more attempts are made than retries allow; the failure of the last is what is answered",
  limit,
  async (t) => {
    const scene = await startRetryScene(t, { backends: 3, gone: [0, 1] });
    const { client } = scene.send("POST / HTTP/1.1");
    assert.deepEqual(await over({ client }), [502, "finished"]);
    assert.deepEqual(scene.retried, [[0, "BACKEND_CONNECT_FAILED"]]);
    assert.deepEqual(scene.failures, [[1, "BACKEND_CONNECT_FAILED"]]);
    const none = await startRetryScene(t, { gone: [0], retries: 0 });
    assert.deepEqual(await over(none.send()), [502, "finished"]);
    const off = await startRetryScene(t, { gone: [0], share: 0 });
    assert.deepEqual(await over(off.send()), [502, "finished"]);
  },
);

test(
  "the first attempt goes as it came; the others say their number, and name their own backend as host where the client named none",
  limit,
  async (t) => {
    const setting = { backends: 3, retries: 2, retryOn: ["closed"] as const };
    const scene = await startRetryScene(t, setting);
    const hosts = scene.pool.backends.map(({ authority }) => authority);
    const { client } = scene.send("GET / HTTP/1.0", ["X-Attempt-Count: 7", "X-A: 1"], null);
    assert.equal(await scene.head(0), `GET / HTTP/1.1\r\nHost: ${hosts[0]}\r\nX-A: 1\r\n\r\n`);
    scene.accepted[0]?.[0]?.end();
    const head = await scene.head(1);
    assert.equal(head, `GET / HTTP/1.1\r\nHost: ${hosts[1]}\r\nX-A: 1\r\nX-Attempt-Count: 2\r\n\r\n`);
    scene.accepted[1]?.[0]?.end();
    assert.match(await scene.head(2), new RegExp(`Host: ${hosts[2]}\r\n.*X-Attempt-Count: 3\r\n\r\n$`, "s"));
    scene.accepted[2]?.[0]?.send(OK);
    await over({ client });
    const quiet = await startRetryScene(t, { ...setting, hasAttemptCount: false });
    const second = quiet.send(GET, ["x-attempt-count: 7"]);
    const first = await quiet.head(0);
    assert.equal(first, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    quiet.accepted[0]?.[0]?.end();
    assert.equal(await quiet.head(1), first);
    second.exchange.onClientGone();
  },
);

// ── what is sent again ────────────────────────────────────────────────────────────────────────────

/** Makes an attempt fail that was sent to the first backend. */
const FAILURES: Record<
  string,
  { readonly on: RetryCondition; fail(scene: RetryScene, at: RawClient): void }
> = {
  "a connection that closes": { on: "closed", fail: (_, at) => void at.end() },
  "a connection that is reset": { on: "closed", fail: (_, at) => at.reset() },
  "no answer within the time of one attempt": { on: "response-timeout", fail: (scene) => scene.pass(501) },
  "an answer that is not HTTP": { on: "invalid-answer", fail: (_, at) => void at.send("nonsense\r\n\r\n") },
  "a status of the list": { on: 503, fail: (_, at) => void at.send(BUSY) },
  "any status above 499": {
    on: "5xx",
    fail: (_, at) => void at.send("HTTP/1.1 599 x\r\nContent-Length: 0\r\n\r\n"),
  },
};

for (const [what, { on, fail }] of Object.entries(FAILURES)) {
  const setting = { retryOn: [on], perTryTimeoutMs: 500 };
  test(`${what}: what is idempotent and has no body is sent to another backend`, limit, async (t) => {
    for (const method of IDEMPOTENT) {
      const scene = await startRetryScene(t, setting);
      const { client, exchange } = scene.send(`${method} / HTTP/1.1`);
      await scene.head(0);
      fail(scene, await scene.connection(0));
      await scene.head(1);
      scene.accepted[1]?.[0]?.send("HTTP/1.1 204 x\r\n\r\n");
      assert.deepEqual(await over({ client }), ["finished"]);
      assert.deepEqual([client.sent, exchange.status], ["[none]HTTP/1.1 204 x .", 204]);
      assert.deepEqual([scene.retried.length, scene.failures], [1, []]);
    }
  });

  test(`${what}: nothing else is ever sent twice`, limit, async (t) => {
    const others: [string, string[]][] = [
      ...UNSAFE.map((method): [string, string[]] => [`${method} / HTTP/1.1`, []]),
      ["POST / HTTP/1.1", ["Content-Length: 0"]],
      ["GET / HTTP/1.1", [LENGTH]],
      ["PUT / HTTP/1.1", ["Transfer-Encoding: chunked"]],
    ];
    for (const [start, fields] of others) {
      const scene = await startRetryScene(t, setting);
      const { client, exchange } = scene.send(start, fields);
      await scene.head(0);
      if (fields.length > 0) exchange.onBodyEnd("");
      fail(scene, await scene.connection(0));
      if (on === "response-timeout") {
        assert.deepEqual(client.ends, [], "it goes on waiting");
        scene.accepted[0]?.[0]?.send(OK);
      }
      await over({ client });
      assert.deepEqual([scene.retried, scene.accepted[1]], [[], []]);
    }
  });

  test(`${what}: not sent again unless the list says so, or past the budget`, limit, async (t) => {
    for (const other of [{ retryOn: ["connect-failure", 501] as const }, { share: 0.0001, retryOn: [on] }]) {
      const scene = await startRetryScene(t, { perTryTimeoutMs: 500, ...other });
      while (scene.context.retryBudget.take(0));
      const { client } = scene.send();
      await scene.head(0);
      fail(scene, await scene.connection(0));
      if (on === "response-timeout") scene.pass(2_001);
      await over({ client });
      assert.deepEqual([scene.retried, scene.accepted[1]], [[], []]);
    }
  });
}

test(
  "a reused connection that dies moves safe methods alone, unless `closed` is in the list",
  limit,
  async (t) => {
    const byDefault = ["dead-connection"] as const;
    const withClosed = ["dead-connection", "closed"] as const;
    for (const [method, retryOn, isMoved] of [
      ...ALL.map((method) => [method, byDefault, SAFE.includes(method)] as const),
      ...ALL.map((method) => [method, withClosed, IDEMPOTENT.includes(method)] as const),
    ]) {
      const scene = await startRetryScene(t, { retryOn });
      const idle = await withIdleConnection(scene);
      const { client } = scene.send(`${method} / HTTP/1.1`);
      await idle.readUntil("\r\n\r\n");
      idle.reset();
      if (isMoved) await answered(scene, 1);
      assert.deepEqual(
        await over({ client }),
        isMoved ? ["finished"] : [502, "finished"],
        `${method} ${retryOn}`,
      );
    }
  },
);

test(
  "a fresh connection that dies moves safe methods to another backend, and to the same one never",
  limit,
  async (t) => {
    for (const [method, backends, isMoved] of [
      ...ALL.map((method) => [method, 2, SAFE.includes(method)] as const),
      ["GET", 1, false] as const,
    ]) {
      const scene = await startRetryScene(t, { backends });
      const { client } = scene.send(`${method} / HTTP/1.1`);
      await scene.head(0);
      (await scene.connection(0)).reset();
      if (isMoved) await answered(scene, 1);
      assert.deepEqual(
        await over({ client }),
        isMoved ? ["finished"] : [502, "finished"],
        `${method} ${backends}`,
      );
    }
  },
);

test("after an interim answer nothing is sent again, whatever follows it", limit, async (t) => {
  for (const bytes of [BUSY, "nonsense\r\n\r\n", ""]) {
    const scene = await startRetryScene(t, { retryOn: ["closed", "invalid-answer", "5xx"] });
    const { client } = scene.send();
    await scene.head(0);
    scene.accepted[0]?.[0]?.send("HTTP/1.1 103 x\r\n\r\n");
    await waitUntil("it is told", () => client.sent.includes("103"));
    if (bytes === "") scene.accepted[0]?.[0]?.end();
    else scene.accepted[0]?.[0]?.send(bytes);
    await over({ client });
    assert.deepEqual([scene.retried, scene.accepted[1]], [[], []]);
  }
});

test("an answer that has begun to be passed on is never taken back for another", limit, async (t) => {
  const scene = await startRetryScene(t, { retryOn: ["closed", "invalid-answer", "5xx"] });
  const { client } = scene.send();
  await scene.head(0);
  scene.accepted[0]?.[0]?.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na").end();
  await over({ client });
  assert.deepEqual(scene.accepted[1], []);
});

// ── statuses ──────────────────────────────────────────────────────────────────────────────────────

test(
  "an answer that is dropped whole leaves its connection open; one with more to come is closed",
  limit,
  async (t) => {
    for (const [bytes, idle] of [
      [BUSY, 1],
      ["HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", 1],
      ["HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n", 1],
      ["HTTP/1.1 503 x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 0],
      ["HTTP/1.1 503 x\r\nContent-Length: 99999\r\n\r\nab", 0],
      ["HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", 0],
      ["HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense", 0],
      ["HTTP/1.1 503 x\r\n\r\nuntil the end", 0],
      [`${BUSY}surplus`, 0],
    ] as const) {
      const scene = await startRetryScene(t, { retryOn: [503] });
      const { client } = scene.send();
      await scene.head(0);
      scene.accepted[0]?.[0]?.send(bytes);
      await scene.head(1);
      const [first] = scene.connections.values();
      assert.deepEqual(first?.load, { active: 0, idle, queued: 0 }, bytes);
      scene.accepted[1]?.[0]?.send(OK);
      await over({ client });
      assert.equal(client.sent, "[length]HTTP/1.1 200 OK ok.");
      assert.deepEqual(scene.retried, [[0, null]]);
    }
  },
);

test("the answer of the last attempt is passed on as it came", limit, async (t) => {
  const scene = await startRetryScene(t, { backends: 3, retryOn: [503] });
  const { client, exchange } = scene.send();
  for (const index of [0, 1]) {
    await scene.head(index);
    scene.accepted[index]?.[0]?.send(BUSY);
  }
  assert.deepEqual(await over({ client }), ["finished"]);
  assert.equal(client.sent, "[length]HTTP/1.1 503 Busy busy.");
  assert.deepEqual([exchange.status, scene.accepted[2], scene.failures], [503, [], []]);
});

test("a status, silence and nonsense are no reason to ask the only backend again", limit, async (t) => {
  for (const { on, fail } of [503, "response-timeout", "invalid-answer"].map((on) => {
    const found = Object.values(FAILURES).find((each) => each.on === on);
    assert.ok(found);
    return found;
  })) {
    const scene = await startRetryScene(t, { backends: 1, retryOn: [on], perTryTimeoutMs: 500 });
    const { client } = scene.send();
    await scene.head(0);
    fail(scene, await scene.connection(0));
    if (on === "response-timeout") scene.pass(2_001);
    await over({ client });
    assert.deepEqual([scene.retried, scene.accepted[0]?.length], [[], 1]);
  }
});

// ── time ──────────────────────────────────────────────────────────────────────────────────────────

test("all attempts together have the time limit of an answer, from the first on", limit, async (t) => {
  const setting = { backends: 3, retries: 2, retryOn: ["response-timeout" as const], perTryTimeoutMs: 900 };
  const scene = await startRetryScene(t, setting);
  const { client } = scene.send();
  await scene.head(0);
  scene.pass(901);
  await scene.head(1);
  scene.pass(901);
  await scene.head(2);
  scene.pass(198);
  assert.deepEqual(client.ends, []);
  scene.pass(1);
  assert.deepEqual(client.ends, [504, "finished"]);
  assert.deepEqual(scene.retried, [
    [0, "BACKEND_RESPONSE_TIMEOUT"],
    [1, "BACKEND_RESPONSE_TIMEOUT"],
  ]);
  assert.deepEqual(scene.failures, [[2, "BACKEND_RESPONSE_TIMEOUT"]]);
  for (const index of [0, 1, 2]) await scene.accepted[index]?.[0]?.waitClosed();
  assert.ok(scene.load().every(([requests, retries]) => requests === 0 && retries === 0));
});

test("the time limit of all attempts counts while one waits for a connection too", limit, async (t) => {
  const scene = await startRetryScene(t, {
    retryOn: ["response-timeout"],
    perTryTimeoutMs: 900,
    maxConnections: 1,
  });
  const { client } = scene.send();
  await scene.head(0);
  const busy = scene.pool.backends[1];
  assert.ok(busy);
  scene.pool.backends[0]?.setReachable(false);
  scene.send("POST / HTTP/1.1");
  await scene.head(1);
  scene.pool.backends[0]?.setReachable(true);
  scene.pass(901);
  assert.deepEqual(scene.connections.get(busy)?.load, { active: 1, idle: 0, queued: 1 });
  scene.pass(1_099);
  assert.deepEqual(client.ends, []);
  scene.pass(1);
  assert.deepEqual(client.ends, [504, "finished"]);
  assert.equal(scene.connections.get(busy)?.load.queued, 0);
});

test("an upload that moved has its own time: its answer's begins behind the last piece", limit, async (t) => {
  const scene = await startRetryScene(t, { gone: [0] });
  const { client, exchange } = scene.send("POST / HTTP/1.1", [LENGTH]);
  await scene.head(1);
  for (const piece of ["a", "b", "c"]) {
    scene.pass(1_900);
    exchange.onBodyPiece(Buffer.from(piece));
  }
  exchange.onBodyEnd("");
  scene.pass(2_000);
  assert.deepEqual(client.ends, []);
  scene.pass(1);
  assert.deepEqual(await over({ client }), [504, "finished"]);
});

test(
  "an attempt that can go nowhere else has all the time there is, and moves when another backend is back",
  limit,
  async (t) => {
    const scene = await startRetryScene(t, { retryOn: ["response-timeout"], perTryTimeoutMs: 500 });
    scene.pool.backends[1]?.setReachable(false);
    const { client } = scene.send();
    await scene.head(0);
    scene.pass(1_000);
    assert.deepEqual([client.ends, scene.retried], [[], []]);
    scene.pool.backends[1]?.setReachable(true);
    scene.pass(1);
    await answered(scene, 1);
    assert.deepEqual(await over({ client }), ["finished"]);
  },
);

test("a backend that let an attempt run out of time does not look quick", limit, async (t) => {
  const scene = await startRetryScene(t, { retryOn: ["response-timeout"], perTryTimeoutMs: 500 });
  const told: [boolean, number][] = [];
  scene.pool.noteLatency = (backend, ms) => void told.push([backend === scene.pool.backends[0], ms]);
  const { client } = scene.send();
  await scene.head(0);
  scene.pass(501);
  await answered(scene, 1);
  await over({ client });
  assert.deepEqual(told[0], [true, 501]);
  assert.equal(told[1]?.[0], false);
});

// ── what ends a request meanwhile ─────────────────────────────────────────────────────────────────

test("a client that leaves during any phase of a retry ends it there, once", limit, async (t) => {
  for (const phase of ["connecting", "waiting", "streaming"] as const) {
    const scene = await startRetryScene(t, { retryOn: ["closed"] });
    const { client, exchange } = scene.send();
    await scene.head(0);
    scene.accepted[0]?.[0]?.end();
    await waitUntil("it moves", () => scene.retried.length === 1);
    if (phase !== "connecting") await scene.head(1);
    if (phase === "streaming") {
      scene.accepted[1]?.[0]?.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na");
      await waitUntil("it begins", () => client.sent.endsWith("a"));
    }
    assert.deepEqual(scene.load(), [
      [0, 0],
      [1, 1],
    ]);
    exchange.onClientGone();
    assert.deepEqual([client.ends, exchange.status], [["finished"], 499]);
    assert.deepEqual(scene.failures, [[1, "CLIENT_ABORTED"]]);
    assert.deepEqual([scene.load(), scene.ended.length, scene.context.load.inFlight], [[[0, 0], [0, 0]], 1, 0]); // biome-ignore format: one line
    if (phase !== "connecting") await scene.accepted[1]?.[0]?.waitClosed();
  }
});

test(
  "a drain's deadline ends an attempt after the first where it runs, and nothing is sent again",
  limit,
  async (t) => {
    const scene = await startRetryScene(t, { retries: 5, retryOn: ["closed"] });
    const { client } = scene.send();
    await scene.head(0);
    scene.accepted[0]?.[0]?.end();
    await scene.head(1);
    for (const { requests } of scene.pool.backends) requests.each((each) => each.cutForDrain());
    assert.deepEqual(client.ends, [504, "finished"]);
    assert.deepEqual(scene.failures, [[1, "DRAIN_DEADLINE"]]);
    await scene.accepted[1]?.[0]?.waitClosed();
    assert.equal(scene.retried.length, 1);
  },
);

test("a backend that left its pool is not asked again, while another is there", limit, async (t) => {
  const scene = await startRetryScene(t, { backends: 3, retryOn: ["closed"] });
  const { client } = scene.send();
  await scene.head(0);
  const [, , third] = scene.pool.backends;
  assert.ok(third);
  const { name, origin } = third;
  const stays = { name, origin, addresses: [], weight: 1, isDrained: false, health: "unknown" as const };
  scene.pool.apply({ version: "v1", backends: [stays] });
  scene.accepted[0]?.[0]?.end();
  await answered(scene, 2);
  assert.deepEqual(await over({ client }), ["finished"]);
});

// ── limits ────────────────────────────────────────────────────────────────────────────────────────

test("past limits.max_retries a backend takes no more of them until one has ended", limit, async (t) => {
  const scene = await startRetryScene(t, { retryOn: ["closed"], maxRetries: 1 });
  const requests = [scene.send(), scene.send(), scene.send()];
  for (const index of [0, 1, 2]) await scene.head(0, index);
  const fail = (index: number) => scene.accepted[0]?.[index]?.reset();
  const isMoved = (count: number) => waitUntil("it moves", () => scene.retried.length === count);
  fail(0);
  await isMoved(1);
  fail(1); // the other one is full: on its own backend there is room
  await isMoved(2);
  assert.deepEqual(scene.load(), [
    [2, 1],
    [1, 1],
  ]);
  fail(2);
  await waitUntil("the third has failed", () => scene.failures.length === 1);
  await answered(scene, 1);
  await waitUntil("one has ended", () => scene.ended.length === 2);
  const late = scene.send();
  await scene.head(0, 4);
  fail(4);
  await isMoved(3);
  assert.deepEqual(scene.load(), [
    [1, 1],
    [1, 1],
  ]);
  for (const { exchange } of [...requests, late]) exchange.onClientGone();
  assert.deepEqual(scene.load(), [
    [0, 0],
    [0, 0],
  ]);
});

test("a retry that finds its backend's queue full is refused with 503", limit, async (t) => {
  const scene = await startRetryScene(t, { retryOn: [503], maxConnections: 1, maxQueue: 0 });
  const moved = scene.send();
  await scene.head(0);
  scene.pool.backends[0]?.setReachable(false);
  scene.send("POST / HTTP/1.1");
  await scene.head(1);
  scene.accepted[0]?.[0]?.send(BUSY);
  assert.deepEqual(await over(moved), [503, "finished"]);
  assert.deepEqual(scene.failures, [[1, "POOL_EXHAUSTED"]]);
});

test(
  "where a queue is full any request goes to another backend, and is refused when that one's is too",
  limit,
  async (t) => {
    const scene = await startRetryScene(t, { maxConnections: 1, maxQueue: 0, share: 0.001 });
    while (scene.context.retryBudget.take(0)); // it costs nothing
    const running = [scene.send(), scene.send("POST / HTTP/1.1")];
    const refused = scene.send();
    assert.deepEqual(await over(refused), [503, "finished"]);
    assert.deepEqual(scene.retried, Array(2).fill([0, "POOL_EXHAUSTED"]));
    assert.deepEqual(scene.failures, [[1, "POOL_EXHAUSTED"]]);
    for (const [by, each] of running.entries()) {
      await answered(scene, by);
      assert.deepEqual(await over(each), ["finished"]);
    }
    assert.deepEqual(scene.load(), [
      [0, 0],
      [0, 0],
    ]);
  },
);

test(
  "another backend is asked over a connection that it has, the same one over a new one",
  limit,
  async (t) => {
    const scene = await startRetryScene(t, { retryOn: ["closed"], retries: 2 });
    const [first] = scene.pool.backends;
    first?.setReachable(false);
    const before = scene.send();
    await scene.head(1);
    const idle = await scene.connection(1);
    idle.send(OK);
    await over(before);
    first?.setReachable(true);
    const { client } = scene.send();
    await scene.head(0);
    scene.accepted[0]?.[0]?.end();
    await idle.readUntil("X-Attempt-Count: 2\r\n\r\n");
    scene.pool.backends[0]?.setReachable(false);
    idle.end();
    await scene.head(1, 1);
    (await scene.connection(1, 1)).send(OK);
    assert.deepEqual(await over({ client }), ["finished"]);
  },
);

test("a retry that is sent again takes the place of itself; 0 is no place at all", limit, async (t) => {
  const setting = { backends: 1, retries: 2, retryOn: ["closed" as const] };
  const scene = await startRetryScene(t, { ...setting, maxRetries: 1 });
  const { client } = scene.send();
  for (const index of [0, 1]) {
    await scene.head(0, index);
    scene.accepted[0]?.[index]?.end();
  }
  await scene.head(0, 2);
  assert.deepEqual(scene.load(), [[1, 1]]);
  scene.accepted[0]?.[2]?.send(OK);
  assert.deepEqual(await over({ client }), ["finished"]);
  const none = await startRetryScene(t, { ...setting, maxRetries: 0 });
  const refused = none.send();
  await none.head(0);
  none.accepted[0]?.[0]?.end();
  assert.deepEqual(await over(refused), [502, "finished"]);
});

test("a request that a drain cuts is told what was drained", limit, async (t) => {
  const scene = await startRetryScene(t, { backends: 1 });
  const said: string[] = [];
  scene.context.onFailure = (_, __, message) => void said.push(message.split(",", 1)[0] ?? "");
  const name = scene.pool.backends[0]?.name ?? "";
  const known = { name, origin: name, addresses: [], weight: 1, health: "unknown" } as const;
  const cutAfter = (backends: readonly BackendSnapshot[]): void => {
    const { exchange } = scene.send();
    scene.pool.apply({ version: "v1", backends });
    exchange.cutForDrain();
  };
  cutAfter([{ ...known, isDrained: false }]);
  cutAfter([{ ...known, isDrained: true }]);
  scene.pool.apply({ version: "v1", backends: [{ ...known, isDrained: false }] });
  cutAfter([]);
  assert.deepEqual(said, ["v1 was switched away from", `${name} was drained`, `${name} has left v1`]);
});
