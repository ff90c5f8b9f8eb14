import assert from "node:assert/strict";
import { test } from "node:test";
import { RetryBudget } from "../../../../src/data-plane/forward/retry-budget.ts";

/** How many retries are granted in a row. */
function takeAll(budget: RetryBudget, inFlight = 0): number {
  let taken = 0;
  while (budget.take(inFlight)) taken++;
  return taken;
}

function note(budget: RetryBudget, requests: number, inFlight = 0): void {
  for (let i = 0; i < requests; i++) budget.note(inFlight);
}

test("a share of 0 means no retry, ever", () => {
  const budget = new RetryBudget(0);
  note(budget, 10_000);
  assert.equal(budget.take(0), false);
});

test("before the first request a small reserve may be spent, once", () => {
  const budget = new RetryBudget(0.25);
  assert.equal(takeAll(budget), 10);
  assert.equal(budget.take(0), false);
});

test("while every attempt fails, retries are that share of the requests and no more", () => {
  for (const share of [0.25, 0.5, 1]) {
    const budget = new RetryBudget(share);
    let retries = 0;
    for (let i = 0; i < 1_000; i++) {
      budget.note(0);
      if (budget.take(0)) retries++;
    }
    assert.ok(retries >= 1_000 * share && retries <= 1_000 * share + 10, `${retries} at ${share}`);
  }
});

test("a retry is granted when a whole one was saved up, not before", () => {
  const budget = new RetryBudget(0.25);
  takeAll(budget);
  for (let round = 0; round < 3; round++) {
    note(budget, 3);
    assert.equal(budget.take(0), false);
    note(budget, 1);
    assert.equal(budget.take(0), true);
  }
});

test("quiet times save up a bounded number", () => {
  const budget = new RetryBudget(1);
  note(budget, 1_000_000);
  assert.equal(takeAll(budget), 100);
});

test("as many are saved up as requests run at once: a third of 1,000 may fail in one moment", () => {
  const budget = new RetryBudget(0.2);
  note(budget, 10_000, 1_000);
  assert.equal(takeAll(budget, 1_000), 1_000);
});

test("what a busy time has saved up is not for the quiet one behind it", () => {
  const budget = new RetryBudget(0.2);
  note(budget, 10_000, 1_000);
  assert.equal(takeAll(budget, 20), 100);
});
