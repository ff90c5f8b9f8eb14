/** Weighted random: the proportions, in each way in which a row is found. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../../../src/data-plane/pick/random.ts";
import { RandomSource } from "../../../../src/data-plane/pick/random-source.ts";
import { candidatesOf, equalCandidates } from "../../../support/candidates.ts";
import { createBalancer, picks, share } from "./picks.ts";

const MANY = 50_000;

test("shares are in proportion to the weights, also where one is far heavier and most are not available", () => {
  const many = Object.fromEntries(Array.from({ length: 200 }, (_, row) => [`b${row}`, 1]));
  const pools: Record<string, number>[] = [
    { a: 5, b: 1, c: 1 },
    { a: 0.25, b: 0.5, c: 1 },
    { ...many, heavy: 200 },
  ];
  for (const pool of pools) {
    const candidates = candidatesOf(pool);
    const total = candidates.weights.reduce((all, weight) => all + weight, 0);
    const picked = picks(createBalancer(random, candidates), candidates, MANY);
    for (const [row, weight] of candidates.weights.entries()) {
      assert.ok(Math.abs(share(picked, row) - weight / total) < 0.01, `row ${row}: ${share(picked, row)}`);
    }
  }
  const candidates = equalCandidates(1_000, 3);
  candidates.weights.fill(0);
  candidates.weights.set([3, 1, 2], 500);
  const picked = picks(createBalancer(random, candidates), candidates, MANY);
  for (const [row, fair] of [
    [500, 3 / 6],
    [501, 1 / 6],
    [502, 2 / 6],
  ] as const) {
    assert.ok(Math.abs(share(picked, row) - fair) < 0.01, `row ${row}`);
  }
});

test("what counts is the weight of now, without a reset", () => {
  const candidates = equalCandidates(2);
  const balancer = createBalancer(random, candidates);
  candidates.weights[1] = 0.25;
  assert.ok(Math.abs(share(picks(balancer, candidates, MANY), 1) - 0.2) < 0.01);
});

test("numbers by chance fill their range evenly, whatever the seed", () => {
  for (const seed of [0, 1, -1, 2 ** 31]) {
    const source = new RandomSource({ seed, worker: 0, workers: 1 });
    const drawn = Array.from({ length: MANY }, () => source.below(7));
    for (let value = 0; value < 7; value++) assert.ok(Math.abs(share(drawn, value) - 1 / 7) < 0.01);
    assert.ok(drawn.every((value) => Number.isInteger(value) && value >= 0 && value < 7));
  }
});
