import assert from "node:assert/strict";
import type { RequestListener, ServerResponse } from "node:http";
import { type TestContext, test } from "node:test";
import { startBackend } from "../../support/backend.ts";
import { parseJsonObject } from "../../support/http-client.ts";
import { startProxy } from "../../support/proxy.ts";
import { openRaw } from "../../support/raw-client.ts";
import { waitUntil, withLimit } from "../../support/wait.ts";

const limit = { timeout: 30_000 };
const GET = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const GET_SLOW = "GET /slow HTTP/1.1\r\nHost: h\r\n\r\n";

/** A daemon whose backend answers `/slow` only when told to. */
async function startWithSlowBackend(t: TestContext, server: object = {}, workers = 2) {
  const waiting: ServerResponse[] = [];
  const answer: RequestListener = (req, res) => {
    if (req.url === "/slow") waiting.push(res);
    else res.end("ok");
  };
  const backend = await startBackend(t, answer);
  const proxy = await startProxy(t, { v1: backend.url, v2: backend.url, workers, config: { server } });
  return { backend, proxy, waiting };
}

async function refusesConnections(port: number): Promise<boolean> {
  const client = await openRaw(port).catch(() => undefined);
  client?.destroy();
  return client === undefined;
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(
    `on ${signal} readiness turns red, new connections are refused, what runs is finished, and the exit code is 0`,
    limit,
    async (t) => {
      const { proxy, waiting } = await startWithSlowBackend(t);
      const [slow, idle, used] = await Promise.all([
        openRaw(proxy.port, { t }),
        openRaw(proxy.port, { t }),
        openRaw(proxy.port, { t }),
      ]);
      assert.equal((await used.send(GET).readResponse()).text, "ok");
      slow.send(GET_SLOW);
      await waitUntil("the slow request is with the backend", () => waiting.length === 1);

      proxy.child.kill(signal);
      await proxy.waitForLog(({ msg }) => msg?.startsWith("ending") === true);
      const ready = await proxy.admin("GET", "/readyz");
      assert.equal(ready.status, 503);
      assert.match(ready.body, /ending/);
      assert.equal((await proxy.admin("GET", "/livez")).status, 200);
      await Promise.all([idle.waitClosed(), used.waitClosed()]);
      await waitUntil("new connections are refused", () => refusesConnections(proxy.port));

      waiting[0]?.end("finished");
      const answer = await slow.readResponse();
      assert.deepEqual([answer.text, answer.header("connection")], ["finished", "close"]);
      await slow.waitClosed();
      assert.deepEqual(await withLimit(proxy.exited, 3_000, "the exit"), { code: 0, signal: null });
      await proxy.allGone();
    },
  );
}

test(
  "a signal to the whole process group, as Ctrl-C sends it, ends the daemon in the same order",
  limit,
  async (t) => {
    const { proxy, waiting } = await startWithSlowBackend(t);
    const slow = await openRaw(proxy.port, { t });
    slow.send(GET_SLOW);
    await waitUntil("the slow request is with the backend", () => waiting.length === 1);
    process.kill(-proxy.pid, "SIGINT");
    await waitUntil("new connections are refused", () => refusesConnections(proxy.port));
    waiting[0]?.end("finished");
    assert.equal((await slow.readResponse()).text, "finished");
    assert.deepEqual(await withLimit(proxy.exited, 3_000, "the exit"), { code: 0, signal: null });
  },
);

test(
  "an answer that is streaming, an upload and pipelined requests are finished after SIGTERM",
  limit,
  async (t) => {
    const streams: ServerResponse[] = [];
    const backend = await startBackend(t, (req, res) => {
      if (req.url === "/stream") {
        res.write("begun ");
        streams.push(res);
      } else req.pipe(res);
    });
    const proxy = await startProxy(t, { v1: backend.url, v2: backend.url });
    const [stream, upload, pipelined] = await Promise.all([
      openRaw(proxy.port, { t }),
      openRaw(proxy.port, { t }),
      openRaw(proxy.port, { t }),
    ]);
    stream.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    upload.send("POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nfirst");
    pipelined.send(
      `GET /stream HTTP/1.1\r\nHost: h\r\n\r\nPOST /last HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi`,
    );
    await stream.readUntil("begun ");
    await upload.readUntil("first");
    await pipelined.readUntil("begun ");
    proxy.child.kill("SIGTERM");
    await waitUntil("new connections are refused", () => refusesConnections(proxy.port));
    upload.send("-last");
    await upload.readUntil("-last");
    for (const res of streams) res.end("ended");
    await stream.readUntil("ended\r\n0\r\n\r\n");
    await pipelined.readUntil("ended\r\n0\r\n\r\n");
    assert.equal((await pipelined.readResponse()).text, "hi");
    assert.deepEqual(await withLimit(proxy.exited, 3_000, "the exit"), { code: 0, signal: null });
  },
);

test(
  "requests that were sent before SIGTERM, even on connections nobody has accepted yet, are answered",
  limit,
  async (t) => {
    const { proxy } = await startWithSlowBackend(t);
    const kept = await openRaw(proxy.port, { t });
    assert.equal((await kept.send(GET).readResponse()).text, "ok");
    const pids = await proxy.workerPids();
    for (const pid of pids) process.kill(pid, "SIGSTOP"); // so that all of them wait in the kernel
    const clients = [
      kept,
      ...(await Promise.all(Array.from({ length: 50 }, () => openRaw(proxy.port, { t })))),
    ];
    for (const client of clients) client.send(GET);
    proxy.child.kill("SIGTERM");
    await proxy.waitForLog(({ msg }) => msg?.startsWith("ending") === true);
    for (const pid of pids) process.kill(pid, "SIGCONT");
    const answers = await Promise.all(clients.map((client) => client.readResponse()));
    assert.ok(answers.every(({ status }) => status === 200));
    assert.equal((await proxy.exited).code, 0);
  },
);

