import assert from "node:assert/strict";
import { test } from "node:test";
import { looseShareOf, shareOf, shareOrNone } from "../../../src/core/share.ts";

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

test("no limit is none for each", () => {
  assert.deepEqual(shares(Number.POSITIVE_INFINITY, 3), Array(3).fill(Number.POSITIVE_INFINITY));
});

test("0 is 0 where it switches something off, and else shared out", () => {
  for (const total of [0, 1, 5]) {
    for (const index of [0, 1, 2]) {
      const share = { index, workers: 3 };
      assert.equal(shareOrNone(total, share), total === 0 ? 0 : shareOf(total, share));
    }
  }
});

test("a loose share is up to twice an even part, never more than all of it, and 0 of 0", () => {
  const loose = (total: number, workers: number) => looseShareOf(total, { index: 0, workers });
  assert.deepEqual([loose(20_000, 2), loose(20_000, 4), loose(20_000, 1)], [20_000, 10_000, 20_000]);
  assert.deepEqual(
    [loose(1, 8), loose(0, 2), loose(Number.POSITIVE_INFINITY, 2)],
    [1, 0, Number.POSITIVE_INFINITY],
  );
});
