import assert from "node:assert/strict";
import { test } from "node:test";
import type { Config } from "../../../../src/config/schema.ts";
import { poolLimits, shareOf } from "../../../../src/data-plane/forward/agent.ts";

function shares(total: number, workers: number): number[] {
  return Array.from({ length: workers }, (_, index) => shareOf(total, { index, workers }));
}
const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

test("the workers' shares add up to the total, and differ by 1 at most", () => {
  for (const total of [1, 2, 7, 64, 400, 20_000]) {
    for (const workers of [1, 2, 3, 7, 64]) {
      const given = shares(total, workers);
      assert.equal(sum(given), Math.max(total, workers), `${total} over ${workers}`); // at least 1 each
      assert.ok(Math.max(...given) - Math.min(...given) <= 1);
    }
  }
});

function limitsOf(upstream: Partial<Config["upstream"]>, backends: number, workers: number) {
  const config = {
    backends: Array.from({ length: backends }, (_, i) => ({ version: `v${i}`, origin: "http://h" })),
    upstream: {
      connectTimeoutMs: 1,
      tlsHandshakeTimeoutMs: 2,
      keepAliveTimeoutMs: 3,
      maxConnections: 400,
      maxIdleConnections: 200,
      maxTotalConnections: 6_000,
      maxQueue: 1_000,
      ...upstream,
    },
  } as unknown as Config;
  return Array.from({ length: workers }, (_, index) => poolLimits(config, { index, workers }));
}

test("connections and idle ones per backend are kept over all workers", () => {
  const limits = limitsOf({ maxConnections: 401, maxIdleConnections: 203, maxQueue: 1_001 }, 2, 4);
  assert.equal(sum(limits.map(({ maxConnections }) => maxConnections)), 401);
  assert.equal(sum(limits.map(({ maxIdleConnections }) => maxIdleConnections)), 203);
  assert.equal(sum(limits.map(({ maxQueue }) => maxQueue)), 1_001);
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
