/** Outlier: out soon when it fails, back when it does not, and never more of a pool than may be. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { OutlierConfig } from "../../../../src/config/pool-config.ts";
import type { Outcome } from "../../../../src/core/outcome.ts";
import { mostEjected, Outlier } from "../../../../src/data-plane/backend/outlier.ts";
import { chances } from "../../../support/chances.ts";

const CONFIG: OutlierConfig = {
  window: 100,
  errorRatio: 0.5,
  minRequests: 20,
  ejectForMs: 30_000,
  maxEjectedRatio: 0.5,
  degradedRatio: 0.3,
};

function outlier(config: Partial<OutlierConfig> = {}, mayEject = (): boolean => true): Outlier {
  return new Outlier({ ...CONFIG, ...config }, mayEject);
}

/** `S` good, `F` failed. */
function noteAll(judge: Outlier, outcomes: string, nowMs = 0): void {
  for (const outcome of outcomes) judge.note(outcome === "F", nowMs);
}

function tryOnce(judge: Outlier, outcome: Outcome, nowMs: number): void {
  const place = judge.enter(nowMs);
  assert.ok(place !== null, "the trial has room");
  judge.leave(place, outcome, nowMs);
}

/** Ejected at `nowMs`. */
function ejected(nowMs = 0, config: Partial<OutlierConfig> = {}): Outlier {
  const judge = outlier(config);
  noteAll(judge, "F".repeat(20), nowMs);
  assert.equal(judge.state, "ejected");
  return judge;
}

test("10 failures of 10 calls: fewer than min_requests eject nobody", () => {
  const judge = outlier();
  noteAll(judge, "F".repeat(19));
  assert.deepEqual([judge.state, judge.factor], ["in", 1]);
  assert.equal(judge.note(true, 0), true);
  assert.deepEqual([judge.state, judge.factor], ["ejected", 0]);
});

test("the ratio itself ejects, one failure less does not", () => {
  const judge = outlier();
  noteAll(judge, `${"S".repeat(11)}${"F".repeat(9)}`);
  assert.equal(judge.state, "in");
  noteAll(judge, "F"); // 10 of the last 20
  assert.equal(judge.state, "ejected");
});

test("a backend that was good for long and begins to fail is out after half of min_requests, not half of the window", () => {
  const judge = outlier();
  noteAll(judge, `${"S".repeat(1_000)}${"F".repeat(9)}`);
  assert.equal(judge.state, "in");
  noteAll(judge, "F");
  assert.equal(judge.state, "ejected");
});

test("the whole window ejects too, where the newest outcomes alone would not", () => {
  const judge = outlier({ window: 40, errorRatio: 0.4 });
  noteAll(judge, "FFFFFSSSSSSFSSSSSSSFF"); // 8 of 21, and of the last 20 only 7
  assert.equal(judge.state, "in");
  noteAll(judge, "F"); // 9 of 22, still 7 of the last 20
  assert.equal(judge.state, "ejected");
});

test("a good outcome ejects nobody", () => {
  const judge = outlier({ minRequests: 4 });
  noteAll(judge, "FFFS");
  assert.equal(judge.state, "in");
  noteAll(judge, "F");
  assert.equal(judge.state, "ejected");
});

test("a backend of which half fails is out within two windows: in all of 20,000 lives", () => {
  const chance = chances(1);
  const windows = [0, 0, 0];
  for (let life = 0; life < 20_000; life++) {
    const judge = outlier();
    let outcomes = 0;
    for (; judge.state === "in" && outcomes < 200; outcomes++) judge.note(chance() < 0.5, 0);
    const window = judge.state === "in" ? 2 : Math.floor((outcomes - 1) / 100);
    windows[window] = (windows[window] ?? 0) + 1;
  }
  assert.equal(windows[2], 0, `${windows}`);
  assert.ok((windows[1] ?? 0) <= 20, `in the second window: ${windows}`);
});

test("a backend of which one in ten fails stays in for 100 outcomes, in 999 lives of 1,000", () => {
  const chance = chances(2);
  let out = 0;
  for (let life = 0; life < 10_000; life++) {
    const judge = outlier();
    for (let i = 0; i < 100; i++) judge.note(chance() < 0.1, 0);
    if (judge.state !== "in") out++;
  }
  assert.ok(out <= 10, `${out} of 10,000 were ejected`);
});

