/** Requests that are held, over real sockets: what their clients get, and what the backends see. */
import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type TestContext, test } from "node:test";
import { setImmediate as nextRound } from "node:timers/promises";
import { startBackend, startRawBackend } from "../../support/backend.ts";
import { type HoldSceneOptions, startHoldScene } from "../../support/hold-scene.ts";
import { sayName } from "../../support/pair.ts";
import { readBody } from "../../support/routes.ts";
import { waitUntil } from "../../support/wait.ts";

const limit = { timeout: 30_000 };
const KIB = 1_024;
const get = (target: string) => `GET ${target} HTTP/1.1\r\nHost: h\r\n\r\n`;

async function startScene(t: TestContext, options: HoldSceneOptions = {}) {
  const v1 = await startBackend(t, sayName("v1"));
  const v2 = await startBackend(t, sayName("v2"));
  return { v1, v2, ...(await startHoldScene(t, { v1, v2 }, options)) };
}

/** Echoes the method, the body and the trailers of what comes. */
async function echo(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const body = await readBody(req);
  res.end(`${req.method} ${body.length} ${body.toString("latin1", 0, 8)} ${JSON.stringify(req.trailers)}`);
}

test(
  "1,000 held requests on kept-alive connections go to the winner alone, in their order",
  limit,
  async (t) => {
    // One connection to a backend: what it sees is the order in which the requests went on.
    const { v1, v2, hold, arrived, open, flipTo, waiting } = await startScene(t, {
      upstream: { maxConnections: 1 },
    });
    const clients = await Promise.all(Array.from({ length: 1_000 }, () => open()));
    for (const client of clients) client.send(get("/before"));
    for (const client of clients) assert.equal((await client.readResponse()).text, "v1");
    hold.begin(1, 60_000);
    for (const [i, client] of clients.entries()) client.send(get(`/${i}`));
    await waiting(1_000);
    flipTo("v2", 1);
    for (const client of clients) {
      const answer = await client.readResponse();
      assert.deepEqual([answer.status, answer.text], [200, "v2"]);
    }
    assert.equal(v1.requests.length, 1_000, "those before the hold, and no other");
    assert.deepEqual(
      v2.requests.map(({ url }) => url),
      arrived.slice(1_000),
    );
    assert.equal(hold.isOn, false);
  },
);

test("one that comes while others are let go waits behind them", limit, async (t) => {
  const { v2, hold, open, flipTo, waiting } = await startScene(t, { upstream: { maxConnections: 1 } });
  const clients = await Promise.all(Array.from({ length: 200 }, () => open()));
  const late = await open();
  hold.begin(1, 60_000);
  for (const client of clients) client.send(get("/early"));
  await waiting(200);
  flipTo("v2", 1);
  late.send(get("/late")); // read in the next round of the event loop, when 64 have gone
  assert.equal((await late.readResponse()).text, "v2");
  for (const client of clients) assert.equal((await client.readResponse()).text, "v2");
  assert.equal(
    v2.requests.findIndex(({ url }) => url === "/late"),
    200,
  );
});

test(
  "more held requests than the pool has room for are all answered: they wait for room",
  limit,
  async (t) => {
    const v1 = await startBackend(t, sayName("v1"));
    const v2 = await startBackend(t, (_req, res) => void setTimeout(() => res.end("v2"), 20));
    const upstream = { maxConnections: 20, maxQueue: 20 };
    const scene = await startHoldScene(t, { v1, v2 }, { upstream });
    const { hold, timers, open, flipTo, waiting, failures } = scene;
    const clients = await Promise.all(Array.from({ length: 300 }, () => open()));
    hold.begin(1, 60_000);
    for (const client of clients) client.send(get("/"));
    await waiting(300);
    flipTo("v2", 1);
    await waitUntil("all have gone on", () => {
      timers.pass(5);
      return hold.held === 0;
    });
    for (const client of clients) assert.equal((await client.readResponse()).text, "v2");
    assert.deepEqual([failures, v1.requests.length, v2.requests.length], [[], 0, 300]);
  },
);

