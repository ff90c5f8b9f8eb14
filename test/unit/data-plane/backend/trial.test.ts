/** Trial: a few requests decide, and none of them can hold it up. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Trial, type TrialPlace } from "../../../../src/data-plane/backend/trial.ts";

function enter(trial: Trial, nowMs = 0): TrialPlace {
  const place = trial.enter(nowMs);
  assert.ok(place !== null, "there was room");
  return place;
}

test("as many at once as there are places, and as many good ones as are needed pass it", () => {
  const trial = new Trial({ atOnce: 2, needed: 3 });
  const [first, second] = [enter(trial), enter(trial)];
  assert.deepEqual([trial.hasRoom, trial.enter(0)], [false, null]);
  assert.equal(trial.leave(first, "good"), "open");
  assert.equal(trial.hasRoom, true);
  assert.equal(trial.leave(second, "good"), "open");
  assert.equal(trial.leave(enter(trial), "good"), "passed");
});

test("one that failed fails it, whatever was good before", () => {
  const trial = new Trial({ atOnce: 1, needed: 3 });
  trial.leave(enter(trial), "good");
  trial.leave(enter(trial), "good");
  assert.equal(trial.leave(enter(trial), "failed"), "failed");
});

test("one whose client left gives its place back and says nothing", () => {
  const trial = new Trial({ atOnce: 1, needed: 1 });
  for (let i = 0; i < 5; i++) assert.equal(trial.leave(enter(trial), "none"), "open");
  assert.equal(trial.leave(enter(trial), "good"), "passed");
});

test("those that began in an earlier trial are not heard, and take no place from this one", () => {
  const trial = new Trial({ atOnce: 1, needed: 1 });
  const early = enter(trial);
  trial.begin();
  const place = enter(trial);
  assert.equal(trial.leave(early, "failed"), "open");
  assert.equal(trial.hasRoom, false);
  assert.equal(trial.leave(place, "good"), "passed");
});

test("one that takes longer than 10 s gives its place to another, and still counts", () => {
  const trial = new Trial({ atOnce: 1, needed: 2 });
  const slow = enter(trial, 1_000);
  trial.tick(10_999);
  assert.equal(trial.hasRoom, false);
  trial.tick(11_000);
  const other = enter(trial, 11_000);
  assert.equal(trial.leave(other, "good"), "open");
  assert.equal(trial.hasRoom, true);
  assert.equal(trial.leave(slow, "good"), "passed");
});
