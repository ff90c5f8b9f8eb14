import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request, type ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { after, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { startBackend, startRawBackend } from "../../support/backend.ts";
import type { TestEnd } from "../../support/cleanup.ts";
import { growthDuring } from "../../support/memory.ts";
import { startProxy } from "../../support/proxy.ts";
import { openRaw } from "../../support/raw-client.ts";
import { Routes } from "../../support/routes.ts";
import { waitUntil } from "../../support/wait.ts";

const file: TestEnd = { after };
const limit = { timeout: 60_000 };
const MIB = 1024 * 1024;
const TOTAL = 200 * MIB;
const MOST_GROWTH = 50 * MIB;
const PIECE = Buffer.alloc(256 * 1024, "0123456789abcdef");

const routes = new Routes();
const backend = await startBackend(file, routes.listener);
const proxy = await startProxy(file, { v1: backend.url, v2: backend.url });

async function workerPid(): Promise<number> {
  const [pid = 0] = await proxy.workerPids();
  return pid;
}

/** TOTAL bytes, made as they are read. */
function* pieces(): Generator<Buffer> {
  for (let left = TOTAL; left > 0; left -= PIECE.length)
    yield PIECE.subarray(0, Math.min(left, PIECE.length));
}
const EXPECTED = await digest(Readable.from(pieces()));

async function digest(stream: Readable): Promise<string> {
  const hash = createHash("sha1");
  for await (const chunk of stream) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** Resolves with the value once it is above 0 and has not changed for half a second. */
async function standingStill(what: string, value: () => number): Promise<number> {
  let last = 0;
  let sinceMs = performance.now();
  return await waitUntil(
    `${what} stands still`,
    () => {
      if (value() !== last) [last, sinceMs] = [value(), performance.now()];
      return last > 0 && performance.now() - sinceMs > 500 && last;
    },
    { limitMs: 20_000 },
  );
}

test("events of a stream reach the client one by one, as they are sent", limit, async (t) => {
  let events: ServerResponse | undefined;
  routes.on("/events", (_req, res) => {
    events = res;
    res.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders();
  });
  const client = await openRaw(proxy.port, { t });
  client.send("GET /events HTTP/1.1\r\nHost: h\r\n\r\n");
  await client.readUntil("\r\n\r\n"); // the head comes before the first event
  for (let i = 0; i < 5; i++) {
    events?.write(`data: ${i}\n\n`);
    await client.readUntil(`data: ${i}\n\n`);
  }
  events?.end();
  await client.readUntil("\r\n0\r\n\r\n");
});

test("a request body is passed on piece by piece while the answer streams back", limit, async (t) => {
  routes.on("/talk", (req, res) => {
    res.writeHead(200).flushHeaders();
    req.pipe(res);
  });
  const client = await openRaw(proxy.port, { t });
  client.send("POST /talk HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (let i = 0; i < 5; i++) {
    client.send(`5\r\nping${i}\r\n`);
    await client.readUntil(`ping${i}`);
  }
  client.send("0\r\n\r\n");
  await client.readUntil("\r\n0\r\n\r\n");
});

for (const framing of ["length", "chunked"] as const) {
  test(
    `200 MB down (${framing}) arrive unchanged and cost less than 50 MB of the worker's memory`,
    limit,
    async (t) => {
      const own = await startProxy(t, { v1: backend.url, v2: backend.url });
      routes.on("/down", (_req, res) => {
        if (framing === "length") res.setHeader("Content-Length", TOTAL);
        pipeline(Readable.from(pieces()), res).catch(() => {});
      });
      const grown = await growthDuring((await own.workerPids())[0] ?? 0, async () => {
        const asked = request({ port: own.port, path: "/down", agent: false }).end();
        const [answer] = (await once(asked, "response")) as [IncomingMessage];
        assert.equal(answer.headers["content-length"], framing === "length" ? String(TOTAL) : undefined);
        assert.equal(await digest(answer), EXPECTED);
      });
      assert.ok(grown < MOST_GROWTH, `grew by ${(grown / MIB).toFixed(1)} MiB`);
    },
  );

  test(
    `200 MB up (${framing}) arrive unchanged and cost less than 50 MB of the worker's memory`,
    limit,
    async (t) => {
      const own = await startProxy(t, { v1: backend.url, v2: backend.url });
      routes.on("/up", (req, res) => {
        void digest(req).then((sha1) => res.end(`${req.headers["content-length"]} ${sha1}`));
      });
      const grown = await growthDuring((await own.workerPids())[0] ?? 0, async () => {
        const headers = framing === "length" ? { "Content-Length": TOTAL } : {};
        const sent = request({ port: own.port, path: "/up", method: "PUT", agent: false, headers });
        const answered = once(sent, "response") as Promise<[IncomingMessage]>;
        await pipeline(Readable.from(pieces()), sent);
        const [answer] = await answered;
        const length = framing === "length" ? String(TOTAL) : "undefined";
        assert.equal((await answer.toArray()).join(""), `${length} ${EXPECTED}`);
      });
      assert.ok(grown < MOST_GROWTH, `grew by ${(grown / MIB).toFixed(1)} MiB`);
    },
  );
}

test("a client that does not read stops the backend, and memory does not grow", limit, async (t) => {
  let written = (): number => 0;
  routes.on("/pour", (_req, res) => {
    const { socket } = res;
    written = () => socket?.bytesWritten ?? 0;
    pipeline(Readable.from(pieces()), res).catch(() => {});
  });
  const client = await openRaw(proxy.port, { t });
  const grown = await growthDuring(await workerPid(), async () => {
    client.send("GET /pour HTTP/1.1\r\nHost: h\r\n\r\n");
    client.pause();
    const taken = await standingStill("what the backend has written", () => written());
    assert.ok(taken < TOTAL / 4, `the backend could write ${(taken / MIB).toFixed(1)} MiB`);
  });
  assert.ok(grown < MOST_GROWTH / 2, `grew by ${(grown / MIB).toFixed(1)} MiB`);
});

test("a backend that does not read stops the client, and memory does not grow", limit, async (t) => {
  const deaf = await startRawBackend(t, (socket) => void socket.pause());
  const own = await startProxy(t, { v1: deaf.url, v2: backend.url });
  const client = await openRaw(own.port, { t });
  const grown = await growthDuring((await own.workerPids())[0] ?? 0, async () => {
    client.send(`PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: ${TOTAL}\r\n\r\n`);
    let taken = 0;
    const sending = (async () => {
      for (const piece of pieces()) {
        await client.sendAll(piece, 60_000);
        taken += piece.length;
      }
    })().catch(() => {}); // the test ends first
    const total = await standingStill("what the proxy has taken", () => taken);
    assert.ok(total < TOTAL / 4, `the client could write ${(total / MIB).toFixed(1)} MiB`);
    client.destroy();
    await sending;
  });
  assert.ok(grown < MOST_GROWTH / 2, `grew by ${(grown / MIB).toFixed(1)} MiB`);
});

test("a slow reader gets all of a large answer", limit, async (t) => {
  const body = Buffer.concat([...pieces()].slice(0, 40));
  routes.on("/large", (_req, res) => void res.end(body));
  const client = await openRaw(proxy.port, { t });
  client.socket.removeAllListeners("data"); // what RawClient keeps would be copied with every piece
  client.send("GET /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  let bytes = 0;
  const hash = createHash("sha1");
  for await (const chunk of client.socket) {
    const part = chunk as Buffer;
    hash.update(bytes === 0 ? part.subarray(part.indexOf("\r\n\r\n") + 4) : part);
    bytes += part.length;
    await setImmediate(); // reads no faster than once a turn
  }
  assert.equal(hash.digest("hex"), createHash("sha1").update(body).digest("hex"));
});
