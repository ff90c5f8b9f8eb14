import assert from "node:assert/strict";
import { test } from "node:test";
import { UploadPace } from "../../../../src/data-plane/forward/upload-pace.ts";

const RATE = 100;
const GRACE_MS = 1_000;

function begun(): UploadPace {
  const pace = new UploadPace();
  pace.begin(5_000);
  return pace;
}

test("within the grace any pace will do, and then the average counts", () => {
  const pace = begun();
  assert.equal(pace.isTooSlow(6_000, RATE, GRACE_MS), false);
  assert.equal(pace.isTooSlow(6_001, RATE, GRACE_MS), true);
  pace.add(200);
  assert.equal(pace.isTooSlow(7_000, RATE, GRACE_MS), false); // 200 bytes in 2 s
  assert.equal(pace.isTooSlow(7_010, RATE, GRACE_MS), true);
  assert.equal(pace.bytes, 200);
});

test("the time in which the backend takes no more does not count, however often that happens", () => {
  const pace = begun();
  pace.add(150);
  pace.hold(5_500);
  assert.equal(pace.isHeld, true);
  pace.release(15_500);
  pace.hold(16_000);
  pace.release(20_000);
  assert.equal(pace.isHeld, false);
  assert.equal(pace.isTooSlow(20_500, RATE, GRACE_MS), false); // 1.5 s of its own
  assert.equal(pace.isTooSlow(20_501, RATE, GRACE_MS), true);
});

test("a rate of 0 is none, and a release without a hold is nothing", () => {
  const pace = begun();
  pace.release(9_000);
  assert.equal(pace.isTooSlow(1_000_000, 0, GRACE_MS), false);
  assert.equal(pace.isTooSlow(7_000, RATE, GRACE_MS), true);
});
