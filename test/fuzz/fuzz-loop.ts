/**
 * The loop of a fuzzer: batches of cases out of fast-check, until the time is over or one has a fault, which is then
 * shrunk.
 *
 * Runs in rounds, each with a seed of its own, so that a finding comes up again without all that was before it.
 */
import * as fc from "fast-check";
import type { Fault, WireCase } from "./wire-case.ts";

export interface FuzzOptions {
  readonly cases: fc.Arbitrary<WireCase>;
  runBatch(batch: readonly WireCase[]): Promise<BatchResult>;
  readonly seed: number;
  readonly durationMs: number;
  /** How long a finding may be shrunk; a minute unless told otherwise. */
  readonly shrinkMs?: number;
  onProgress?(progress: Progress): void;
}

export interface BatchResult {
  /** Of each case. */
  readonly faults: readonly (readonly Fault[])[];
  /** Of none in particular. */
  readonly others: readonly Fault[];
}

export interface Progress {
  /** Those of shrinking, and those that were run a second time, are left out. */
  readonly cases: number;
  readonly elapsedMs: number;
}

export interface FuzzResult extends Progress {
  readonly finding: Finding | null;
  /** Batches in which something took too long, or seemed to, and did not when it was run again. */
  readonly slowBatches: number;
}

export interface Suspects {
  /** Those with a fault; all that ran when it was none's in particular. */
  readonly cases: readonly WireCase[];
  readonly faults: readonly Fault[];
}

export interface Finding extends Suspects {
  /** Of the round. */
  readonly seed: number;
  readonly shrinks: number;
}

/** Cases of a batch run at once: time limits are waited for together. */
const MAX_BATCH_CASES = 400;
const BATCHES_PER_ROUND = 50;
const SHRINK_MS = 60_000;
const TIMES_AGAIN = 2;

export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const { runBatch, durationMs, shrinkMs = SHRINK_MS, onProgress } = options;
  const batches = fc.array(options.cases, { minLength: 1, maxLength: MAX_BATCH_CASES, size: "max" });
  const beganMs = performance.now();
  let cases = 0;
  let slowBatches = 0;
  const progress = (): Progress => ({ cases, elapsedMs: performance.now() - beganMs });

  for (let seed = options.seed; performance.now() - beganMs < durationMs; seed++) {
    const found: { last: Suspects | null; atMs: number } = { last: null, atMs: 0 };
    const property = fc.asyncProperty(batches, async (batch) => {
      const nowMs = performance.now();
      const isOver = found.last === null ? nowMs - beganMs >= durationMs : nowMs - found.atMs >= shrinkMs;
      if (isOver) throw new fc.PreconditionFailure(true); // ends the round, between two batches
      const { wasSlow, ...suspects } = await runSurely(runBatch, batch);
      if (wasSlow) slowBatches++;
      if (found.last === null) {
        cases += batch.length;
        onProgress?.(progress());
      }
      if (suspects.faults.length === 0) return;
      if (found.last === null) found.atMs = performance.now();
      found.last = suspects;
      throw new Error(suspects.faults.map(({ what }) => what).join("\n"));
    });
    const { numShrinks } = await fc.check(property, { seed, numRuns: BATCHES_PER_ROUND });
    if (found.last !== null) {
      const elapsedMs = found.atMs - beganMs;
      return { cases, elapsedMs, slowBatches, finding: { ...found.last, seed, shrinks: numShrinks } };
    }
  }
  return { ...progress(), slowBatches, finding: null };
}

/** What is a matter of time counts when it happens every time: the machine may have been busy. */
export async function runSurely(
  runBatch: FuzzOptions["runBatch"],
  batch: readonly WireCase[],
): Promise<Suspects & { readonly wasSlow: boolean }> {
  let suspects = suspectsOf(batch, await runBatch(batch));
  for (let again = 0; again < TIMES_AGAIN && isSlowOnly(suspects); again++) {
    suspects = suspectsOf(suspects.cases, await runBatch(suspects.cases));
    if (suspects.faults.length === 0) return { ...suspects, wasSlow: true };
  }
  return { ...suspects, wasSlow: false };
}

function suspectsOf(batch: readonly WireCase[], { faults, others }: BatchResult): Suspects {
  const guilty = batch.filter((_case, index) => (faults[index] ?? []).length > 0);
  return { cases: guilty.length > 0 ? guilty : batch, faults: [...faults.flat(), ...others] };
}

function isSlowOnly({ faults }: Suspects): boolean {
  return faults.length > 0 && faults.every(({ isTiming }) => isTiming);
}