test("a hold that nobody ends is over after its time, and the old version answers", limit, async (t) => {
  const { hold, timers, open, waiting } = await startScene(t);
  const client = await open();
  hold.begin(1, 2_000);
  client.send(get("/"));
  await waiting(1);
  timers.pass(1_999);
  await nextRound();
  assert.equal(hold.held, 1);
  timers.pass(1);
  assert.equal((await client.readResponse()).text, "v1");
});

test("more than may wait are 503 with Retry-After at once, and their connections stay", limit, async (t) => {
  const { hold, open, flipTo, waiting, failures, recorder } = await startScene(t, {
    limits: { maxRequests: 2 },
  });
  const [first, second, third] = [await open(), await open(), await open()];
  hold.begin(1, 60_000);
  first.send(get("/1"));
  second.send(get("/2"));
  await waiting(2);
  const refused = await third.send(get("/3")).readResponse();
  assert.deepEqual([refused.status, refused.header("retry-after")], [503, "1"]);
  assert.equal(JSON.parse(refused.text).code, "HOLD_FULL");
  assert.deepEqual(failures, [["v1", "HOLD_FULL"]]);
  assert.deepEqual(recorder.read().refusals, [{ reason: "hold_full", count: 1 }]);
  flipTo("v2", 1);
  for (const client of [first, second]) assert.equal((await client.readResponse()).text, "v2");
  assert.equal((await third.send(get("/3")).readResponse()).text, "v2");
});

test("more bytes than may wait are 503, of heads and of what is read of bodies", limit, async (t) => {
  const { v1, v2, hold, open, flipTo, waiting, failures } = await startScene(t, {
    limits: { maxBytes: 10 * KIB },
  });
  const [big, upload, small] = [await open(), await open(), await open()];
  hold.begin(1, 60_000);
  const filler = `X: ${"x".repeat(11 * KIB)}\r\n`;
  const refusedHead = await big.send(`GET / HTTP/1.1\r\nHost: h\r\n${filler}\r\n`).readResponse();
  assert.deepEqual([refusedHead.status, refusedHead.header("retry-after")], [503, "1"]);
  upload.send("POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 30000\r\n\r\n");
  await waiting(1);
  upload.send("b".repeat(30_000));
  assert.equal((await upload.readResponse()).status, 503);
  assert.equal(hold.held, 0);
  assert.deepEqual(failures, [
    ["v1", "HOLD_FULL"],
    ["v1", "HOLD_FULL"],
  ]);
  small.send(get("/small"));
  await waiting(1); // there is room again
  flipTo("v2", 1);
  assert.equal((await small.readResponse()).text, "v2");
  assert.equal((await upload.send(get("/next")).readResponse()).text, "v2", "the upload was read to its end");
  assert.equal(v1.requests.length, 0);
  assert.deepEqual(
    v2.requests.map(({ url }) => url),
    ["/small", "/next"],
  );
});

test(
  "thousands of pipelined requests that are one too many are all refused, and end no worker",
  limit,
  async (t) => {
    // Each has room for its head, and is refused for what was read behind it.
    const { hold, open, failures } = await startScene(t, { limits: { maxBytes: 100 } });
    const client = await open();
    const count = 3_000;
    hold.begin(1, 60_000);
    client.send(get("/").repeat(count));
    await waitUntil("all but the last ones are refused", () => failures.length >= count - 4);
    for (let i = 0; i < count - 4; i++) assert.equal((await client.readResponse()).status, 503);
  },
);

for (const [how, leave] of [
  ["closes", "destroy"],
  ["resets", "reset"],
  ["ends its side of", "end"],
] as const) {
  test(`a client that ${how} its connection while held is forgotten at once`, limit, async (t) => {
    const { v1, v2, hold, open, flipTo, waiting, failures, recorder } = await startScene(t);
    const [leaving, staying] = [await open(), await open()];
    hold.begin(1, 60_000);
    leaving.send(get("/leaves"));
    staying.send(get("/stays"));
    await waiting(2);
    leaving[leave]();
    await waiting(1);
    assert.deepEqual(failures, [["v1", "CLIENT_ABORTED"]]);
    const { requests, upstreamErrors, refusals } = recorder.read();
    assert.deepEqual(requests, [{ version: "v1", method: "GET", code: 499, count: 1 }]);
    assert.deepEqual([upstreamErrors, refusals], [[], []]);
    flipTo("v2", 1);
    assert.equal((await staying.readResponse()).text, "v2");
    assert.deepEqual(
      [v1, v2].map(({ requests }) => requests.map(({ url }) => url)),
      [[], ["/stays"]],
    );
  });
}

