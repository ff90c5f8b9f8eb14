/**
 * A pool whose members come, leave, are drained, fail and are tried again all the time, while clients of every kind
 * come and leave at any moment: every place that a request held is given back, and nobody runs more than it may.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type VersionConfig, versionOfOne } from "../../../src/config/pool-config.ts";
import type { BackendSnapshot } from "../../../src/config/snapshot.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { afterInBackground } from "../../../src/core/timers.ts";
import type { Backend } from "../../../src/data-plane/backend/backend.ts";
import type { Pool } from "../../../src/data-plane/backend/pool.ts";
import { Reach } from "../../../src/data-plane/forward/reach.ts";
import { RetryPolicy } from "../../../src/data-plane/forward/retry-policy.ts";
import { Drains } from "../../../src/data-plane/listener/drain.ts";
import { PoolOrders } from "../../../src/data-plane/pool-orders.ts";
import { startBackend } from "../../support/backend.ts";
import { startHoldScene } from "../../support/hold-scene.ts";
import { poolOf } from "../../support/pools-of.ts";
import { waitUntil } from "../../support/wait.ts";

const ROUNDS = 120;
const CLIENTS = 12;
/** What never ends by itself is left after this, */
const ENDLESS_MS = 100;
/** and anything else is over long before that. */
const LONG_MS = 10_000;
const MOST_CLIENTS = 60;
const MOST_IN_FLIGHT = 6;
const JUDGING = {
  outlier: {
    window: 10,
    errorRatio: 0.4,
    minRequests: 4,
    ejectForMs: 60,
    maxEjectedRatio: 0.5,
    degradedRatio: 0.3,
  },
  breaker: {
    window: 10,
    errorRatio: 0.5,
    minRequests: 4,
    consecutiveFailures: 3,
    openForMs: 60,
    halfOpenRequests: 1,
  },
};
const REQUESTS = [
  "GET /get HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
  "GET /fails HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
  "GET /breaks HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
  `POST /up HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 90000\r\n\r\n${"u".repeat(90_000)}`,
  "GET /events HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
  "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
];

/** Every run the same. */
function startDice(seed: number): () => number {
  let count = seed;
  return () => createHash("sha256").update(String(count++)).digest().readUInt32BE(0) / 2 ** 32;
}

function answer(req: IncomingMessage, res: ServerResponse): void {
  if (req.url === "/breaks") return void req.socket.resetAndDestroy();
  if (req.url === "/events") {
    res.setHeader("Content-Type", "text/event-stream");
    const tick = setInterval(() => res.write("data: 1\n\n"), 5);
    return void res.on("close", () => clearInterval(tick));
  }
  const status = req.url === "/fails" ? 500 : 200;
  req.resume().on("end", () => setTimeout(() => res.writeHead(status).end("ok"), 3));
}

function talk(_req: IncomingMessage, socket: Socket): void {
  socket.on("error", () => {});
  socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
  socket.on("data", () => socket.end());
}

