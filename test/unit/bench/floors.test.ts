/** Whether a run held the floors. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CASES } from "../../../bench/cases/registry.ts";
import { FLOORS, judgeFloors, OURS } from "../../../bench/floors.ts";
import type { CaseResult, ContenderResult, Figures, Floor } from "../../../bench/result.ts";

function caseWith(name: string, median: Figures, ratios: ContenderResult["ratios"]): CaseResult {
  const ours = { name: OURS, version: "", about: "", rounds: [], median, min: median, max: median, ratios };
  const about = { about: "", unit: "request", headline: "cpuUs", columns: ["cpuUs"], workers: 1 } as const;
  return { name, ...about, contenders: [ours], leftOut: [] };
}

const FLOOR: Floor = {
  case: "small",
  metric: "cpuUs",
  against: "nginx",
  bound: "at most",
  floor: 1.5,
  aim: 1.2,
};

test("a ratio between aim and floor holds the floor alone", () => {
  const [judged] = judgeFloors([caseWith("small", {}, { nginx: { cpuUs: 1.4 } })], [FLOOR]);
  assert.equal(judged?.measured, 1.4);
  assert.equal(judged.isFloorHeld, true);
  assert.equal(judged.isAimHeld, false);
});

test("a floor is held when it is just met, and not past it", () => {
  const held = (cpuUs: number): boolean | undefined =>
    judgeFloors([caseWith("small", {}, { nginx: { cpuUs } })], [FLOOR])[0]?.isFloorHeld;
  assert.equal(held(1.5), true);
  assert.equal(held(1.501), false);
});

test("a rate must be at least its floor", () => {
  const rate: Floor = { case: "small", metric: "perSecond", against: "go", bound: "at least", floor: 1.5 };
  const held = (perSecond: number): boolean | undefined =>
    judgeFloors([caseWith("small", {}, { go: { perSecond } })], [rate])[0]?.isFloorHeld;
  assert.equal(held(1.6), true);
  assert.equal(held(1.4), false);
});

test("a floor without another contender is about the figure itself", () => {
  const own: Floor = { case: "small", metric: "connectionKiB", bound: "at most", floor: 10, aim: 5 };
  const [judged] = judgeFloors([caseWith("small", { connectionKiB: 7 }, {})], [own]);
  assert.equal(judged?.isFloorHeld, true);
  assert.equal(judged.isAimHeld, false);
});

test("what was not measured is neither held nor broken", () => {
  const [judged] = judgeFloors([caseWith("small", { cpuUs: 20 }, {})], [FLOOR]);
  assert.ok(judged);
  assert.equal("measured" in judged, false);
  assert.equal("isFloorHeld" in judged, false);
  assert.deepEqual(judgeFloors([caseWith("close", {}, {})], [FLOOR]), []);
});

test("every floor is about a case that exists", () => {
  const names = new Set(CASES.map(({ name }) => name));
  for (const floor of FLOORS) assert.ok(names.has(floor.case), floor.case);
});
