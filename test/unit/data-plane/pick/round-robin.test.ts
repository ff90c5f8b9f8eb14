/** Round-robin: the order, and what a change of the rows does to it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { roundRobin } from "../../../../src/data-plane/pick/round-robin.ts";
import { candidatesOf, equalCandidates, setAvailable } from "../../../support/candidates.ts";
import { createBalancer, pickedNames, picks } from "./picks.ts";

test("each backend in turn, whatever its weight, and from the start again", () => {
  const candidates = candidatesOf({ A: 5, B: 1, C: 0.1 });
  assert.equal(pickedNames(createBalancer(roundRobin, candidates), candidates, 7), "ABCABCA");
});

test("one of which only a part counts lets the rest of its turns pass, spread evenly", () => {
  const candidates = candidatesOf({ A: 5, B: 5, C: 5 });
  const balancer = createBalancer(roundRobin, candidates);
  candidates.weights[1] = 2.5;
  assert.equal(pickedNames(balancer, candidates, 10), "ACABCACABC");
  candidates.weights[1] = 5;
  assert.equal(pickedNames(balancer, candidates, 3), "ABC");
});

test("where of all only a part counts, each gets its part, and one is always picked", () => {
  const candidates = candidatesOf({ A: 10, B: 10, C: 10 });
  const balancer = createBalancer(roundRobin, candidates);
  candidates.weights.set([2, 1, 0]);
  const picked = pickedNames(balancer, candidates, 300);
  const count = (name: string): number => [...picked].filter((each) => each === name).length;
  assert.ok(Math.abs(count("A") - 200) <= 10, `${count("A")} of 300 are A's`);
  assert.equal(count("A") + count("B"), 300);
});

test("those that stay take turns while one is away, and none gets two parts", () => {
  const candidates = candidatesOf({ A: 1, B: 1, C: 1, D: 1 });
  const balancer = createBalancer(roundRobin, candidates);
  setAvailable(candidates, 1, false);
  assert.equal(pickedNames(balancer, candidates, 6), "ACDACD");
  setAvailable(candidates, 3, false);
  setAvailable(candidates, 1, true);
  assert.equal(pickedNames(balancer, candidates, 6), "ABCABC");
});

test("one that comes has its turn where it stands; nobody is passed over or asked twice for it", () => {
  const before = candidatesOf({ A: 1, B: 1, C: 1 });
  const balancer = createBalancer(roundRobin, before);
  assert.equal(pickedNames(balancer, before, 2), "AB");
  const after = candidatesOf({ X: 1, A: 1, B: 1, C: 1 });
  balancer.reset(after);
  assert.equal(pickedNames(balancer, after, 5), "CXABC");
});

test("when the next one leaves, the one after it is next", () => {
  const before = candidatesOf({ A: 1, B: 1, C: 1, D: 1 });
  const balancer = createBalancer(roundRobin, before);
  assert.equal(pickedNames(balancer, before, 1), "A");
  const after = candidatesOf({ D: 1, C: 1, A: 1 });
  balancer.reset(after);
  assert.equal(pickedNames(balancer, after, 4), "CADC");
});

test("the names are those of the reset, also when the caller's list changes afterwards", () => {
  const names = ["A", "B", "C"];
  const candidates = { ...candidatesOf({ A: 1, B: 1, C: 1 }), names };
  const balancer = createBalancer(roundRobin, candidates);
  assert.equal(pickedNames(balancer, candidates, 1), "A");
  names.splice(0, 3, "C", "A", "B");
  balancer.reset(candidates);
  assert.equal(pickedNames(balancer, candidates, 3), "BCA");
});

test("the workers' first picks are as many different backends as there are workers", () => {
  const candidates = equalCandidates(8);
  const first = [0, 1, 2, 3].map(
    (worker) => picks(createBalancer(roundRobin, candidates, { worker, workers: 4 }), candidates, 1)[0],
  );
  assert.deepEqual(first, [0, 2, 4, 6]);
});
