/** A request that shows whether a backend may be used again: however it ends, its place is given back, and what it says is heard. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { BreakerState } from "../../../../src/data-plane/backend/breaker.ts";
import { clientTransport } from "../../../../src/data-plane/sockets/open-transport.ts";
import { socketPair } from "../../../support/socket-pair.ts";
import { waitUntil } from "../../../support/wait.ts";
import { type RetryScene, type Running, startRetryScene } from "./retry-scene.ts";

const limit = { timeout: 20_000 };
const BREAKER = {
  window: 10,
  errorRatio: 0.5,
  minRequests: 10,
  consecutiveFailures: 1,
  openForMs: 1_000,
  halfOpenRequests: 1,
};

const LATER_MS = 10_000_000;

/** The breaker of the first backend is half-open, and the one request that it lets through has reached it. */
async function startTrial(t: TestContext, start = "GET / HTTP/1.1", fields: readonly string[] = []) {
  const scene = await startRetryScene(t, { breaker: BREAKER, retryOn: ["closed"] });
  const backend = scene.pool.pick(0);
  assert.ok(backend);
  backend.standing.end(null, "failed", 0);
  assert.equal(backend.standing.breakerState, "open");
  scene.pool.tick(BREAKER.openForMs);
  assert.equal(scene.pool.weightOf(backend), 1);
  const [client] = await socketPair(t);
  const running = scene.send(start, fields, "h", { detached: clientTransport(client) });
  await scene.head(0);
  assert.deepEqual([running.exchange.backend, scene.pool.weightOf(backend)], [backend, 0]);
  return { scene, running, backend };
}

type End = (scene: RetryScene, running: Running) => void;

const UPGRADE = ["Connection: Upgrade", "Upgrade: chat"];
const ENDS: Readonly<Record<string, { end: End; weight: number; state: BreakerState; fields?: string[] }>> = {
  "its client leaves": { end: (_, { exchange }) => exchange.onClientGone(), weight: 1, state: "half-open" },
  "a drain cuts it": { end: (_, { exchange }) => exchange.cutForDrain(), weight: 1, state: "half-open" },
  "it is too late": { end: (scene) => scene.pass(2_001), weight: 0, state: "open" },
  "it is sent to another backend": {
    end: (scene) => scene.accepted[0]?.[0]?.end(),
    weight: 0,
    state: "open",
  },
  "it is answered": {
    end: (scene) => scene.accepted[0]?.[0]?.send("HTTP/1.1 204 No Content\r\n\r\n"),
    weight: 1,
    state: "closed",
  },
  "it becomes a tunnel": {
    end: (scene) =>
      scene.accepted[0]?.[0]?.send("HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n"),
    weight: 1,
    state: "closed",
    fields: UPGRADE,
  },
};

for (const [how, { end, weight, state, fields }] of Object.entries(ENDS)) {
  test(`a trial's place is free again when ${how}`, limit, async (t) => {
    const { scene, running, backend } = await startTrial(t, "GET / HTTP/1.1", fields);
    end(scene, running);
    await waitUntil("its attempt is over", () => backend.requests.size === 0);
    assert.deepEqual([scene.pool.weightOf(backend), backend.standing.breakerState], [weight, state]);
    // The next trial has its place too.
    backend.standing.end(null, "failed", 0);
    scene.pool.tick(LATER_MS);
    assert.equal(scene.pool.weightOf(backend), 1);
  });
}
