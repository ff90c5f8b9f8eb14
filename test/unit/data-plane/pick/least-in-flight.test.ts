/** Least in flight, with and without weights: who is picked at which load, and who at the same. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { leastInFlight } from "../../../../src/data-plane/pick/least-in-flight.ts";
import { weightedLeastInFlight } from "../../../../src/data-plane/pick/weighted-least-in-flight.ts";
import { candidatesOf, equalCandidates, setAvailable } from "../../../support/candidates.ts";
import { countsOf, createBalancer, pickedNames, picks } from "./picks.ts";

test("least-in-flight: the least busy is picked, whatever the weights", () => {
  const candidates = candidatesOf({ A: 9, B: 1, C: 9 });
  const balancer = createBalancer(leastInFlight, candidates);
  candidates.inFlight.set([3, 2, 4]);
  assert.equal(pickedNames(balancer, candidates, 3), "BBB");
  candidates.inFlight.set([3, 5, 0]);
  assert.equal(pickedNames(balancer, candidates, 2), "CC");
});

test("least-in-flight: where a part of the configured weight counts, so much less runs", () => {
  const candidates = candidatesOf({ A: 9, B: 9 });
  const balancer = createBalancer(leastInFlight, candidates);
  candidates.weights[1] = 3;
  candidates.inFlight.set([5, 2]);
  assert.equal(pickedNames(balancer, candidates, 2), "AA");
  candidates.inFlight.set([7, 2]);
  assert.equal(pickedNames(balancer, candidates, 2), "BB");
});

test("weighted-least-in-flight: the least busy for its weight is picked", () => {
  const candidates = candidatesOf({ A: 5, B: 1, C: 1 });
  const balancer = createBalancer(weightedLeastInFlight, candidates);
  candidates.inFlight.set([10, 5, 3]); // 2, 5 and 3 for each unit of weight
  assert.equal(pickedNames(balancer, candidates, 2), "AA");
  setAvailable(candidates, 0, false);
  assert.equal(pickedNames(balancer, candidates, 2), "CC");
});

for (const [name, kind] of Object.entries({ leastInFlight, weightedLeastInFlight })) {
  test(`${name}: an idle pool goes round, so that not all begins at the first one`, () => {
    const candidates = candidatesOf({ A: 1, B: 1, C: 1 });
    assert.equal(pickedNames(createBalancer(kind, candidates), candidates, 7), "ABCABCA");
  });

  test(`${name}: those that are equally busy take turns past the busier ones`, () => {
    const candidates = candidatesOf({ A: 1, B: 1, C: 1, D: 1 });
    candidates.inFlight.set([1, 7, 1, 1]);
    assert.equal(pickedNames(createBalancer(kind, candidates), candidates, 6), "ACDACD");
  });

  test(`${name}: workers begin at different backends`, () => {
    const candidates = equalCandidates(4);
    const first = [0, 1].map(
      (worker) => picks(createBalancer(kind, candidates, { worker, workers: 2 }), candidates, 1)[0],
    );
    assert.deepEqual(first, [0, 2]);
  });

  test(`${name}: no other available backend has less to do, in any state`, () => {
    const row = fc.record({ weight: fc.constantFrom(0, 0.5, 1, 3), running: fc.nat(6) });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 12 }), fc.nat(11), (rows, earlier) => {
        const candidates = equalCandidates(rows.length);
        const balancer = createBalancer(kind, candidates);
        picks(balancer, candidates, earlier);
        candidates.weights.set(rows.map(({ weight }) => weight));
        candidates.inFlight.set(rows.map(({ running }) => running));
        const loadOf = ({ weight, running }: { weight: number; running: number }): number =>
          weight === 0
            ? Number.POSITIVE_INFINITY
            : running / (kind === leastInFlight ? Math.min(1, weight) : weight);
        const picked = rows[balancer.pick(candidates, 0)] ?? { weight: 0, running: 0 };
        assert.equal(loadOf(picked), Math.min(...rows.map(loadOf)));
      }),
    );
  });
}

test("weighted-least-in-flight: what stays in flight fills up in proportion to the weights", () => {
  const candidates = candidatesOf({ A: 5, B: 2, C: 1 });
  const balancer = createBalancer(weightedLeastInFlight, candidates);
  const picked = Array.from({ length: 80 }, () => {
    const row = balancer.pick(candidates, 0);
    candidates.inFlight[row] = (candidates.inFlight[row] ?? 0) + 1;
    return row;
  });
  assert.deepEqual(countsOf(picked, 3), [50, 20, 10]);
});
