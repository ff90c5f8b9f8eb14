import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { after, test } from "node:test";
import { startBackend } from "../../support/backend.ts";
import type { TestEnd } from "../../support/cleanup.ts";
import { parseJsonObject } from "../../support/http-client.ts";
import { startProxy } from "../../support/proxy.ts";
import { openRaw, type RawResponse } from "../../support/raw-client.ts";
import { Routes, readBody } from "../../support/routes.ts";
import { waitUntil } from "../../support/wait.ts";

const file: TestEnd = { after };
const limit = { timeout: 30_000 };
const GET = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

const routes = new Routes();
const backend = await startBackend(file, routes.listener);
routes.on("/read", (req, res) => {
  readBody(req).then(
    ({ length }) => res.end(`${length}`),
    () => {}, // broken off
  );
});
const proxy = await startProxy(file, {
  v1: backend.url,
  v2: backend.url,
  config: {
    server: {
      max_body_bytes: "1KiB",
      max_target_bytes: "64B",
      max_header_bytes: "2KiB",
      max_header_count: 10,
      header_timeout: "400ms",
      body_idle_timeout: "400ms",
      keep_alive_timeout: "1s",
    },
  },
});

function assertRefused(answer: RawResponse, status: number, code: string): void {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.header("content-type"), "application/problem+json");
  const problem = parseJsonObject(answer.text);
  assert.deepEqual([problem.status, problem.code], [status, code]);
  if (status === 503) assert.equal(answer.header("retry-after"), "1");
}

test(
  "a body at the limit passes; one byte more is 413 by its Content-Length, and the backend sees nothing",
  limit,
  async (t) => {
    const client = await openRaw(proxy.port, { t });
    const post = (bytes: number) => `POST /read HTTP/1.1\r\nHost: h\r\nContent-Length: ${bytes}\r\n\r\n`;
    assert.equal((await client.send(post(1024) + "x".repeat(1024)).readResponse()).text, "1024");
    const seen = backend.requests.length;
    assertRefused(await client.send(post(1025)).readResponse(), 413, "BODY_TOO_LARGE");
    // What follows is still that body, whatever it looks like.
    client.send(GET.padEnd(1025, "x"));
    const next = await client
      .send(GET)
      .readResponse()
      .catch(() => undefined); // or the connection was closed
    if (next !== undefined) assert.equal(next.text, "ok");
    assert.equal(backend.requests.length, seen + (next === undefined ? 0 : 1));
  },
);

test(
  "a chunked body at the limit passes; the piece that goes past it is 413, and the backend's request is broken off",
  limit,
  async (t) => {
    const client = await openRaw(proxy.port, { t });
    const head = "POST /read HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    const chunk = `100\r\n${"x".repeat(256)}\r\n`;
    assert.equal((await client.send(`${head}${chunk.repeat(4)}0\r\n\r\n`).readResponse()).text, "1024");
    client.send(`${head}${chunk.repeat(4)}`);
    await waitUntil("the backend has the first part", () => backend.requests.at(-1)?.bodyBytes === 1024);
    client.send("1\r\nx\r\n");
    assertRefused(await client.readResponse(), 413, "BODY_TOO_LARGE");
    await waitUntil("the backend's connection is gone", () => backend.connections === 0);
    assert.equal(backend.requests.at(-1)?.isComplete, false);
  },
);

test("a target at the limit passes, longer ones are 414, also those that never end", limit, async (t) => {
  const client = await openRaw(proxy.port, { t });
  const get = (bytes: number) => `GET /${"x".repeat(bytes - 1)} HTTP/1.1\r\nHost: h\r\n\r\n`;
  assert.equal((await client.send(get(64)).readResponse()).status, 200);
  assertRefused(await client.send(get(65)).readResponse(), 414, "TARGET_TOO_LONG");
  const endless = await openRaw(proxy.port, { t });
  endless.send(`GET /${"x".repeat(10_000)}`);
  assertRefused(await endless.readResponse(), 414, "TARGET_TOO_LONG");
  await endless.waitClosed();
});

test("fields at the limit pass, one more is 431, and so is a head that is too large", limit, async (t) => {
  const client = await openRaw(proxy.port, { t });
  const get = (fields: number) =>
    `GET / HTTP/1.1\r\nHost: h\r\n${Array.from({ length: fields - 1 }, (_, i) => `X-${i}: 1\r\n`).join("")}\r\n`;
  assert.equal((await client.send(get(10)).readResponse()).status, 200);
  assertRefused(await client.send(get(11)).readResponse(), 431, "HEADERS_TOO_LARGE");
  for (const head of [`X: ${"x".repeat(2_100)}`, "X: 1\r\n".repeat(500)]) {
    const large = await openRaw(proxy.port, { t });
    assertRefused(
      await large.send(`GET / HTTP/1.1\r\nHost: h\r\n${head}\r\n\r\n`).readResponse(),
      431,
      "HEADERS_TOO_LARGE",
    );
    await large.waitClosed();
  }
});

