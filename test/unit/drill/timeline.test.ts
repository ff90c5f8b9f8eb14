/** Which version may answer when: the judgement of what is stale. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Timeline } from "../../../src/drill/timeline.ts";

/** v1 from 0; a switch to v2, called at 100 and answered at 200. */
function switchedOnce(isHeld = false): Timeline {
  const timeline = new Timeline("v1", 0);
  timeline.call({ to: "v2", isHeld }, 100);
  timeline.answer(200);
  return timeline;
}

for (const [says, { version, startMs, endMs, may }] of [
  ["the old version may answer before the call", { version: "v1", startMs: 10, endMs: 20, may: true }],
  ["the new version may not answer before the call", { version: "v2", startMs: 10, endMs: 99, may: false }],
  [
    "the new version may answer as soon as it is called",
    { version: "v2", startMs: 10, endMs: 101, may: true },
  ],
  ["both may answer during the call", { version: "v1", startMs: 150, endMs: 160, may: true }],
  [
    "what began before the answer may end on the old one",
    { version: "v1", startMs: 199, endMs: 900, may: true },
  ],
  ["what begins after the answer may not", { version: "v1", startMs: 201, endMs: 210, may: false }],
  ["what begins after the answer is the new one's", { version: "v2", startMs: 201, endMs: 210, may: true }],
  [
    "a version that nobody called for may never answer",
    { version: "v3", startMs: 0, endMs: 900, may: false },
  ],
] as const) {
  test(says, () => assert.equal(switchedOnce().mayAnswer(version, startMs, endMs), may));
}

test("a version that was switched back to may answer again, and not in between", () => {
  const timeline = switchedOnce();
  timeline.call({ to: "v1", isHeld: false }, 300);
  timeline.answer(400);
  assert.equal(timeline.mayAnswer("v1", 250, 299), false);
  assert.equal(timeline.mayAnswer("v1", 250, 301), true);
  assert.equal(timeline.mayAnswer("v2", 401, 410), false);
});

test("a call that was refused changed nothing", () => {
  const timeline = switchedOnce();
  timeline.call({ to: "v1", isHeld: false }, 300);
  timeline.refuse();
  assert.equal(timeline.mayAnswer("v1", 310, 320), false);
  assert.equal(timeline.mayAnswer("v2", 310, 320), true);
});

test("with hold nobody may be answered by the old version after somebody was by the new one", () => {
  for (const isHeld of [true, false]) {
    const timeline = new Timeline("v1", 0);
    timeline.call({ to: "v2", isHeld }, 100);
    assert.equal(timeline.mayAnswer("v1", 150, 155), true);
    timeline.seen("v2", 120, 150);
    assert.equal(timeline.mayAnswer("v1", 151, 155), !isHeld);
    assert.equal(timeline.mayAnswer("v1", 149, 155), true, "it began before");
  }
});

test("an answer left over from the last time that the version was active starts nothing", () => {
  const timeline = switchedOnce();
  timeline.call({ to: "v1", isHeld: false }, 300);
  timeline.answer(400);
  timeline.call({ to: "v2", isHeld: true }, 500);
  timeline.seen("v2", 290, 510);
  assert.equal(timeline.mayAnswer("v1", 520, 530), true);
});

test("a drain may end a version that is not active or was not a moment ago", () => {
  const timeline = switchedOnce();
  assert.equal(timeline.mayBeDrained("v1", 5_000), true);
  assert.equal(timeline.mayBeDrained("v2", 5_000), false);
  assert.equal(timeline.mayBeDrained("v2", 1_100), true);
});

test("around a switch is a second from its call, and until its answer", () => {
  const timeline = new Timeline("v1", 0);
  assert.equal(timeline.isAroundSwitch(1, 2), false);
  timeline.call({ to: "v2", isHeld: false }, 1_000);
  assert.equal(timeline.isAroundSwitch(900, 999), false);
  assert.equal(timeline.isAroundSwitch(900, 1_001), true);
  assert.equal(timeline.isAroundSwitch(9_000, 9_001), true, "it still runs");
  timeline.answer(1_200);
  assert.equal(timeline.isAroundSwitch(1_900, 2_500), true);
  assert.equal(timeline.isAroundSwitch(2_001, 2_500), false);
});