test("an upload arrives whole; while it is held little of it is read", limit, async (t) => {
  const { v2, hold, open, flipTo, waiting } = await startScene(t);
  v2.server.removeAllListeners("request").on("request", echo);
  const client = await open();
  const size = 20 * KIB * KIB;
  hold.begin(1, 60_000);
  client.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${size}\r\n\r\nfirst`);
  await waiting(1);
  client.send(Buffer.alloc(size - 5, "b"));
  let leftBytes = -1;
  const standsStill = (): boolean => {
    const beforeBytes = leftBytes;
    leftBytes = client.socket.writableLength;
    return leftBytes > 0 && leftBytes === beforeBytes;
  };
  await waitUntil("nothing more of it is taken", standsStill, { intervalMs: 100 });
  const readBytes = hold.bytes;
  assert.ok(readBytes < 200 * KIB, `${readBytes} bytes are in memory`);
  flipTo("v2", 1);
  assert.equal((await client.readResponse()).text, `POST ${size} firstbbb {}`);
});

test(
  "a chunked upload with trailers, all of it read before the hold ends, arrives whole",
  limit,
  async (t) => {
    const { v2, hold, open, flipTo, waiting } = await startScene(t);
    v2.server.removeAllListeners("request").on("request", echo);
    const client = await open();
    hold.begin(1, 60_000);
    const begin = "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    const rest = "3\r\n, y\r\n0\r\nX-Sum: 7\r\n\r\n";
    client.send(begin);
    await waiting(1);
    client.send(rest);
    await waitUntil("the rest is read", () => hold.bytes === begin.length + rest.length);
    flipTo("v2", 1);
    assert.equal((await client.readResponse()).text, 'PUT 8 hello, y {"x-sum":"7"}');
  },
);

test(
  "a client that waits to be told to go on is told so after the hold, by the backend",
  limit,
  async (t) => {
    const { v1, v2, hold, open, flipTo, waiting } = await startScene(t);
    for (const backend of [v1, v2]) {
      backend.server.removeAllListeners("request").on("checkContinue", (req, res) => {
        res.writeContinue();
        void echo(req, res);
      });
    }
    const client = await open();
    hold.begin(1, 60_000);
    client.send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    await waiting(1);
    assert.equal(client.bytesReceived, 0);
    flipTo("v2", 1);
    assert.equal((await client.readHead()).status, 100);
    client.send("hello");
    assert.equal((await client.readResponse()).text, "POST 5 hello {}");
    assert.equal(v1.connectionsTotal, 0);
  },
);

test(
  "a pipelined request behind one that is held waits its turn, and both are answered",
  limit,
  async (t) => {
    const { v2, hold, arrived, open, flipTo, waiting } = await startScene(t);
    const client = await open();
    hold.begin(1, 60_000);
    client.send(get("/1") + get("/2"));
    await waiting(1);
    assert.deepEqual(arrived, ["/1"]);
    flipTo("v2", 1);
    for (let i = 0; i < 2; i++) assert.equal((await client.readResponse()).text, "v2");
    assert.deepEqual(
      v2.requests.map(({ url }) => url),
      ["/1", "/2"],
    );
  },
);

test("the head arrives as it came, however many others were read meanwhile", limit, async (t) => {
  let seen = "";
  const v1 = await startBackend(t);
  const v2 = await startRawBackend(t, (socket) => {
    socket.on("data", (bytes: Buffer) => {
      seen += bytes.toString("latin1");
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nv2");
    });
  });
  const { hold, open, flipTo, waiting } = await startHoldScene(t, { v1, v2 });
  const [first, second] = [await open(), await open()];
  hold.begin(1, 60_000);
  const lines = "HoSt: one\r\nX-One: 1\r\nx-one: \xe4\r\n";
  first.send(`GET /\xff?x=%41 HTTP/1.1\r\n${lines}Connection: x-gone\r\nX-Gone: 1\r\n\r\n`);
  await waiting(1);
  second.send(get("/other"));
  await waiting(2);
  flipTo("v2", 1);
  for (const client of [first, second]) assert.equal((await client.readResponse()).text, "v2");
  assert.ok(seen.includes(`GET /\xff?x=%41 HTTP/1.1\r\n${lines}\r\n`), JSON.stringify(seen));
});

test("an upgrade that was held becomes a tunnel to the winner", limit, async (t) => {
  const v1 = await startBackend(t);
  const v2 = await startBackend(t);
  v2.server.on("upgrade", (_req, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\nhello");
    socket.pipe(socket);
  });
  const { hold, open, flipTo, waiting } = await startHoldScene(t, { v1, v2 });
  const client = await open();
  hold.begin(1, 60_000);
  client.send("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\n");
  await waiting(1);
  flipTo("v2", 1);
  assert.equal((await client.readHead()).status, 101);
  await client.readUntil("hello");
  await client.send("echoed").readUntil("echoed");
});

test(
  "the paths of the proxy itself are not held, and a request that is not valid is refused at once",
  limit,
  async (t) => {
    const { hold, open, adminCalls } = await startScene(t);
    const client = await open();
    hold.begin(1, 60_000);
    assert.equal((await client.send(get("/status?x=1")).readResponse()).text, "admin");
    assert.equal(adminCalls[0]?.target, "/status?x=1");
    assert.equal((await client.send(get("/a#b")).readResponse()).status, 400);
    assert.equal(hold.held, 0);
  },
);

test(
  "held requests are not in flight, but none of them is one too many when it goes on",
  limit,
  async (t) => {
    const { hold, load, open, flipTo, waiting } = await startScene(t, { maxInFlight: 3 });
    const clients = [await open(), await open(), await open()];
    const late = await open();
    hold.begin(1, 60_000);
    for (const client of clients) client.send(get("/"));
    await waiting(3);
    assert.equal(load.inFlight, 0);
    const refused = await late.send(get("/")).readResponse();
    assert.equal(JSON.parse(refused.text).code, "TOO_MANY_REQUESTS_IN_FLIGHT");
    flipTo("v2", 1);
    for (const client of clients) assert.equal((await client.readResponse()).text, "v2");
    assert.equal(load.inFlight, 0);
  },
);

test("a worker that ends lets what waits finish, and asks its clients to close", limit, async (t) => {
  const { hold, ending, open, waiting } = await startScene(t);
  const client = await open();
  hold.begin(1, 60_000);
  client.send(get("/"));
  await waiting(1);
  ending.isEnding = true;
  hold.close(30_000);
  const answer = await client.readResponse();
  assert.deepEqual([answer.status, answer.text, answer.header("connection")], [200, "v1", "close"]);
  client.end();
  assert.equal(await client.waitClosed(), "end");
});

test("the time a request was held counts for its duration", limit, async (t) => {
  const { hold, open, flipTo, waiting, recorder } = await startScene(t);
  const client = await open();
  hold.begin(1, 60_000);
  client.send(get("/"));
  await waiting(1);
  const heldMs = 60;
  const fromMs = performance.now();
  await waitUntil("a while has passed", () => performance.now() - fromMs > heldMs);
  flipTo("v2", 1);
  await client.readResponse();
  const [, v2] = recorder.read().durations;
  assert.ok((v2?.sumSeconds ?? 0) >= heldMs / 1_000, `${v2?.sumSeconds} s`);
});

test("a backend that closed its idle connection meanwhile costs a held request nothing", limit, async (t) => {
  const v1 = await startBackend(t);
  const v2 = await startRawBackend(t, (socket) => {
    socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nv2"));
  });
  const { hold, open, flipTo, waiting } = await startHoldScene(t, { v1, v2 });
  const client = await open();
  flipTo("v2");
  assert.equal((await client.send(get("/")).readResponse()).text, "v2");
  hold.begin(1, 60_000);
  client.send(get("/"));
  await waiting(1);
  v2.closeConnections();
  flipTo("v2", 1);
  assert.equal((await client.readResponse()).text, "v2");
});