test("a head that does not end is 408 and closed, however often a byte comes", limit, async (t) => {
  const client = await openRaw(proxy.port, { t });
  client.send("GET / HTTP/1.1\r\nHost: h\r\n");
  const drip = setInterval(() => client.send("X: 1\r\n"), 100);
  t.after(() => clearInterval(drip));
  assertRefused(await client.readResponse(), 408, "REQUEST_TIMEOUT");
  clearInterval(drip);
  await client.waitClosed();
});

test("a connection that never sends anything is closed after header_timeout", limit, async (t) => {
  const client = await openRaw(proxy.port, { t });
  await client.waitClosed();
});

test("a body that stops coming is 408, and its backend's request ends", limit, async (t) => {
  const client = await openRaw(proxy.port, { t });
  client.send("POST /read HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello");
  assertRefused(await client.readResponse(), 408, "REQUEST_TIMEOUT");
  await waitUntil("the backend's request has ended", () => backend.connections === 0);
});

test("a body that keeps coming, however slowly, is not cut", limit, async (t) => {
  const client = await openRaw(proxy.port, { t });
  client.send("POST /read HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n");
  const drip = setInterval(() => client.send("x"), 100);
  t.after(() => clearInterval(drip));
  assert.equal((await client.readResponse()).text, "8");
});

test("a client that stops reading an answer is cut after body_idle_timeout", limit, async (t) => {
  let closed = (): void => {};
  const cut = new Promise<void>((resolve) => {
    closed = resolve;
  });
  routes.on("/pour", (_req, res) => {
    res.once("close", closed);
    res.end(Buffer.alloc(50 * 1024 * 1024));
  });
  const client = await openRaw(proxy.port, { t });
  client.pause();
  client.send("GET /pour HTTP/1.1\r\nHost: h\r\n\r\n");
  await cut;
  await waitUntil("its connection is gone", async () => {
    const { body } = await proxy.admin("GET", "/metrics");
    return body.includes('http_requests_in_flight{version="v1"} 0\n');
  });
});

test("an idle connection is closed after keep_alive_timeout", limit, async (t) => {
  const client = await openRaw(proxy.port, { t });
  assert.equal((await client.send(GET).readResponse()).header("keep-alive"), "timeout=1");
  assert.equal(await client.waitClosed(), "end");
});

test("an empty line behind a request is not the start of the next one", limit, async (t) => {
  const client = await openRaw(proxy.port, { t });
  assert.equal((await client.send(`${GET}\r\n`).readResponse()).text, "ok");
  await client.waitClosed(); // by keep_alive_timeout, not by header_timeout with a 408
  assert.equal(client.unread.length, 0, client.unread.toString("latin1"));
});

test(
  "with every connection busy a request waits; past the queue's bound it is 503 at once; past queue_timeout too",
  limit,
  async (t) => {
    const own = await startProxy(t, {
      v1: backend.url,
      v2: backend.url,
      config: { upstream: { max_connections: 1, max_queue: 1, queue_timeout: "1s" } },
    });
    const held: ServerResponse[] = [];
    routes.on("/held", (_req, res) => void held.push(res));
    const [busy, queued, late] = [
      await openRaw(own.port, { t }),
      await openRaw(own.port, { t }),
      await openRaw(own.port, { t }),
    ];
    const seen = backend.requestSeen();
    busy.send("GET /held HTTP/1.1\r\nHost: h\r\n\r\n");
    await seen;
    queued.send("GET /queued HTTP/1.1\r\nHost: h\r\n\r\n");
    await waitUntil("one is queued", async () =>
      (await own.admin("GET", "/metrics")).body.includes('upstream_queued_requests{version="v1"} 1\n'),
    );
    const sentMs = performance.now();
    assertRefused(await late.send(GET).readResponse(), 503, "POOL_EXHAUSTED");
    assert.ok(performance.now() - sentMs < 500, "at once");
    assertRefused(await queued.readResponse(), 503, "POOL_EXHAUSTED");
    // The slots are free again: the next one waits, and is served when its turn comes.
    queued.send(GET);
    await waitUntil("one is queued", async () =>
      (await own.admin("GET", "/metrics")).body.includes('upstream_queued_requests{version="v1"} 1\n'),
    );
    held[0]?.end("held");
    assert.equal((await busy.readResponse()).text, "held");
    assert.equal((await queued.readResponse()).text, "ok");
  },
);

