/**
 * The codec of src/wire against llhttp, in process: what was found once, the list of differences, and for some seconds
 * what chance makes up. `npm run test:fuzz`; for longer `npm run fuzz:codec`.
 *
 * From the same seed each time, so that a commit fails for what it changed.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../support/root.ts";
import { readWithCodec } from "./codec/codec-case.ts";
import { formatCodecResult, fuzzCodec } from "./codec/codec-loop.ts";
import { DIFFERENCES, type Example } from "./codec/differences.ts";
import { codecSection } from "./codec/document.ts";
import { EARLY_ENDS, LATE_ENDS } from "./codec/end-differences.ts";
import { type Allowed, judge, LISTED } from "./codec/judge.ts";
import { REGRESSIONS } from "./codec/regressions.ts";
import { tryCase } from "./codec/trial.ts";

const SEED = 20_261_121;
const DURATION_MS = 10_000;
/** One round, which a busy machine does too; a quiet one does 10,000 cases. */
const MIN_CASES = 200;

for (const { promise, kind, text, methods = [], whole, ending } of REGRESSIONS) {
  test(`the codec ${promise}, in whatever pieces, and llhttp agrees`, () => {
    const { fault, reading } = tryCase({ kind, text, methods, isSound: false });
    assert.equal(fault, null);
    const { messages } = reading;
    assert.deepEqual([messages.filter(({ end }) => end !== -1).length, reading.ending], [whole, ending]);
  });
}

for (const difference of DIFFERENCES) {
  test(`the codec takes ${difference.takes}, llhttp does not, and nothing else excuses it`, () => {
    judgeExample(difference.example, {
      ...LISTED,
      differences: DIFFERENCES.filter((other) => other !== difference),
    });
  });
}

for (const end of EARLY_ENDS) {
  test(`the codec closes behind ${end.behind}, llhttp does not, and nothing else excuses it`, () => {
    judgeExample(end.example, { ...LISTED, earlyEnds: EARLY_ENDS.filter((other) => other !== end) });
  });
}

for (const end of LATE_ENDS) {
  test(`the codec reads on behind ${end.behind}, llhttp does not, and nothing else excuses it`, () => {
    judgeExample(end.example, { ...LISTED, lateEnds: LATE_ENDS.filter((other) => other !== end) });
  });
}

/** The codec takes all of it; with the list it agrees with llhttp, without this entry of it it does not. */
function judgeExample({ kind, text }: Example, without: Allowed): void {
  const wireCase = { kind, text, methods: [], isSound: false };
  const reading = readWithCodec(wireCase, [Buffer.from(text, "latin1")]);
  assert.equal(reading.messages.at(-1)?.end, text.length);
  assert.equal(judge(wireCase, reading), null);
  assert.notEqual(judge(wireCase, reading, without), null);
}

test("docs/conformance.md has the list of differences as it is", async () => {
  const text = await readFile(join(ROOT, "docs/conformance.md"), "utf8");
  assert.ok(text.endsWith(codecSection()), "its last section is not what codecSection() makes");
});

test(`nothing is found in ${DURATION_MS / 1_000} s of what chance makes up for the codec`, (t) => {
  const result = fuzzCodec({ seed: SEED, durationMs: DURATION_MS });
  t.diagnostic(formatCodecResult(result));
  assert.equal(result.finding, null, formatCodecResult(result));
  assert.ok(result.cases >= MIN_CASES, `only ${result.cases} cases`);
});
