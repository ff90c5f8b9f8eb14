/**
 * The daemon against what was once found, and for 20 s against what chance makes up. `npm run test:fuzz`.
 *
 * From the same seed each time, so that a commit fails for what it changed; `npm run fuzz` looks for what is new.
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { TestEnd } from "../support/cleanup.ts";
import { type Campaign, DIRECTIONS, type Direction, startCampaign } from "./campaign.ts";
import { fuzz, runSurely } from "./fuzz-loop.ts";
import { REGRESSIONS } from "./regressions.ts";
import { formatResult } from "./report.ts";

const DURATIONS_MS: Readonly<Record<Direction, number>> = { requests: 12_000, answers: 8_000 };
const SHRINK_MS = 20_000;
const SEED = 20_261_120;
const file: TestEnd = { after };
const limit = { timeout: 120_000 };

const campaigns: Readonly<Record<Direction, Campaign>> = {
  requests: await startCampaign(file, "requests"),
  answers: await startCampaign(file, "answers"),
};

for (const { promise, direction, wireCase } of REGRESSIONS) {
  test(`found once in ${direction}: a proxy ${promise}`, limit, async () => {
    const { faults } = await runSurely(campaigns[direction].runBatch, [wireCase]);
    assert.deepEqual(
      faults.map(({ what }) => what),
      [],
    );
  });
}

for (const direction of DIRECTIONS) {
  const seconds = DURATIONS_MS[direction] / 1_000;
  test(`nothing is found in ${seconds} s of ${direction} that chance makes up`, limit, async (t) => {
    const durationMs = DURATIONS_MS[direction];
    const result = await fuzz({ ...campaigns[direction], seed: SEED, durationMs, shrinkMs: SHRINK_MS });
    t.diagnostic(`from seed ${SEED}, ${formatResult(direction, result)}`);
    assert.equal(result.finding, null, formatResult(direction, result));
    assert.ok(result.cases > 100, `only ${result.cases} cases`);
  });
}
