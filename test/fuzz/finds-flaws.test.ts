/** The fuzzers can be trusted: they find each known flaw in a proxy that has it, and nothing in the one without. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { DIRECTIONS, startCampaign } from "./campaign.ts";
import { fuzz } from "./fuzz-loop.ts";
import { formatResult } from "./report.ts";
import { KNOWN_FLAWS } from "./tiny/flaws.ts";
import { startTinyProxy } from "./tiny/proxy.ts";

/** Fixed: a flaw takes as long to be found as the last time. */
const SEED = 1;
const FIND_MS = 20_000;
const SHRINK_MS = 300;
const CLEAN_MS = 2_000;
const limit = { timeout: 60_000 };

// They mostly wait for time limits.
suite("flaws are found", { concurrency: true }, () => {
  for (const [name, { direction, flaws }] of Object.entries(KNOWN_FLAWS)) {
    test(`a proxy that ${name} is found out`, limit, async (t) => {
      const campaign = await startCampaign(t, direction, (end, url) => startTinyProxy(end, url, flaws));
      const result = await fuzz({
        ...campaign,
        seed: SEED,
        durationMs: FIND_MS,
        shrinkMs: SHRINK_MS,
      });
      t.diagnostic(formatResult(direction, result));
      assert.notEqual(result.finding, null);
    });
  }
});

for (const direction of DIRECTIONS) {
  test(`nothing is found in the ${direction} of a proxy that keeps to the reference`, limit, async (t) => {
    const campaign = await startCampaign(t, direction, startTinyProxy);
    const result = await fuzz({ ...campaign, seed: SEED, durationMs: CLEAN_MS });
    t.diagnostic(formatResult(direction, result));
    assert.equal(result.finding, null, formatResult(direction, result));
    assert.ok(result.cases > 100, `only ${result.cases} cases`);
  });
}
