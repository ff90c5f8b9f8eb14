/** OutcomeWindow: exact, and the same price for each outcome. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { OutcomeWindow } from "../../../../src/data-plane/backend/outcome-window.ts";

/** `S` good, `F` failed. */
function noteAll(window: OutcomeWindow, outcomes: string): void {
  for (const outcome of outcomes) window.note(outcome === "F");
}

test("the oldest outcomes leave as new ones come: 5 of 10, and 5 of 10 when two good ones took the place of two", () => {
  const window = new OutcomeWindow(10, 4);
  noteAll(window, "SSSSSFFFFF");
  assert.deepEqual([window.ratio, window.recentRatio], [0.5, 1]);
  noteAll(window, "SS");
  assert.deepEqual([window.count, window.ratio, window.recentRatio], [10, 0.5, 0.5]);
  noteAll(window, "SSS"); // the last good ones of before leave
  assert.equal(window.ratio, 0.5);
  noteAll(window, "S");
  assert.equal(window.ratio, 0.4);
});

test("an empty window and one with too few for the newest ones say nothing", () => {
  const window = new OutcomeWindow(10, 4);
  assert.deepEqual([window.count, window.ratio, window.recentRatio], [0, 0, 0]);
  noteAll(window, "FFF");
  assert.deepEqual([window.count, window.ratio, window.recentRatio], [3, 1, 0]);
  window.clear();
  assert.deepEqual([window.count, window.ratio, window.recentRatio], [0, 0, 0]);
});

test("whatever came, the ratios are those of the last outcomes, counted anew", () => {
  const outcome = fc.oneof(
    { weight: 30, arbitrary: fc.boolean() },
    { weight: 1, arbitrary: fc.constant("clear") },
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 14 }),
      fc.array(outcome),
      (size, few, all) => {
        const window = new OutcomeWindow(size, few);
        const recent = Math.min(size, few);
        let since: boolean[] = [];
        for (const each of all) {
          if (typeof each === "boolean") {
            window.note(each);
            since.push(each);
          } else {
            window.clear();
            since = [];
          }
          const last = since.slice(-size);
          const newest = since.length < recent ? [] : since.slice(-recent);
          assert.deepEqual(
            [window.count, window.ratio, window.recentRatio],
            [last.length, ratio(last), ratio(newest)],
          );
        }
      },
    ),
    { numRuns: 500 },
  );
});

function ratio(outcomes: readonly boolean[]): number {
  return outcomes.length === 0 ? 0 : outcomes.filter(Boolean).length / outcomes.length;
}
