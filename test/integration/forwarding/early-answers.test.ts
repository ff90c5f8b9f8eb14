/** Answers that are whole while their upload still runs: what becomes of the upload, and of both connections. */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { startRawBackend } from "../../support/backend.ts";
import { startProxy, type TestProxy } from "../../support/proxy.ts";
import { openRaw } from "../../support/raw-client.ts";
import { waitUntil } from "../../support/wait.ts";

const limit = { timeout: 30_000 };
const POST = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n";
const ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly";

async function counted(proxy: TestProxy, what: RegExp): Promise<boolean> {
  return what.test((await proxy.admin("GET", "/metrics")).body);
}

/** Answers at each head, and then reads on or does not. */
async function startEarly(t: Parameters<typeof startRawBackend>[0], then: (socket: Socket) => void) {
  return await startRawBackend(t, (socket) => {
    socket.on("data", (bytes) => {
      if (!bytes.includes("HTTP/1.1\r\n")) return;
      socket.write(ANSWER);
      then(socket);
    });
  });
}

test(
  "a client that leaves with its answer, in the middle of its upload, counts as answered",
  limit,
  async (t) => {
    const backend = await startEarly(t, (socket) => socket.resume());
    const proxy = await startProxy(t, { v1: backend.url, v2: backend.url });
    const client = await openRaw(proxy.port, { t });
    assert.equal((await client.send(POST).readResponse()).text, "early");
    client.destroy();
    await waitUntil("the request is counted", () => counted(proxy, /requests_total\{[^}]*method="POST"/));
    assert.ok(await counted(proxy, /requests_total\{[^}]*method="POST",code="200"\} 1/), "as 200");
  },
);

test("min_body_rate holds for the rest of an upload that was answered already", limit, async (t) => {
  const backend = await startEarly(t, (socket) => socket.resume());
  const proxy = await startProxy(t, {
    v1: backend.url,
    v2: backend.url,
    config: { server: { min_body_rate: "100B", min_body_rate_grace: "500ms" } },
  });
  const client = await openRaw(proxy.port, { t });
  assert.equal((await client.send(POST).readResponse()).text, "early");
  const drip = setInterval(() => client.send("x"), 100);
  t.after(() => clearInterval(drip));
  await client.waitClosed();
  await waitUntil("the backend's connection is gone", () => backend.connections === 0);
});

test(
  "a backend that has answered and reads no more is left, and its client's connection goes on",
  limit,
  async (t) => {
    const backend = await startEarly(t, (socket) => socket.pause());
    const proxy = await startProxy(t, {
      v1: backend.url,
      v2: backend.url,
      config: { upstream: { body_idle_timeout: "500ms" } },
    });
    const client = await openRaw(proxy.port, { t });
    const body = 30_000_000;
    client.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${body}\r\n\r\n`);
    assert.equal((await client.readResponse()).text, "early");
    await client.sendAll(Buffer.alloc(body, "x"));
    assert.equal((await client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").readResponse()).text, "early");
  },
);

test(
  "the rest of an answered upload ends with the drain of its version, and its client goes on",
  limit,
  async (t) => {
    const backend = await startEarly(t, (socket) => socket.resume());
    const proxy = await startProxy(t, {
      v1: backend.url,
      v2: backend.url,
      config: { switch: { drain: { deadline: "300ms", websocket_window: "100ms" } } },
    });
    const client = await openRaw(proxy.port, { t });
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello");
    assert.equal((await client.readResponse()).text, "early");
    await proxy.switchTo("v2");
    await waitUntil("the backend is left", async () =>
      counted(proxy, /upstream_connections\{version="v1",state="active"\} 0\n/),
    );
    client.send("world");
    assert.equal((await client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").readResponse()).text, "early");
  },
);