test("past max_in_flight a request is 503, and the admin paths still answer", limit, async (t) => {
  const own = await startProxy(t, {
    v1: backend.url,
    v2: backend.url,
    config: { server: { max_in_flight: 2 } },
  });
  let held: ServerResponse[] = [];
  routes.on("/full", (_req, res) => void held.push(res));
  const clients = [await openRaw(own.port, { t }), await openRaw(own.port, { t })];
  for (const client of clients) client.send("GET /full HTTP/1.1\r\nHost: h\r\n\r\n");
  await waitUntil("both are with the backend", () => held.length === 2);
  const late = await openRaw(own.port, { t });
  for (let i = 0; i < 3; i++) {
    assertRefused(await late.send(GET).readResponse(), 503, "TOO_MANY_REQUESTS_IN_FLIGHT");
  }
  const handshake =
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n";
  const upgrading = await openRaw(own.port, { t });
  const refused = await upgrading.send(`GET / HTTP/1.1\r\nHost: h\r\n${handshake}\r\n`).readResponse();
  assertRefused(refused, 503, "TOO_MANY_REQUESTS_IN_FLIGHT");
  assert.equal((await own.adminOnTrafficPort("GET", "/status")).status, 200);
  for (const res of held) res.end("done");
  for (const client of clients) assert.equal((await client.readResponse()).text, "done");
  held = [];
  assert.equal((await late.send(GET).readResponse()).text, "ok");
});

test("connections past max_connections are 503 and closed, and the others go on", limit, async (t) => {
  const own = await startProxy(t, {
    v1: backend.url,
    v2: backend.url,
    config: { server: { max_connections: 2 } },
  });
  const first = await openRaw(own.port, { t });
  const second = await openRaw(own.port, { t });
  assert.equal((await first.send(GET).readResponse()).text, "ok");
  assert.equal((await second.send(GET).readResponse()).text, "ok");
  const third = await openRaw(own.port, { t });
  third.send(GET);
  assertRefused(await third.readResponse(), 503, "TOO_MANY_CONNECTIONS");
  await third.waitClosed();
  first.destroy();
  await waitUntil("there is room again", async () => {
    const next = await openRaw(own.port);
    const answer = await next
      .send(GET)
      .readResponse()
      .catch(() => undefined);
    next.destroy();
    return answer?.text === "ok";
  });
});

for (const [key, limit_] of [
  ["max_connections", 5],
  ["max_connections_per_client", 5],
] as const) {
  test(
    `${key} is kept exactly over all workers, whichever of them a connection came to`,
    limit,
    async (t) => {
      const own = await startProxy(t, {
        v1: backend.url,
        v2: backend.url,
        workers: 2,
        config: { server: { [key]: limit_ } },
      });
      const isRefused = async (): Promise<boolean> => {
        const client = await openRaw(own.port);
        const answer = await client.send(GET).readResponse();
        client.destroy();
        if (answer.status === 503) assertRefused(answer, 503, "TOO_MANY_CONNECTIONS");
        return answer.status === 503;
      };
      const clients = await Promise.all(Array.from({ length: limit_ }, () => openRaw(own.port, { t })));
      for (const client of clients) assert.equal((await client.send(GET).readResponse()).text, "ok");
      for (let i = 0; i < 4; i++) assert.equal(await isRefused(), true);
      const { body } = await own.admin("GET", "/metrics");
      assert.ok(body.includes(`client_connections_refused_total{reason="${key}"} 4\n`), "it is counted");
      clients[0]?.destroy();
      await waitUntil("there is room for one again", async () => !(await isRefused()));
      // A worker that dies takes its connections with it; those of the other still count.
      const [first = 0] = await own.workerPids();
      process.kill(first, "SIGKILL");
      await waitUntil("the worker is replaced", async () => {
        const pids = await own.workerPids();
        return pids.length === 2 && !pids.includes(first);
      });
      const left = clients.filter((client) => client.ending === undefined).length;
      for (let i = left; i < limit_; i++) {
        await waitUntil("one more is served", async () => {
          const client = await openRaw(own.port, { t });
          return (await client.send(GET).readResponse()).status === 200; // and stays
        });
      }
      assert.equal(await isRefused(), true);
    },
  );
}