/** Resolves when it is closed. */
function runClient(port: number, request: string, leaveMs: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.resume().on("error", () => {});
    socket.write(request);
    const timer = setTimeout(() => (leaveMs < 20 ? socket.resetAndDestroy() : socket.destroy()), leaveMs);
    socket.on("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

async function startChurn(t: TestContext) {
  const origins = await Promise.all(Array.from({ length: 5 }, () => startBackend(t, answer)));
  for (const { server } of origins) server.on("upgrade", talk);
  const [first, second] = origins as [(typeof origins)[0], (typeof origins)[0]];
  const versions = [versionOfOne("v1", first.url), versionOfOne("v2", second.url)].map(
    (config): VersionConfig => ({ ...config, ...JUDGING }),
  );
  let coarse = { nowMs: 1_000_000 };
  const createPool = (config: VersionConfig, versionIndex: number): Pool =>
    poolOf(config, {
      versionIndex,
      needsLatency: true,
      maxInFlight: MOST_IN_FLIGHT,
      maxRetries: 3,
      nowMs: () => coarse.nowMs,
    });
  const reach = new Reach({
    connections: (backend) => scene.pool(backend),
    after: afterInBackground,
    random: Math.random,
  });
  const scene = await startHoldScene(
    t,
    { v1: first, v2: second },
    {
      versions,
      createPool,
      upstream: { maxConnections: 3, maxIdleConnections: 3, maxQueue: 4 },
      retryPolicy: new RetryPolicy(2, ["connect-failure", "dead-connection", "closed", 500], true),
      onUnreachable: (backend) => reach.doubt(backend),
    },
  );
  coarse = scene.coarse;
  const drains = new Drains(systemClock);
  const orders = new PoolOrders({
    serving: scene.serving,
    connections: scene.pools,
    drains,
    keepWarm: { stop: () => {} },
    drain: { deadlineMs: 200, websocketWindowMs: 50 },
  });
  t.after(() => {
    reach.close();
    for (const each of scene.serving.backends) drains.cancel(each);
  });
  let revision = 1;
  const apply = (backends: readonly BackendSnapshot[]): void =>
    orders.obey({ revision: ++revision, pools: [{ version: "v1", backends }] });
  return { ...scene, orders, apply, urls: origins.map(({ url }) => url) };
}

test("whatever becomes of the backends and the clients of a pool, nothing is left behind", {
  timeout: 120_000,
}, async (t) => {
  const { serving, pool, port, coarse, orders, apply, urls, load, connections, recorder } =
    await startChurn(t);
  const roll = startDice(7);
  const active = (): Pool => serving.current.active;
  const everybody = new Set<Backend>(serving.backends);
  let most = 0;
  let least = 0;
  const looking = setInterval(() => {
    coarse.nowMs += 2;
    for (const backend of serving.backends) {
      everybody.add(backend);
      most = Math.max(most, backend.inFlight);
      least = Math.min(least, backend.inFlight, backend.retries);
    }
  }, 2);
  t.after(() => clearInterval(looking));
  const clients: Promise<void>[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < CLIENTS; i++) {
      const request = REQUESTS[Math.floor(roll() * REQUESTS.length)] ?? "";
      const lastMs = /events|ws/.test(request) ? ENDLESS_MS : LONG_MS;
      const leaveMs = roll() < 0.3 ? roll() * 40 : lastMs;
      clients.push(runClient(port, request, leaveMs));
    }
    const members = urls
      .filter(() => roll() < 0.7)
      .map(
        (origin): BackendSnapshot => ({
          name: origin,
          origin,
          addresses: [],
          weight: roll() < 0.1 ? 0 : 1 + Math.floor(roll() * 3),
          isDrained: roll() < 0.15,
          health:
            (["unknown", "healthy", "degraded", "unhealthy"] as const)[Math.floor(roll() * 4)] ?? "unknown",
        }),
      );
    apply(members);
    await delay(roll() * 12);
    await waitUntil("some clients are gone", () => connections() < MOST_CLIENTS, { intervalMs: 2 });
    active().tick(coarse.nowMs);
    orders.tidy();
  }
  await Promise.all(clients);
  await waitUntil("all clients are gone", () => connections() === 0);
  await waitUntil("nothing runs", () => load.inFlight === 0);
  for (const { inFlight, requests, tunnels, streams, retries } of everybody) {
    assert.deepEqual([inFlight, requests.size, tunnels.size, streams.size, retries], [0, 0, 0, 0, 0]);
  }
  assert.ok(everybody.size > 20, `${everybody.size} backends came`);
  assert.ok(most > 1 && most <= MOST_IN_FLIGHT, `${most} in flight`);
  assert.equal(least, 0);
  const answered = recorder.read().requests.filter(({ code }) => code !== 499);
  assert.ok(answered.reduce((sum, { count }) => sum + count, 0) > 100, JSON.stringify(answered));

  apply(
    urls.map((origin) => ({
      name: origin,
      origin,
      addresses: [],
      weight: 1,
      isDrained: false,
      health: "healthy",
    })),
  );
  const isCalm = (): boolean => {
    orders.tidy();
    active().tick(coarse.nowMs);
    return serving.leaving.length === 0 && active().backends.every((each) => pool(each).load.active === 0);
  };
  await waitUntil("those that left are forgotten", isCalm, { limitMs: 20_000 });
});