test("it is out for eject_for, and then tried with three requests, one after the other", () => {
  const judge = ejected(1_000);
  assert.equal(judge.ejectedUntilMs, 31_000);
  assert.deepEqual([judge.tick(30_999), judge.state], [false, "ejected"]);
  assert.equal(judge.enter(30_999), null);
  assert.deepEqual([judge.tick(31_000), judge.state, judge.factor], [true, "trial", 1]);
  const first = judge.enter(31_000);
  assert.deepEqual([judge.factor, judge.enter(31_000)], [0, null]);
  assert.ok(first !== null);
  judge.leave(first, "good", 31_100);
  tryOnce(judge, "good", 31_200);
  assert.equal(judge.state, "trial");
  tryOnce(judge, "good", 31_300);
  assert.deepEqual([judge.state, judge.factor], ["in", 1]);
  noteAll(judge, "F".repeat(19), 31_400);
  assert.equal(judge.state, "in", "its window was emptied");
});

test("one that was degraded before it was ejected has its whole weight when it is restored", () => {
  const judge = outlier();
  noteAll(judge, `${"S".repeat(14)}${"F".repeat(10)}`);
  assert.equal(judge.state, "ejected");
  judge.tick(30_000);
  for (let i = 0; i < 3; i++) tryOnce(judge, "good", 30_000);
  assert.deepEqual([judge.state, judge.isDegraded, judge.factor], ["in", false, 1]);
});

test("a trial that fails ejects it for longer: twice, three times ... at most ten times eject_for", () => {
  const judge = ejected(0);
  let nowMs = judge.ejectedUntilMs;
  const times: number[] = [];
  for (let i = 0; i < 12; i++) {
    judge.tick(nowMs);
    tryOnce(judge, "good", nowMs);
    tryOnce(judge, "failed", nowMs);
    assert.equal(judge.state, "ejected");
    times.push((judge.ejectedUntilMs - nowMs) / CONFIG.ejectForMs);
    nowMs = judge.ejectedUntilMs;
  }
  assert.deepEqual(times, [2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10, 10]);
});

test("a trial whose client left says nothing, and the next one may try", () => {
  const judge = ejected();
  judge.tick(30_000);
  for (let i = 0; i < 10; i++) tryOnce(judge, "none", 30_000);
  assert.deepEqual([judge.state, judge.factor], ["trial", 1]);
});

test("what began before it was ejected neither restores it nor ejects it for longer", () => {
  const judge = ejected();
  noteAll(judge, "FFFSSSSS", 1_000);
  assert.deepEqual([judge.state, judge.ejectedUntilMs], ["ejected", 30_000]);
  judge.tick(30_000);
  noteAll(judge, "FFFSSSSS", 30_000);
  assert.equal(judge.state, "trial");
});

test("the next ejection is shorter by one for each time that it stays sound for as long", () => {
  const again = (soundMs: number): number => {
    const judge = ejected(0);
    judge.tick(30_000);
    tryOnce(judge, "failed", 30_000); // twice now
    judge.tick(90_000);
    for (let i = 0; i < 3; i++) tryOnce(judge, "good", 90_000);
    for (let passedMs = 1_000; passedMs <= soundMs; passedMs += 1_000) judge.tick(90_000 + passedMs);
    noteAll(judge, "F".repeat(20), 90_000 + soundMs);
    return (judge.ejectedUntilMs - 90_000 - soundMs) / CONFIG.ejectForMs;
  };
  assert.deepEqual(
    [again(0), again(59_000), again(60_000), again(89_000), again(90_000), again(900_000)],
    [3, 3, 2, 2, 1, 1],
  );
});

test("while it is degraded it is not sound", () => {
  const judge = ejected(0);
  judge.tick(30_000);
  for (let i = 0; i < 3; i++) tryOnce(judge, "good", 30_000);
  noteAll(judge, `${"S".repeat(14)}${"F".repeat(7)}`, 30_000); // a third
  assert.equal(judge.isDegraded, true);
  for (let nowMs = 31_000; nowMs <= 200_000; nowMs += 1_000) judge.tick(nowMs);
  noteAll(judge, "F".repeat(20), 200_000);
  assert.equal(judge.ejectedUntilMs, 200_000 + 2 * CONFIG.ejectForMs);
});

