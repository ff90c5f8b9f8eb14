/**
 * The codec of src/wire against llhttp, in process: what was found once, the list of differences, and for some seconds
 * what chance makes up. `npm run test:fuzz`; for longer `npm run fuzz:codec`.
 *
 * From the same seed each time, so that a commit fails for what it changed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatCodecResult, fuzzCodec } from "./codec/codec-loop.ts";
import { REGRESSIONS } from "./codec/regressions.ts";
import { tryCase } from "./codec/trial.ts";

const SEED = 20_261_121;
const DURATION_MS = 10_000;
const MIN_CASES = 1_000;

for (const { promise, kind, text, methods = [], whole, ending } of REGRESSIONS) {
  test(`the codec ${promise}, as llhttp does, in whatever pieces`, () => {
    const { fault, reading } = tryCase({ kind, text, methods, isSound: false });
    assert.equal(fault, null);
    const { messages } = reading;
    assert.deepEqual([messages.filter(({ end }) => end !== -1).length, reading.ending], [whole, ending]);
  });
}

test(`nothing is found in ${DURATION_MS / 1_000} s of what chance makes up for the codec`, (t) => {
  const result = fuzzCodec({ seed: SEED, durationMs: DURATION_MS });
  t.diagnostic(formatCodecResult(result));
  assert.equal(result.finding, null, formatCodecResult(result));
  assert.ok(result.cases > MIN_CASES, `only ${result.cases} cases`);
});
