/** The loop: rounds of cases out of fast-check, each from a seed of its own, until the time is over or one has a fault. */
import * as fc from "fast-check";
import { codecCases } from "./cases.ts";
import { type CodecCase, formatCase } from "./codec-case.ts";
import { shrink } from "./shrink.ts";
import { tryCase } from "./trial.ts";

export interface CodecFuzzOptions {
  readonly seed: number;
  readonly durationMs: number;
  /** Cases are read in other pieces too; true unless told otherwise: nearly all of the time goes there. */
  readonly isChopped?: boolean;
  onProgress?(result: CodecFuzzResult): void;
}

export interface CodecFuzzResult {
  readonly cases: number;
  /** Cases of which nothing was refused. */
  readonly accepted: number;
  /** Messages that were accepted whole, and compared. */
  readonly messages: number;
  /** Times that the bytes of a case were read: whole, in two pieces at each offset, byte by byte. */
  readonly readings: number;
  readonly elapsedMs: number;
  readonly firstSeed: number;
  readonly lastSeed: number;
  readonly finding: CodecFinding | null;
}

export interface CodecFinding {
  readonly seed: number;
  readonly fault: string;
  readonly shrunk: CodecCase;
}

const CASES_PER_ROUND = 200;

export function fuzzCodec(options: CodecFuzzOptions): CodecFuzzResult {
  const { seed: firstSeed, durationMs, isChopped = true, onProgress } = options;
  const beganMs = performance.now();
  const sums = { cases: 0, accepted: 0, messages: 0, readings: 0 };
  const resultAt = (lastSeed: number, finding: CodecFinding | null): CodecFuzzResult => ({
    ...sums,
    elapsedMs: performance.now() - beganMs,
    firstSeed,
    lastSeed,
    finding,
  });
  for (let seed = firstSeed; ; seed++) {
    const bad: CodecCase[] = [];
    const property = fc.property(codecCases, (wireCase) => {
      const { fault, reading } = tryCase(wireCase, isChopped);
      sums.cases++;
      sums.readings += isChopped ? wireCase.text.length + 1 : 1;
      sums.messages += reading.messages.filter(({ end }) => end !== -1).length;
      if (reading.ending !== "refused" && reading.messages.length > 0) sums.accepted++;
      if (fault !== null) bad.push(wireCase);
      return fault === null;
    });
    void fc.check(property, { seed, numRuns: CASES_PER_ROUND, endOnFailure: true });
    const [found] = bad;
    if (found !== undefined) return resultAt(seed, findingOf(seed, found, isChopped));
    const result = resultAt(seed, null);
    if (result.elapsedMs >= durationMs) return result;
    onProgress?.(result);
  }
}

function findingOf(seed: number, found: CodecCase, isChopped: boolean): CodecFinding {
  const shrunk = shrink(found, (smaller) => tryCase(smaller, isChopped).fault !== null);
  return { seed, fault: tryCase(shrunk, isChopped).fault ?? "", shrunk };
}

export function formatCodecResult(result: CodecFuzzResult): string {
  const { cases, accepted, messages, readings, elapsedMs, firstSeed, lastSeed, finding } = result;
  const percent = ((100 * accepted) / Math.max(1, cases)).toFixed(1);
  const summary =
    `${cases} cases (${percent}% accepted, ${messages} messages) read ${readings} times in ` +
    `${(elapsedMs / 1_000).toFixed(1)} s; seeds ${firstSeed} to ${lastSeed}`;
  if (finding === null) return `${summary}; nothing found`;
  return [
    summary,
    `FOUND with seed ${finding.seed}: ${finding.fault}`,
    "again, alone:",
    `  npm run fuzz:codec -- --case '${formatCase(finding.shrunk)}'`,
    "Once it is understood it belongs into test/fuzz/codec/regressions.ts, with a name.",
  ].join("\n");
}