test("an ejection that the pool cannot spare is tried again with the next failure", () => {
  let canSpare = false;
  const judge = outlier({}, () => canSpare);
  noteAll(judge, "F".repeat(50));
  assert.deepEqual([judge.state, judge.factor], ["in", 0.1], "as little weight as can be");
  canSpare = true;
  noteAll(judge, "S");
  assert.equal(judge.state, "in");
  noteAll(judge, "F");
  assert.equal(judge.state, "ejected");
});

test("from degraded_ratio on it has half of its weight, and gets it back when it is far below", () => {
  const judge = outlier();
  noteAll(judge, `${"S".repeat(15)}${"F".repeat(5)}`);
  assert.deepEqual([judge.isDegraded, judge.factor], [false, 1]);
  noteAll(judge, "FF"); // 7 of 22
  assert.deepEqual([judge.isDegraded, judge.factor], [true, 0.5]);
  noteAll(judge, "S".repeat(100)); // a whole window
  const factors = [1, 2, 3, 4, 5, 6].map((second) => {
    judge.tick(second * 1_000);
    return Number(judge.factor.toFixed(3));
  });
  assert.deepEqual(factors, [0.6, 0.7, 0.8, 0.9, 1, 1]);
  assert.equal(judge.isDegraded, false);
});

test("of a pool at most the whole part of max_ejected_ratio × its size may be out", () => {
  const most = (size: number, ratio: number): number => mostEjected(size, ratio);
  assert.deepEqual(
    [most(1, 0.5), most(2, 0.5), most(3, 0.5), most(10, 0.3), most(3, 0), most(3, 1)],
    [0, 1, 1, 3, 0, 3],
  );
  for (let part = 0; part <= 100; part++) assert.equal(most(100, part / 100), part, "no rounding");
});

test("whatever happens in a pool, never more than that are out, and weights are in range", () => {
  const event = fc.record({
    row: fc.nat(9),
    what: fc.constantFrom("F", "F", "S", "trial good", "trial failed", "trial none", "tick"),
    times: fc.integer({ min: 1, max: 30 }),
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.array(event, { maxLength: 200 }),
      (size, maxEjectedRatio, events) => {
        const most = mostEjected(size, maxEjectedRatio);
        const out = (): number => pool.filter(({ state }) => state !== "in").length;
        const pool = Array.from({ length: size }, () =>
          outlier({ window: 10, minRequests: 4, ejectForMs: 2_000, maxEjectedRatio }, () => out() < most),
        );
        let nowMs = 0;
        for (const { row, what, times } of events) {
          const judge = pool[row % size];
          assert.ok(judge !== undefined);
          if (what === "tick") {
            nowMs += times * 200;
            for (const each of pool) each.tick(nowMs);
          } else if (what === "F" || what === "S") noteAll(judge, what.repeat(times), nowMs);
          else {
            const place = judge.enter(nowMs);
            if (place !== null) judge.leave(place, what.slice("trial ".length) as Outcome, nowMs);
          }
          assert.ok(out() <= most, `${out()} of ${size} at ${maxEjectedRatio}`);
          for (const { factor } of pool)
            assert.ok(factor === 0 || (factor >= 0.1 && factor <= 1), `${factor}`);
        }
        // From now on all is good: each gets all of its weight back, whatever it was.
        for (let second = 1; second <= 60; second++) {
          for (const judge of pool) {
            judge.tick(nowMs + second * 1_000);
            for (let i = 0; i < 10; i++) {
              const place = judge.enter(nowMs + second * 1_000);
              if (place === null) judge.note(false, nowMs + second * 1_000);
              else judge.leave(place, "good", nowMs + second * 1_000);
            }
          }
        }
        for (const judge of pool) assert.deepEqual([judge.state, judge.factor], ["in", 1]);
      },
    ),
    { numRuns: 300 },
  );
});
