import assert from "node:assert/strict";
import { test } from "node:test";
import { versionOfOne } from "../../../../src/config/pool-config.ts";
import type { Config } from "../../../../src/config/schema.ts";
import { ConnectionPools, poolLimits } from "../../../../src/data-plane/forward/connection-pools.ts";
import { startRawBackend } from "../../../support/backend.ts";
import { backendOf } from "../../../support/backend-of.ts";
import { onTestEnd } from "../../../support/cleanup.ts";

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

function configOf(upstream: Partial<Config["upstream"]>, backends: number): Config {
  return {
    server: { engine: "node" },
    backends: Array.from({ length: backends }, (_, i) => versionOfOne(`v${i}`, "http://h")),
    upstream: {
      connectTimeoutMs: 2_000,
      tlsHandshakeTimeoutMs: 2,
      keepAliveTimeoutMs: 3,
      maxConnections: 400,
      maxIdleConnections: 200,
      maxTotalConnections: 6_000,
      maxQueue: 1_000,
      maxHeaderBytes: 4,
      maxHeaderCount: 5,
      resolvers: [],
      ...upstream,
    },
  } as unknown as Config;
}

function limitsOf(upstream: Partial<Config["upstream"]>, backends: number, workers: number) {
  const config = configOf(upstream, backends);
  return Array.from({ length: workers }, (_, index) => poolLimits(config, { index, workers }, backends, 0));
}

test("connections and idle ones per backend are kept over all workers", () => {
  const limits = limitsOf({ maxConnections: 401, maxIdleConnections: 203, maxQueue: 1_001 }, 2, 4);
  assert.equal(sum(limits.map(({ maxConnections }) => maxConnections)), 401);
  assert.equal(sum(limits.map(({ maxIdleConnections }) => maxIdleConnections)), 203);
  // Those who wait do not come in equal parts: each worker may take up to twice its own.
  assert.deepEqual(
    limits.map(({ maxQueue }) => maxQueue),
    [502, 500, 500, 500],
  );
});

test("the total over all backends is kept too", () => {
  const limits = limitsOf({ maxConnections: 400, maxTotalConnections: 500 }, 3, 2);
  assert.ok(3 * sum(limits.map(({ maxConnections }) => maxConnections)) <= 500);
  assert.ok(limits.every(({ maxConnections, maxIdleConnections }) => maxIdleConnections <= maxConnections));
});

test("where a total is smaller than the number of workers, each still has one connection", () => {
  for (const limits of limitsOf({ maxConnections: 2, maxTotalConnections: 1 }, 64, 8)) {
    assert.equal(limits.maxConnections, 1);
  }
});

test("no queue and no idle connections mean none, in every worker", () => {
  for (const limits of limitsOf({ maxQueue: 0, maxIdleConnections: 0 }, 2, 3)) {
    assert.deepEqual([limits.maxQueue, limits.maxIdleConnections], [0, 0]);
  }
});

test("what is no number of things is the same in every worker", () => {
  for (const limits of limitsOf({}, 2, 3)) {
    const { connectTimeoutMs, tlsHandshakeTimeoutMs, keepAliveTimeoutMs } = limits;
    assert.equal(limits.engine, "node");
    assert.deepEqual([connectTimeoutMs, tlsHandshakeTimeoutMs, keepAliveTimeoutMs], [2_000, 2, 3]);
    assert.deepEqual([limits.maxHeaderBytes, limits.maxHeaderCount], [4, 5]);
  }
});

test("each backend has one pool, its own", (t) => {
  const backends = [backendOf("v1", "http://a:1", 0), backendOf("v2", "https://b", 1)];
  const pool = new ConnectionPools(configOf({}, 2), { index: 0, workers: 1 }, backends).of;
  const pools = backends.map(pool);
  for (const each of pools) onTestEnd(t, () => each.destroy());
  assert.deepEqual(
    pools.map(({ origin }) => origin),
    ["http://a:1", "https://b"],
  );
  assert.deepEqual(backends.map(pool), pools);
  assert.notEqual(pools[0], pools[1]);
});

test("only a name that the system looked up is looked up once more where its addresses fail", async (t) => {
  const { port } = await startRawBackend(t, (socket) => socket.resume()); // at 127.0.0.1
  const origin = `http://localhost:${port}`;
  const openTo = (name: string, resolvers: readonly string[]): Promise<string> => {
    const backend = backendOf("v1", origin, 0, { name, addresses: ["127.0.0.2"] });
    const pool = new ConnectionPools(configOf({ resolvers }, 1), { index: 0, workers: 1 }, [backend]).of(
      backend,
    );
    onTestEnd(t, () => pool.destroy());
    return new Promise((resolve) => void pool.openSpare((error) => resolve(error?.code ?? "open")));
  };
  assert.equal(await openTo(origin, []), "open");
  assert.equal(await openTo(origin, ["10.0.0.53"]), "BACKEND_CONNECT_FAILED", "it was asked for elsewhere");
  const ofAll = `http://127.0.0.2:${port}`;
  assert.equal(await openTo(ofAll, []), "BACKEND_CONNECT_FAILED", "it is that address and no other");
});
