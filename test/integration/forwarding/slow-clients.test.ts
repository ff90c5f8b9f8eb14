/** Clients that take, send or wait in a way that no limit of a single request sees. */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { startBackend, startRawBackend } from "../../support/backend.ts";
import { growthDuring } from "../../support/memory.ts";
import { startProxy } from "../../support/proxy.ts";
import { openRaw } from "../../support/raw-client.ts";
import { tcpTable } from "../../support/tcp-table.ts";
import { waitUntil } from "../../support/wait.ts";

const limit = { timeout: 30_000 };

test("a head of more than 64 KiB arrives when max_header_bytes allows it", limit, async (t) => {
  // A backend over node:http takes less.
  const raw = await startRawBackend(t, (socket) => {
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      if (text.endsWith("\r\n\r\n"))
        socket.end(`HTTP/1.1 200 OK\r\n\r\n${/X-Large: (x*)/.exec(text)?.[1]?.length}`);
    });
  });
  const own = await startProxy(t, {
    v1: raw.url,
    v2: raw.url,
    config: { server: { max_header_bytes: "512KiB", header_timeout: "2s" } },
  });
  const client = await openRaw(own.port, { t });
  const answer = await client
    .send(`GET / HTTP/1.1\r\nHost: h\r\nX-Large: ${"x".repeat(200_000)}\r\n\r\n`)
    .readResponse();
  assert.equal(answer.text, "200000");
});

test(
  "a client that waits for 100 Continue is not called slow: the backend has its response_timeout",
  limit,
  async (t) => {
    const raw = await startRawBackend(t, (socket) => {
      socket.once("data", () => {
        setTimeout(() => socket.write("HTTP/1.1 100 Continue\r\n\r\n"), 1_200);
        socket.on("data", (bytes) => {
          if (bytes.includes("hello")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        });
      });
    });
    const own = await startProxy(t, {
      v1: raw.url,
      v2: raw.url,
      config: { server: { min_body_rate_grace: "300ms", body_idle_timeout: "600ms" } },
    });
    const client = await openRaw(own.port, { t });
    client.send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert.equal((await client.readHead()).status, 100);
    assert.equal((await client.send("hello").readResponse()).text, "ok");
  },
);

test("a client that waits for 100 Continue in vain is told that the backend was slow", limit, async (t) => {
  const raw = await startRawBackend(t, (socket) => socket.resume());
  const own = await startProxy(t, {
    v1: raw.url,
    v2: raw.url,
    config: { server: { min_body_rate_grace: "300ms" }, upstream: { response_timeout: "600ms" } },
  });
  const client = await openRaw(own.port, { t });
  client.send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  assert.equal((await client.readResponse()).status, 504);
});

test("refusals are not piled up for a client that sends requests and reads no answer", limit, async (t) => {
  let held: ServerResponse | undefined;
  const backend = await startBackend(t, (_req, res) => {
    held = res;
  });
  const own = await startProxy(t, {
    v1: backend.url,
    v2: backend.url,
    config: { server: { max_in_flight: 1 } },
  });
  const first = await openRaw(own.port, { t });
  first.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  await waitUntil("the only request that may run is running", () => held !== undefined);
  const client = await openRaw(own.port, { t });
  client.pause();
  const requests = Buffer.from("GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(400_000)); // 11 MB, and 170 MB of answers
  const [worker = 0] = await own.workerPids();
  const growth = await growthDuring(worker, async () => {
    await Promise.race([
      client.sendAll(requests, 4_000).catch(() => {}),
      client.waitClosed(4_000).catch(() => {}),
    ]);
  });
  assert.ok(growth < 60 * 1024 * 1024, `grew by ${Math.round(growth / 1024 / 1024)} MiB`);
});

test("a client that reads no answer of the admin paths is cut in the end", { timeout: 60_000 }, async (t) => {
  const backend = await startBackend(t);
  const own = await startProxy(t, { v1: backend.url, v2: backend.url });
  const client = await openRaw(own.port, { t });
  client.pause();
  client.send("GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n".repeat(20_000));
  const open = async (): Promise<boolean> =>
    /client_connections 1\n/.test((await own.admin("GET", "/metrics")).body);
  await waitUntil("it is counted", open);
  await waitUntil("it is cut", async () => !(await open()), { limitMs: 40_000, intervalMs: 500 });
});

test("a connection that is idle does not keep the head of its last request", limit, async (t) => {
  const raw = await startRawBackend(t, (socket) => {
    socket.on("data", (bytes) => {
      if (bytes.includes("\r\n\r\n")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
  });
  const own = await startProxy(t, {
    v1: raw.url,
    v2: raw.url,
    config: { server: { max_header_bytes: "256KiB" } },
  });
  const [worker = 0] = await own.workerPids();
  const head = `GET / HTTP/1.1\r\nHost: a.name.of.some.length.test\r\nX: ${"x".repeat(200_000)}\r\n\r\n`;
  const ask = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const client = await openRaw(own.port, { t });
      assert.equal((await client.send(head).readResponse()).text, "ok");
    }
  };
  await ask(50);
  const growth = await growthDuring(worker, () => ask(400)); // 80 MB of heads
  assert.ok(growth < 40 * 1024 * 1024, `grew by ${Math.round(growth / 1024 / 1024)} MiB`);
});

test(
  "a worker that stood still does not blame its clients: what they have sent meanwhile counts",
  limit,
  async (t) => {
    const backend = await startBackend(t);
    const own = await startProxy(t, {
      v1: backend.url,
      v2: backend.url,
      config: { server: { header_timeout: "1s" } },
    });
    const [pid = 0] = await own.workerPids();
    for (let round = 0; round < 3; round++) {
      const client = await openRaw(own.port, { t });
      await client.sendAll(Buffer.from("GET / HTTP/1.1\r\n"));
      await waitUntil("the worker has read it", () =>
        tcpTable().some(
          ({ localPort, remotePort, receiveQueueBytes }) =>
            localPort === own.port && remotePort === client.localPort && receiveQueueBytes === 0,
        ),
      );
      process.kill(pid, "SIGSTOP");
      client.send("Host: h\r\n\r\n");
      await new Promise((resolve) => setTimeout(resolve, 2_000)); // twice the limit
      process.kill(pid, "SIGCONT");
      assert.equal((await client.readResponse()).status, 200);
    }
  },
);
