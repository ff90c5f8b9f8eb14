/** /livez and /readyz: what an orchestrator asks, from the start to the end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { freePort } from "../../support/free-port.ts";
import { request } from "../../support/http-client.ts";
import { startPair } from "../../support/pair.ts";
import { startProxy } from "../../support/proxy.ts";
import { waitUntil } from "../../support/wait.ts";

test("with both backends down the daemon starts, is ready, and answers 502", {
  timeout: 40_000,
}, async (t) => {
  const proxy = await startProxy(t, {
    v1: `http://127.0.0.1:${await freePort()}`,
    v2: `http://127.0.0.1:${await freePort()}`,
    workers: 2,
  });
  const reply = await request(proxy.port);
  assert.equal(reply.status, 502, reply.body);
  assert.equal(reply.json().code, "BACKEND_CONNECT_FAILED");
  assert.equal((await proxy.admin("GET", "/readyz")).status, 200);
  assert.equal((await proxy.admin("GET", "/livez")).status, 200);
  const refused = await proxy.admin("POST", "/switch", { body: { version: "v2" } });
  assert.equal(refused.status, 422, refused.body);
  assert.equal((await proxy.status()).epoch, 0);
});

test("/readyz turns 503 when the daemon ends, says why, and /livez stays 200 until the end", {
  timeout: 40_000,
}, async (t) => {
  const { proxy, v1, behave } = await startPair(t, { workers: 2 });
  let answer = (): void => undefined;
  behave.v1 = (_req, res) => {
    answer = () => res.end("v1, at last");
  };
  const seen = v1.requestSeen();
  const running = request(proxy.port, { limitMs: 20_000 });
  await seen;
  proxy.child.kill("SIGTERM");
  const red = await waitUntil("/readyz is red", async () => {
    const reply = await proxy.admin("GET", "/readyz");
    return reply.status === 503 && reply;
  });
  assert.match(red.body, /ending/);
  assert.equal((await proxy.admin("GET", "/livez")).status, 200);
  const refused = await proxy.admin("POST", "/switch", { body: { version: "v2" } });
  assert.equal(refused.status, 503, refused.body);
  assert.equal(refused.json().code, "NOT_READY");
  answer();
  assert.equal((await running).body, "v1, at last");
  assert.deepEqual(await proxy.exited, { code: 0, signal: null });
});

test("/readyz is red while a worker is missing, and green again when it is replaced", {
  timeout: 40_000,
}, async (t) => {
  const { proxy } = await startPair(t, { workers: 2 });
  const [victim] = await proxy.workerPids();
  assert.ok(victim);
  process.kill(victim, "SIGKILL");
  const red = await waitUntil("/readyz is red", async () => {
    const reply = await proxy.admin("GET", "/readyz");
    return reply.status === 503 && reply;
  });
  assert.match(red.body, /1 of 2 workers/);
  await waitUntil(
    "/readyz is green again",
    async () => (await proxy.admin("GET", "/readyz")).status === 200,
    {
      limitMs: 15_000,
    },
  );
});
