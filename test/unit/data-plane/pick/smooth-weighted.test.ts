/** Smooth weighted round-robin: exact proportions, evenly spread, through every change. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Candidates } from "../../../../src/data-plane/pick/balancer.ts";
import { smoothWeighted } from "../../../../src/data-plane/pick/smooth-weighted.ts";
import { candidatesOf, setAvailable } from "../../../support/candidates.ts";
import { countsOf, createBalancer, pickedNames, picks, share } from "./picks.ts";

const sum = (numbers: Iterable<number>): number => [...numbers].reduce((all, one) => all + one, 0);

/** How far each row's picks are from its fair part, in picks; the most of all rows. */
function farthest(picked: readonly number[], { weights }: Candidates): number {
  const total = sum(weights);
  const counts = countsOf(picked, weights.length);
  return Math.max(
    ...counts.map((count, row) => Math.abs(count - (picked.length * (weights[row] ?? 0)) / total)),
  );
}

test("5, 1, 1 gives A A B A C A A, over and over", () => {
  const candidates = candidatesOf({ A: 5, B: 1, C: 1 });
  assert.equal(pickedNames(createBalancer(smoothWeighted, candidates), candidates, 21), "AABACAA".repeat(3));
});

test("each cycle has exactly as many picks of a backend as its weight, and the next cycle is the same", () => {
  const weights = fc.array(fc.nat(30), { minLength: 1, maxLength: 12 }).filter((all) => sum(all) > 0);
  fc.assert(
    fc.property(weights, (all) => {
      const candidates = candidatesOf(Object.fromEntries(all.map((weight, row) => [`b${row}`, weight])));
      const balancer = createBalancer(smoothWeighted, candidates);
      const cycle = picks(balancer, candidates, sum(all));
      assert.deepEqual(countsOf(cycle, all.length), all);
      assert.deepEqual(picks(balancer, candidates, sum(all)), cycle);
    }),
  );
});

test("the heavy one never comes more than twice in a row beside two light ones", () => {
  const candidates = candidatesOf({ A: 5, B: 1, C: 1 });
  const picked = pickedNames(createBalancer(smoothWeighted, candidates), candidates, 700);
  assert.ok(!/AAAAA/.test(picked)); // two of a cycle's end, two of the next one's begin
  assert.ok(!/BB|CC|BC|CB/.test(picked));
});

test("weights by fractions, as in a slow start, are proportions too", () => {
  const candidates = candidatesOf({ A: 1, B: 1 });
  const balancer = createBalancer(smoothWeighted, candidates);
  candidates.weights[1] = 0.1;
  assert.ok(Math.abs(share(picks(balancer, candidates, 1_100), 1) - 1 / 11) < 0.002);
});

test("a changed weight counts from the next pick on, without a burst to make up for the past", () => {
  const before = candidatesOf({ A: 1_000, B: 1 });
  const balancer = createBalancer(smoothWeighted, before);
  assert.equal(share(picks(balancer, before, 500), 1), 0); // B is owed half a pick by now
  const after = candidatesOf({ A: 1, B: 1 });
  balancer.reset(after);
  assert.equal(countsOf(picks(balancer, after, 10), 2)[0], 5);
});

test("5, 1, 1 turned into 1, 5, 1 is in the new proportions at once", () => {
  const before = candidatesOf({ A: 5, B: 1, C: 1 });
  const balancer = createBalancer(smoothWeighted, before);
  assert.equal(farthest(picks(balancer, before, 700), before), 0);
  picks(balancer, before, 3);
  const after = candidatesOf({ A: 1, B: 5, C: 1 });
  balancer.reset(after);
  assert.ok(farthest(picks(balancer, after, 700), after) <= 1);
});

test("through any changes of weights every stretch stays within the number of backends of its fair parts", () => {
  const rows = 5;
  const change = fc.record({
    weights: fc.array(fc.constantFrom(0, 0.1, 1, 2, 5, 100, 1_000), { minLength: rows, maxLength: rows }),
    count: fc.integer({ min: 1, max: 300 }),
  });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 10 }), (changes) => {
      const candidates = candidatesOf({ a: 1, b: 1, c: 1, d: 1, e: 1 });
      const balancer = createBalancer(smoothWeighted, candidates);
      for (const { weights, count } of changes) {
        if (sum(weights) === 0) continue;
        candidates.weights.set(weights);
        assert.ok(farthest(picks(balancer, candidates, count), candidates) <= rows);
      }
    }),
  );
});

test("what a backend is owed stays with its name when the rows change", () => {
  const before = candidatesOf({ A: 5, B: 1, C: 1 });
  const [balancer, other] = [createBalancer(smoothWeighted, before), createBalancer(smoothWeighted, before)];
  assert.equal(pickedNames(balancer, before, 2), "AA");
  const turned = candidatesOf({ C: 1, B: 1, A: 5 });
  balancer.reset(turned);
  assert.equal(pickedNames(balancer, turned, 5), "CABAA"); // B and C are owed the same: the first row comes first
  assert.equal(pickedNames(other, before, 7), "AABACAA");
});

test("one that was away comes back to its part, not to what it missed", () => {
  const candidates = candidatesOf({ A: 1, B: 1 });
  const balancer = createBalancer(smoothWeighted, candidates);
  setAvailable(candidates, 1, false);
  picks(balancer, candidates, 1_000);
  setAvailable(candidates, 1, true);
  assert.ok(farthest(picks(balancer, candidates, 10), candidates) <= 1);
});

test("workers begin at different places of the cycle, and each keeps the proportions", () => {
  const candidates = candidatesOf({ A: 5, B: 1, C: 1 });
  const cycles = [0, 1, 2, 3, 4, 5, 6].map((worker) =>
    pickedNames(createBalancer(smoothWeighted, candidates, { worker, workers: 7 }), candidates, 7),
  );
  assert.deepEqual(cycles, ["AABACAA", "ABACAAA", "BACAAAA", "ACAAAAB", "CAAAABA", "AAAABAC", "AAABACA"]);
});

test("workers begin soon, however long the cycle is", { timeout: 5_000 }, () => {
  const candidates = candidatesOf({ A: 1e12, B: 1, C: 1 });
  for (const worker of [0, 1]) {
    const balancer = createBalancer(smoothWeighted, candidates, { worker, workers: 2 });
    assert.deepEqual(picks(balancer, candidates, 2), [0, 0]);
  }
});
