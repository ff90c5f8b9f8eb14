/** WeightDrift and SlowStart: down with the failures, up step by step. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SlowStart } from "../../../../src/data-plane/backend/slow-start.ts";
import { WeightDrift } from "../../../../src/data-plane/backend/weight-drift.ts";

test("half of the weight from the degraded ratio on, less as more fail, never under a tenth", () => {
  const drift = new WeightDrift(0.3);
  const factors = [0.29, 0.3, 0.5, 0.6, 0.85, 1].map((ratio) => {
    drift.lower(ratio, 0);
    return Number(drift.factor.toFixed(6));
  });
  assert.deepEqual(factors, [1, 0.5, 0.5, 0.4, 0.15, 0.1]);
});

test("it says whether it has changed, and does not rise because fewer fail than before", () => {
  const drift = new WeightDrift(0.3);
  assert.deepEqual(
    [drift.lower(0.2, 0), drift.lower(0.7, 0), drift.lower(0.7, 0), drift.lower(0.4, 0)],
    [false, true, false, false],
  );
  assert.ok(Math.abs(drift.factor - 0.3) < 1e-9);
});

test("under a third of the degraded ratio it climbs a tenth for each second, up to all of it", () => {
  const drift = new WeightDrift(0.3);
  drift.lower(0.3, 0);
  assert.equal(drift.climb(0.1, 5_000), false, "a third is not under it");
  const factors = [6_000, 6_900, 7_999, 8_001, 9_000, 10_100].map((nowMs) => {
    drift.climb(0.09, nowMs);
    return Number(drift.factor.toFixed(6));
  });
  // Late ticks lose nothing: 2 steps within 2.999 s, and the next at 8.
  assert.deepEqual(factors, [0.6, 0.6, 0.7, 0.8, 0.9, 1]);
  assert.equal(drift.factor, 1, "exactly");
  assert.equal(drift.climb(0, 20_000), false);
});

test("a third of the ratio itself is not calm", () => {
  const drift = new WeightDrift(0.75);
  drift.lower(0.75, 0);
  assert.equal(drift.climb(0.25, 9_000), false);
  assert.equal(drift.climb(0.24, 10_000), true);
});

test("whatever happens, it is between a tenth and 1, and a backend without failures gets all of it back", () => {
  const step = fc.tuple(
    fc.boolean(),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.integer({ min: 0, max: 3_000 }),
  );
  fc.assert(
    fc.property(fc.double({ min: 0.01, max: 1, noNaN: true }), fc.array(step), (degradedRatio, steps) => {
      const drift = new WeightDrift(degradedRatio);
      let nowMs = 0;
      for (const [isFailure, ratio, passedMs] of steps) {
        nowMs += passedMs;
        if (isFailure) drift.lower(ratio, nowMs);
        else drift.climb(ratio, nowMs);
        assert.ok(drift.factor >= 0.1 && drift.factor <= 1, `${drift.factor}`);
      }
      for (let second = 1; second <= 10; second++) drift.climb(0, nowMs + second * 1_000);
      assert.equal(drift.factor, 1);
    }),
  );
});

test("a backend that came back climbs in a straight line from a tenth to all of its weight", () => {
  const climb = new SlowStart(10_000);
  climb.begin(1_000);
  const factors = [1_000, 2_000, 6_000, 10_999, 11_000, 99_000].map((nowMs) =>
    Number(climb.factor(nowMs).toFixed(2)),
  );
  assert.deepEqual(factors, [0.1, 0.19, 0.55, 1, 1, 1]);
  assert.deepEqual([climb.isOver(10_999), climb.isOver(11_000)], [false, true]);
});

test("one that was there from the start does not climb, nor does any when it is off", () => {
  const never = new SlowStart(10_000);
  assert.deepEqual([never.factor(0), never.isOver(0)], [1, true]);
  const off = new SlowStart(0);
  off.begin(5);
  assert.deepEqual([off.factor(5), off.isOver(5)], [1, true]);
});

test("whatever the time, a climb is between a tenth and 1", () => {
  fc.assert(
    fc.property(fc.nat(1e6), fc.nat(1e6), fc.nat(2e6), (durationMs, beganMs, nowMs) => {
      const climb = new SlowStart(durationMs);
      climb.begin(beganMs);
      const factor = climb.factor(nowMs);
      assert.ok(factor >= 0.1 && factor <= 1, `${factor}`);
    }),
  );
});
