import assert from "node:assert/strict";
import { test } from "node:test";
import { Acks } from "../../../../src/control-plane/switch/acks.ts";

const WORKERS = new Map([
  [101, { worker: 1 }],
  [102, { worker: 2 }],
]);
const START = { nowMs: 1_000, limitMs: 2_000 };

test("whoever has not acknowledged at the deadline is silent, and that is told once", () => {
  const acks = new Acks(WORKERS, START);
  acks.settle(102, true, 1_500);
  assert.equal(acks.takeOverdue(2_999), false);
  assert.equal(acks.wakeAtMs, 3_000);
  assert.equal(acks.takeOverdue(3_000), true);
  assert.deepEqual([...acks.silent], [[101, 1]]);
  assert.deepEqual([acks.takeOverdue(9_000), acks.wakeAtMs], [false, Number.POSITIVE_INFINITY]);
});

test("nobody is overdue when all have acknowledged or are gone", () => {
  const acks = new Acks(WORKERS, START);
  acks.settle(102, true, 1_500);
  acks.settle(101, false, 1_600);
  acks.settle(101, true, 1_700); // it has settled
  acks.settle(103, true, 1_700); // it was not asked
  assert.deepEqual([acks.isComplete, acks.takeOverdue(3_000)], [true, false]);
  assert.deepEqual(acks.settled, [
    { worker: 1, pid: 101, isDone: false, atMs: 1_600 },
    { worker: 2, pid: 102, isDone: true, atMs: 1_500 },
  ]);
});

test("when the whole machine stood still the workers get their time again, once", () => {
  const acks = new Acks(WORKERS, START);
  assert.equal(acks.takeOverdue(60_000), false);
  assert.equal(acks.wakeAtMs, 62_000);
  assert.equal(acks.takeOverdue(90_000), true);
});
