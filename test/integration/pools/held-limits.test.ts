/** Requests that a hold let wait, where the backends of a pool take only a few at a time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startBackend } from "../../support/backend.ts";
import { startProxy } from "../../support/proxy.ts";
import { waitUntil } from "../../support/wait.ts";

const limit = { timeout: 60_000 };
const HELD = 40;
const AT_ONCE = 2;

test(
  "what a hold let wait goes on as fast as limits.max_in_flight lets it, and none is refused",
  limit,
  async (t) => {
    let most = 0;
    const start = () => {
      let running = 0;
      return startBackend(t, (_req, res) => {
        most = Math.max(most, ++running);
        res.on("close", () => running--);
        setTimeout(() => res.end("ok"), 10);
      });
    };
    const [a, b, v2] = [await start(), await start(), await start()];
    const proxy = await startProxy(t, {
      v1: "",
      v2: v2.url,
      config: { backends: { v1: { targets: [a.url, b.url], limits: { max_in_flight: AT_ONCE } } } },
    });
    const paused = await proxy.admin("POST", "/pause", { body: { for: "30s" } });
    assert.equal(paused.status, 200, paused.body);
    const held = Array.from({ length: HELD }, async () => (await fetch(proxy.url)).status);
    await waitUntil("all wait", async () => {
      const { body } = await proxy.admin("GET", "/metrics");
      return body.includes(`\ntraffic_switching_held_requests ${HELD}\n`);
    });
    assert.equal((await proxy.admin("POST", "/resume", { body: {} })).status, 200);
    assert.deepEqual(await Promise.all(held), Array(HELD).fill(200));
    assert.ok(most <= AT_ONCE, `${most} at once`);
  },
);
