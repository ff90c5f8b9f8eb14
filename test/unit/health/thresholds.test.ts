/** What many probes say together: the guide's lists, each border, and how often lost packets mislead. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { HealthVerdict } from "../../../src/config/snapshot.ts";
import { afterProbe, type Standing, UNPROBED } from "../../../src/health/thresholds.ts";
import { Random } from "../../load/random.ts";

const LIMITS = { unhealthyAfter: 3, healthyAfter: 2 };
const LETTERS: Readonly<Record<HealthVerdict, string>> = {
  unknown: "?",
  healthy: "H",
  degraded: "D",
  unhealthy: "U",
};

/** @param probes `+` good, `-` bad. @returns the verdict after each. */
function verdicts(probes: string, limits = LIMITS): string {
  let standing: Standing = UNPROBED;
  let told = "";
  for (const probe of probes) {
    standing = afterProbe(standing, probe === "+", limits);
    told += LETTERS[standing.verdict];
  }
  return told;
}

const CASES: readonly { what: string; probes: string; are: string; limits?: typeof LIMITS }[] = [
  { what: "the first good probe makes it healthy", probes: "+", are: "H" },
  { what: "a bad first probe is taken like one of a healthy backend", probes: "---", are: "DDU" },
  { what: "one below the threshold is not unhealthy, the threshold is", probes: "+---", are: "HDDU" },
  { what: "a good one between bad ones begins the count anew", probes: "+--+--+---", are: "HDDDDDDDDU" },
  { what: "so many good ones in a row lead back to healthy", probes: "+-++", are: "HDDH" },
  { what: "from unhealthy it takes all the good ones, in a row", probes: "---+-+-++", are: "DDUUUUUUH" },
  { what: "bad ones after unhealthy change nothing", probes: "-----", are: "DDUUU" },
  { what: "it never flaps between good and bad", probes: "+-+-+-+-", are: "HDDDDDDD" },
  {
    what: "with thresholds of one each probe decides",
    probes: "+-+-",
    are: "HUHU",
    limits: { unhealthyAfter: 1, healthyAfter: 1 },
  },
  {
    what: "healthyAfter may be above unhealthyAfter",
    probes: "+--+++-+++",
    are: "HDUUUHDDDH",
    limits: { unhealthyAfter: 2, healthyAfter: 3 },
  },
];

for (const { what, probes, are, limits } of CASES) {
  test(what, () => assert.equal(verdicts(probes, limits), are));
}

test("counts are of probes in a row", () => {
  const standing = [false, false, true, true, true].reduce(
    (before, isGood) => afterProbe(before, isGood, LIMITS),
    UNPROBED,
  );
  assert.deepEqual(standing, { verdict: "healthy", goodInARow: 3, badInARow: 0 });
});

/** Of a lossy network: each probe is lost with the same probability, whatever came before. */
function lossy(seed: number, count: number, loss: number): string {
  const random = new Random(seed);
  return Array.from({ length: count }, () => (random.chance(loss) ? "-" : "+")).join("");
}

test("a network that loses every tenth probe never makes a backend unhealthy", () => {
  const told = verdicts("+++++++++-".repeat(10));
  assert.doesNotMatch(told, /U/);
  assert.match(told, /D/);
});

/*
 * Losses that know nothing of each other come three in a row now and then: of 100 probes at 10 % with a probability of
 * about 98 × 0.9 × 0.1³ + 0.1³ = 8.9 %, once in 1,110 probes on average (92 minutes at an interval of 5 s). With
 * unhealthy_after 1 it would be certain, with 2 it is 6 of 10. So it is a seed that this test fixes, and a share that
 * it counts.
 */
test("10 % loss for 100 probes does not make it unhealthy, and of 2,000 such series few do", () => {
  const series = Array.from({ length: 2_000 }, (_, seed) => lossy(seed, 100, 0.1));
  assert.doesNotMatch(verdicts(series[1] ?? ""), /U/);
  assert.match(series[1] ?? "", /-.*-.*-.*-.*-/);
  const misled = (unhealthyAfter: number): number =>
    series.filter((probes) => verdicts(probes, { ...LIMITS, unhealthyAfter }).includes("U")).length /
    series.length;
  assert.equal(misled(1) > 0.999, true);
  assert.ok(misled(2) > 0.5 && misled(2) < 0.7, `${misled(2)}`);
  assert.ok(misled(3) > 0.06 && misled(3) < 0.11, `${misled(3)}`);
  assert.ok(misled(5) < 0.005, `${misled(5)}`);
});
