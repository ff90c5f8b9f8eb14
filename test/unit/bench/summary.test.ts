/** From what the load driver counted to medians and ratios. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Sample } from "../../../bench/result.ts";
import { toSample } from "../../../bench/sample.ts";
import { geometricMean, pairRatios, ratiosTo, summarize } from "../../../bench/summary.ts";

const MIB = 2 ** 20;
const memory = { residentBytes: 20 * MIB, peakResidentBytes: 30 * MIB };

function samples(...cpuUs: readonly number[]): Sample[] {
  return cpuUs.map((figure, index) => ({ round: index + 1, cpuUs: figure }));
}

test("CPU is that of one request, user and system apart", () => {
  const loaded = { units: 1_000, seconds: 0.5, cpu: { userMs: 10, systemMs: 30 } };
  const sample = toSample(3, loaded, memory);
  assert.equal(sample.round, 3);
  assert.equal(sample.perSecond, 2_000);
  assert.equal(sample.cpuUs, 40);
  assert.equal(sample.cpuUserUs, 10);
  assert.equal(sample.cpuSystemUs, 30);
  assert.equal(sample.coreShare, 0.08);
  assert.equal(sample.residentMiB, 20);
  assert.equal(sample.peakMiB, 30);
});

test("of a body of 2 GiB the figures are those of one GiB", () => {
  const sample = toSample(1, { units: 2, seconds: 3, cpu: { userMs: 400, systemMs: 1_600 } }, memory);
  assert.equal(sample.cpuS, 1);
  assert.equal(sample.seconds, 1.5);
});

test("an idle connection holds what was added, shared out", () => {
  const loaded = {
    units: 10_000,
    seconds: 1,
    cpu: { userMs: 1, systemMs: 1 },
    residentBeforeBytes: 10 * MIB,
    residentBytes: 10 * MIB + 10_000 * 1_536,
  };
  const sample = toSample(1, loaded, memory);
  assert.equal(sample.connectionKiB, 1.5);
  assert.equal(sample.residentBeforeMiB, 10);
});

test("a summary has the figures that there are, and no others", () => {
  const { median, min, max } = summarize([
    { round: 1, cpuUs: 10, p99Ms: 4 },
    { round: 2, cpuUs: 30 },
    { round: 3, cpuUs: 20 },
  ]);
  assert.deepEqual(median, { cpuUs: 20, p99Ms: 4 });
  assert.deepEqual(min, { cpuUs: 10, p99Ms: 4 });
  assert.deepEqual(max, { cpuUs: 30, p99Ms: 4 });
});

test("a ratio is taken in each round and then the median, so that a slow minute hits both", () => {
  // The ratio of the medians would be 2: 40 to 20.
  assert.deepEqual(ratiosTo(samples(10, 20, 100), samples(15, 40, 150)), { cpuUs: 1.5 });
});

test("rounds that only one of the two has do not count, nor does a reference of 0", () => {
  assert.deepEqual(ratiosTo(samples(10), samples(20, 90, 90)), { cpuUs: 2 });
  assert.deepEqual(ratiosTo([{ round: 1, failed: 0 }], [{ round: 1, failed: 0 }]), {});
  assert.deepEqual(ratiosTo([], samples(20)), {});
});

test("twice as fast and half as fast are 1 together", () => {
  assert.ok(Math.abs(geometricMean([2, 0.5]) - 1) < 1e-12);
  assert.throws(() => geometricMean([]), RangeError);
});

test("a pair's ratio is this tree's figure to the other's, and only of figures that all pairs have", () => {
  const pairs = [
    { ours: { round: 1, cpuUs: 20, p99Ms: 3 }, theirs: { round: 1, cpuUs: 10, p99Ms: 1 } },
    { ours: { round: 2, cpuUs: 40 }, theirs: { round: 2, cpuUs: 5 } },
  ];
  const { cpuUs, ...others } = pairRatios(pairs);
  assert.deepEqual({ min: cpuUs?.min, max: cpuUs?.max }, { min: 2, max: 8 });
  assert.ok(Math.abs((cpuUs?.geometricMean ?? 0) - 4) < 1e-12);
  assert.deepEqual(others, {});
});