test(
  "what still runs when shutdown_grace is over is cut with 504, and the exit code is 0",
  limit,
  async (t) => {
    const { proxy, waiting } = await startWithSlowBackend(t, { shutdown_grace: "500ms" });
    const slow = await openRaw(proxy.port, { t });
    slow.send(GET_SLOW);
    await waitUntil("the slow request is with the backend", () => waiting.length === 1);
    const sentMs = performance.now();
    proxy.child.kill("SIGTERM");
    const answer = await slow.readResponse();
    assert.equal(answer.status, 504);
    assert.equal(parseJsonObject(answer.text).code, "DRAIN_DEADLINE");
    assert.deepEqual(await withLimit(proxy.exited, 4_000, "the exit"), { code: 0, signal: null });
    assert.ok(performance.now() - sentMs >= 450);
    await proxy.allGone();
  },
);

test("an answer that is cut at the end of shutdown_grace looks broken", limit, async (t) => {
  const backend = await startBackend(t, (_req, res) => void res.write("begun"));
  const proxy = await startProxy(t, {
    v1: backend.url,
    v2: backend.url,
    config: { server: { shutdown_grace: "300ms" } },
  });
  const client = await openRaw(proxy.port, { t });
  client.send(GET);
  await client.readUntil("begun");
  proxy.child.kill("SIGTERM");
  await client.waitClosed();
  assert.equal(client.unread.toString(), "\r\n", "no last chunk");
  assert.equal((await proxy.exited).code, 0);
});

test(
  "at SIGTERM a stream of events ends between two events, long before shutdown_grace",
  limit,
  async (t) => {
    const streams: ServerResponse[] = [];
    const backend = await startBackend(t, (_, res) => {
      res.writeHead(200, { "Content-Type": "text/event-stream" });
      res.write("data: one\n\ndata: t");
      streams.push(res);
    });
    const proxy = await startProxy(t, {
      v1: backend.url,
      v2: backend.url,
      config: { server: { shutdown_grace: "20s" }, switch: { drain: { websocket_window: "100ms" } } },
    });
    const client = await openRaw(proxy.port, { t });
    client.send(GET);
    await waitUntil("the second event has begun", () => String(client.unread).includes("data: t"));
    const [stream] = streams;
    assert.ok(stream);
    const gone = new Promise((resolve) => stream.once("close", resolve));
    proxy.child.kill("SIGTERM");
    const sending = setInterval(() => stream.write("wo\n\ndata: t"), 20);
    t.after(() => clearInterval(sending));
    const { text, isComplete } = await client.readResponse();
    assert.ok(isComplete, "it ends like a whole answer");
    assert.match(text, /^data: one\n\n(data: two\n\n)+$/);
    assert.equal(await client.waitClosed(), "end");
    await withLimit(gone, 5_000, "the backend's side to end");
    assert.deepEqual(await withLimit(proxy.exited, 5_000, "the exit"), { code: 0, signal: null });
  },
);

test("with shutdown_grace 0s everything is cut at once", limit, async (t) => {
  const { proxy, waiting } = await startWithSlowBackend(t, { shutdown_grace: "0s" }, 1);
  const slow = await openRaw(proxy.port, { t });
  slow.send(GET_SLOW);
  await waitUntil("the slow request is with the backend", () => waiting.length === 1);
  assert.deepEqual(await proxy.stop("SIGTERM", 3_000), { code: 0, signal: null });
});

test("a second signal ends the daemon at once, workers included, with exit code 1", limit, async (t) => {
  const { proxy, waiting } = await startWithSlowBackend(t);
  const slow = await openRaw(proxy.port, { t });
  slow.send(GET_SLOW);
  await waitUntil("the slow request is with the backend", () => waiting.length === 1);
  proxy.child.kill("SIGTERM");
  await proxy.waitForLog(({ msg }) => msg?.startsWith("ending") === true);
  proxy.child.kill("SIGTERM");
  assert.deepEqual(await withLimit(proxy.exited, 1_500, "the exit"), { code: 1, signal: null });
  await slow.waitClosed();
  await proxy.allGone(1_000);
});

test(
  "SIGTERM while the workers are still starting ends the daemon soon, with exit code 0",
  limit,
  async (t) => {
    const { proxy } = await startWithSlowBackend(t, {}, 2);
    await proxy.stop();
    for (const _ of [1, 2, 3]) {
      proxy.start();
      const logged = proxy.logs().length;
      await waitUntil("it has begun", () => proxy.logs().length > logged, { intervalMs: 1 });
      assert.deepEqual(await proxy.stop("SIGTERM", 4_000), { code: 0, signal: null });
      await proxy.allGone();
    }
  },
);

test("SIGTERM while a dead worker waits for its restart ends the daemon soon", limit, async (t) => {
  const { proxy } = await startWithSlowBackend(t, {}, 1);
  const [pid = 0] = await proxy.workerPids();
  process.kill(pid, "SIGKILL");
  await proxy.waitForLog(({ msg }) => msg?.startsWith("worker died") === true);
  assert.deepEqual(await proxy.stop("SIGTERM", 4_000), { code: 0, signal: null });
  await proxy.allGone();
});

test("SIGHUP is said to be ignored, and nothing changes", limit, async (t) => {
  const { proxy } = await startWithSlowBackend(t, {}, 1);
  process.kill(-proxy.pid, "SIGHUP");
  await proxy.waitForLog(({ msg }) => msg?.startsWith("SIGHUP") === true);
  const client = await openRaw(proxy.port, { t });
  assert.equal((await client.send(GET).readResponse()).text, "ok");
});
