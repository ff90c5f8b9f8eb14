/** A backend that is removed by hand while the gate still probes it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startBackend } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import { startProxy } from "../../support/proxy.ts";

const limit = { timeout: 60_000 };

test(
  "a backend that is removed while a rehearsal waits for it ends the wait, and no worker",
  limit,
  async (t) => {
    const v1 = await startBackend(t, (_req, res) => res.end("v1"));
    const good = await startBackend(t, (_req, res) => res.end("good"));
    const dead = `http://127.0.0.1:${await freePort()}`;
    const proxy = await startProxy(t, {
      v1: v1.url,
      v2: "",
      workers: 2,
      config: { backends: { v2: { targets: [good.url, dead] } } },
    });
    const pids = async () => (await proxy.status()).workers.map(({ pid }) => pid);
    const before = await pids();
    const beganAtMs = performance.now();
    const rehearsal = proxy.admin("POST", "/switch", {
      body: { version: "v2", wait: "30s", dry_run: true },
      limitMs: 50_000,
    });
    await good.requestsSeen(2); // one of each worker
    const removed = await proxy.admin("POST", "/backends", {
      body: { version: "v2", backend: dead, action: "remove" },
    });
    assert.equal(removed.status, 200, removed.body);
    const reply = await rehearsal;
    assert.equal(reply.json().verdict, "would_switch", reply.body);
    assert.ok(performance.now() - beganAtMs < 20_000, "it did not wait to the end");
    assert.deepEqual(await pids(), before);
  },
);
