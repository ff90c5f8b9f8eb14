/** What is counted of connections stays true, whatever happens to them. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startBackend, startRawBackend } from "../../support/backend.ts";
import type { TestEnd } from "../../support/cleanup.ts";
import { whilePaused } from "../../support/paused.ts";
import { startProxy } from "../../support/proxy.ts";
import { openRaw } from "../../support/raw-client.ts";
import { waitUntil } from "../../support/wait.ts";

const file: TestEnd = { after };
const limit = { timeout: 30_000 };
const GET = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

const backend = await startBackend(file);

test(
  "a probe that is given up with the last byte of its answer takes its connection out once",
  limit,
  async (t) => {
    const MiB = 1024 * 1024;
    const raw = await startRawBackend(t, (socket) => {
      socket.once("data", () => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${MiB + 1}\r\n\r\n`);
        socket.write(Buffer.alloc(MiB), () => setTimeout(() => socket.write("x"), 100));
      });
    });
    const proxy = await startProxy(t, { v1: backend.url, v2: raw.url });
    const seen = raw.connectionSeen();
    const reply = await proxy.admin("POST", "/switch", { body: { version: "v2" }, limitMs: 20_000 });
    assert.equal(reply.status, 422, reply.body);
    await seen;
    await waitUntil("the connections are gone", () => raw.connections === 0);
    await waitUntil("they are counted so", async () => {
      const { body } = await proxy.admin("GET", "/metrics");
      assert.match(body, /upstream_connections\{version="v2",state="active"\} 0\n/);
      return true;
    });
  },
);

test(
  "clients that leave before they are refused do not use up what refused ones are told with",
  limit,
  async (t) => {
    const proxy = await startProxy(t, {
      v1: backend.url,
      v2: backend.url,
      workers: 2,
      config: { server: { max_connections: 1 } },
    });
    const first = await openRaw(proxy.port, { t });
    assert.equal((await first.send(GET).readResponse()).text, "ok");
    // While the primary stands still, and no longer than a worker waits for it.
    const refused = async (): Promise<number> => {
      const { body } = await proxy.admin("GET", "/metrics");
      return Number(/client_connections_refused_total\{reason="max_connections"\} (\d+)/.exec(body)?.[1]);
    };
    while ((await refused()) < 3_000) {
      await whilePaused([proxy.pid], async () => {
        const clients = await Promise.all(Array.from({ length: 200 }, () => openRaw(proxy.port)));
        for (const client of clients) client.reset();
      });
    }
    const late = await openRaw(proxy.port, { t });
    assert.equal((await late.send(GET).readResponse()).status, 503);
  },
);
