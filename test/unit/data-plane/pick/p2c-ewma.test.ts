/** Two by chance and the cheaper one: latency, load and weight count, and nobody is forgotten. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Candidates } from "../../../../src/data-plane/pick/balancer.ts";
import { p2cEwma } from "../../../../src/data-plane/pick/p2c-ewma.ts";
import { equalCandidates } from "../../../support/candidates.ts";
import { countsOf, createBalancer, picks, share } from "./picks.ts";

const MANY = 20_000;
/** What goes by chance alone, of two. */
const BLIND_SHARE = 1 / 256;

/** Picks of a pool in which `change` was written. */
function picksWhere(rows: number, change: (candidates: Candidates) => void): number[] {
  const candidates = equalCandidates(rows);
  change(candidates);
  return picks(createBalancer(p2cEwma, candidates), candidates, MANY);
}

test("of two, the one with the lower latency × (in flight + 1) / weight gets all but a sample", () => {
  const cases = [
    { what: "latency", latencyMs: [10, 20] },
    { what: "in flight", inFlight: [3, 4] },
    { what: "weight", weights: [1, 0.5] },
    { what: "a slow one with little to do", latencyMs: [20, 10], inFlight: [0, 2] },
    { what: "a slow one of much weight", latencyMs: [20, 10], weights: [1, 0.4] },
  ];
  for (const { what, latencyMs = [1, 1], inFlight = [0, 0], weights = [1, 1] } of cases) {
    const picked = picksWhere(2, (candidates) => {
      candidates.latencyMs.set(latencyMs);
      candidates.inFlight.set(inFlight);
      candidates.weights.set(weights);
    });
    const other = share(picked, 1);
    assert.ok(other > 0 && Math.abs(other - BLIND_SHARE) < 0.002, `${what}: ${other}`);
  }
});

test("of many, all but the most costly one get their part, and the cheapest no more than twice its own", () => {
  const picked = picksWhere(10, ({ latencyMs }) => latencyMs.set([1, 2, 3, 4, 5, 6, 7, 8, 9, 100]));
  const counts = countsOf(picked, 10).map((count) => count / MANY);
  assert.ok((counts[0] ?? 1) < 0.21, String(counts)); // 2 / 10: it is one of the two so often
  assert.ok(
    counts.slice(0, 9).every((one) => one > 0.01),
    String(counts),
  );
  assert.ok((counts[9] ?? 1) < 0.002, String(counts));
});

test("one whose latency is not known gets its part, but not all", () => {
  const picked = picksWhere(2, ({ latencyMs }) => latencyMs.set([10, 0]));
  assert.ok(Math.abs(share(picked, 1) - 0.5) < 0.02);
});

test("while the first answers of one are still awaited, no more runs on it than on the others", () => {
  const candidates = equalCandidates(3);
  candidates.latencyMs.set([1, 1, 0]);
  const balancer = createBalancer(p2cEwma, candidates);
  candidates.inFlight.set([1, 1, 5]);
  assert.ok(share(picks(balancer, candidates, MANY), 2) < 0.01);
});

test("the two are different ones, each pair as likely, also where few of many are available", () => {
  for (const [rows, available] of [
    [6, [0, 1, 2, 3, 4, 5]],
    [100, [10, 11, 12, 90, 91, 99]],
  ] as const) {
    const candidates = equalCandidates(rows);
    candidates.weights.fill(0);
    for (const row of available) candidates.weights[row] = 1;
    const cheap = available[5];
    const others = available.slice(0, 5);
    candidates.latencyMs.fill(1_000);
    candidates.latencyMs[cheap] = 1;
    const picked = picks(createBalancer(p2cEwma, candidates), candidates, MANY);
    assert.ok(Math.abs(share(picked, cheap) - 2 / 6) < 0.02, `${share(picked, cheap)}`);
    for (const row of others) assert.ok(Math.abs(share(picked, row) - 4 / 6 / 5) < 0.02, `row ${row}`);
  }
});

test("workers with the same seed pick differently", () => {
  const candidates = equalCandidates(10);
  const [one, other] = [0, 1].map((worker) =>
    picks(createBalancer(p2cEwma, candidates, { worker, workers: 2 }), candidates, 50),
  );
  assert.notDeepEqual(one, other);
});
