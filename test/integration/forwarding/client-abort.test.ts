import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { after, test } from "node:test";
import { startBackend } from "../../support/backend.ts";
import type { TestEnd } from "../../support/cleanup.ts";
import { startProxy, type TestProxy } from "../../support/proxy.ts";
import { openRaw } from "../../support/raw-client.ts";
import { Routes } from "../../support/routes.ts";
import { startStuckBackend } from "../../support/stuck-backend.ts";
import { waitUntil, withLimit } from "../../support/wait.ts";

const file: TestEnd = { after };
const limit = { timeout: 30_000 };
const PROMPTLY_MS = 1_500;

const routes = new Routes();
const backend = await startBackend(file, routes.listener);
const proxy = await startProxy(file, {
  v1: backend.url,
  v2: backend.url,
  config: { upstream: { max_connections: 1, max_total_connections: 2 } },
});

async function metric(of: TestProxy, name: string): Promise<number> {
  const { body } = await of.admin("GET", "/metrics");
  const line = body.split("\n").find((each) => each.startsWith(`traffic_switching_${name} `));
  return Number(line?.slice(line.lastIndexOf(" ") + 1) ?? 0);
}

async function nothingRuns(): Promise<void> {
  await waitUntil("nothing is in flight", async () => {
    return (
      (await metric(proxy, 'http_requests_in_flight{version="v1"}')) === 0 &&
      (await metric(proxy, 'upstream_connections{version="v1",state="active"}')) === 0
    );
  });
}

/** Resolves when the backend's side of a request is closed before it was answered. */
function cutAtBackend(path: string, answer: (req: IncomingMessage, res: ServerResponse) => void) {
  return new Promise<void>((resolve) => {
    routes.on(path, (req, res) => {
      res.once("close", () => {
        if (!res.writableFinished) resolve();
      });
      answer(req, res);
    });
  });
}

for (const [leaving, leave] of [
  ["resets", "reset"],
  ["closes", "destroy"],
] as const) {
  test(
    `a client that ${leaving} while its request waits ends the backend's request at once`,
    limit,
    async (t) => {
      const before = await metric(proxy, 'http_requests_total{version="v1",method="GET",code="499"}');
      const cut = cutAtBackend("/waiting", () => {});
      const client = await openRaw(proxy.port, { t });
      const seen = backend.requestSeen();
      client.send("GET /waiting HTTP/1.1\r\nHost: h\r\n\r\n");
      await seen;
      client[leave]();
      await withLimit(cut, PROMPTLY_MS, "the backend's request to end");
      await nothingRuns();
      assert.equal(
        await metric(proxy, 'http_requests_total{version="v1",method="GET",code="499"}'),
        before + 1,
      );
    },
  );
}

test(
  "a client that leaves in the middle of an answer ends the backend's request at once",
  limit,
  async (t) => {
    const cut = cutAtBackend("/streaming", (_req, res) => void res.write("first piece"));
    const client = await openRaw(proxy.port, { t });
    client.send("GET /streaming HTTP/1.1\r\nHost: h\r\n\r\n");
    await client.readUntil("first piece");
    client.destroy();
    await withLimit(cut, PROMPTLY_MS, "the backend's request to end");
    await nothingRuns();
  },
);

test("a client that leaves while it does not read ends the backend's request", limit, async (t) => {
  const cut = cutAtBackend("/unread", (_req, res) => {
    const piece = Buffer.alloc(1024 * 1024);
    const more = (): void => {
      while (!res.destroyed && res.write(piece));
      res.once("drain", more);
    };
    more();
  });
  const client = await openRaw(proxy.port, { t });
  client.pause();
  client.send("GET /unread HTTP/1.1\r\nHost: h\r\n\r\n");
  await waitUntil("the answer fills the way", () => backend.requests.at(-1)?.url === "/unread");
  client.reset();
  await withLimit(cut, PROMPTLY_MS, "the backend's request to end");
  await nothingRuns();
});

for (const framing of ["Content-Length: 1000", "Transfer-Encoding: chunked"]) {
  test(
    `a client that leaves in the middle of an upload (${framing}) does not look like one that sent all of it`,
    limit,
    async (t) => {
      const aborted = new Promise<IncomingMessage>((resolve) => {
        routes.on("/upload", (req) => {
          req.on("error", () => {});
          req.resume();
          req.once("close", () => resolve(req));
        });
      });
      const client = await openRaw(proxy.port, { t });
      const seen = backend.requestSeen();
      client.send(`POST /upload HTTP/1.1\r\nHost: h\r\n${framing}\r\n\r\n5\r\nhello\r\n`);
      await seen;
      client.destroy();
      const req = await withLimit(aborted, PROMPTLY_MS, "the backend's request to end");
      assert.equal(req.complete, false);
      await nothingRuns();
    },
  );
}

test(
  "a client that leaves while it waits for a connection is taken out of the queue and never forwarded",
  limit,
  async (t) => {
    let held: ServerResponse | undefined;
    routes.on("/held", (_req, res) => {
      held = res;
    });
    const holder = await openRaw(proxy.port, { t });
    const seen = backend.requestSeen();
    holder.send("GET /held HTTP/1.1\r\nHost: h\r\n\r\n");
    await seen;
    const queued = await openRaw(proxy.port, { t });
    queued.send("GET /queued HTTP/1.1\r\nHost: h\r\n\r\n");
    const inQueue = (count: number) => async () =>
      (await metric(proxy, 'upstream_queued_requests{version="v1"}')) === count;
    await waitUntil("it is queued", inQueue(1));
    queued.destroy();
    await waitUntil("it has left the queue", inQueue(0));
    held?.end("held");
    assert.equal((await holder.readResponse()).text, "held");
    assert.equal((await holder.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").readResponse()).text, "ok");
    assert.ok(backend.requests.every(({ url }) => url !== "/queued"));
  },
);

test("a client that leaves while the connection is being opened is never forwarded", limit, async (t) => {
  const far = await startStuckBackend(t);
  const own = await startProxy(t, { v1: far.url, v2: backend.url });
  const client = await openRaw(own.port, { t });
  client.send("GET /gone HTTP/1.1\r\nHost: h\r\n\r\n");
  const isInFlight = (count: number) => async () =>
    (await metric(own, 'http_requests_in_flight{version="v1"}')) === count;
  await waitUntil("it is in flight", isInFlight(1));
  client.destroy();
  await waitUntil("nothing is in flight", isInFlight(0));
  far.goOn();
  const next = await openRaw(own.port, { t });
  assert.equal((await next.send("GET /next HTTP/1.1\r\nHost: h\r\n\r\n").readResponse()).text, "stuck");
  await waitUntil(
    "the connection that was being opened is settled",
    async () => (await metric(own, 'upstream_connections{version="v1",state="active"}')) === 0,
  );
  assert.doesNotMatch(far.received(), /gone/);
});

test(
  "of pipelined requests, the first ends when their client leaves, and those behind it are never forwarded",
  limit,
  async (t) => {
    const own = await startProxy(t, { v1: backend.url, v2: backend.url });
    const closed: string[] = [];
    for (const path of ["/p1", "/p2", "/p3"]) {
      routes.on(path, (_req, res) => void res.once("close", () => closed.push(path)));
    }
    const client = await openRaw(own.port, { t });
    const seenBefore = backend.requests.length;
    client.send(["/p1", "/p2", "/p3"].map((path) => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`).join(""));
    await backend.requestsSeen(seenBefore + 1);
    client.destroy();
    await waitUntil("it has ended", () => closed.length === 1, { limitMs: PROMPTLY_MS });
    await waitUntil(
      "nothing is in flight",
      async () => (await metric(own, 'http_requests_in_flight{version="v1"}')) === 0,
    );
    assert.deepEqual([closed, backend.requests.length], [["/p1"], seenBefore + 1]);
  },
);

test("the backend's connection that an abort has cut is not used again", limit, async (t) => {
  const cut = cutAtBackend("/again", () => {});
  const client = await openRaw(proxy.port, { t });
  const seen = backend.requestSeen();
  client.send("GET /again HTTP/1.1\r\nHost: h\r\n\r\n");
  const { remotePort } = await seen;
  client.destroy();
  await cut;
  await nothingRuns();
  const next = await openRaw(proxy.port, { t });
  assert.equal((await next.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").readResponse()).text, "ok");
  assert.notEqual(backend.requests.at(-1)?.remotePort, remotePort);
});
