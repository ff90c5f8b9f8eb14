/**
 * The integration tests can fail: for each promise of the switch the sources are broken in a copy, in one place, and a
 * test over real processes, run from that copy, must find out. The same tests pass on a copy that is not broken.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { describe, test } from "node:test";
import { copiedTree, EXTENSION, mutate } from "../support/mutated-tree.ts";
import { type CaughtMutant, MUTANTS } from "./mutants.ts";

/** What the integration tests import. */
const PARTS = ["integration/switch", "integration/workers", "support", "soak", "load"];
const LIMIT_MS = 60_000;
/** Most of the time is waited for processes that start and end. */
const AT_ONCE = 3;

interface Outcome {
  readonly passed: readonly string[];
  readonly failed: readonly string[];
  readonly output: string;
}

describe("each mutant is found out, by a test that passes without it", { concurrency: AT_ONCE }, () => {
  for (const mutant of MUTANTS) {
    const { tests } = mutant.by;
    const last = tests.slice(-1);
    test(`when ${mutant.how} (${mutant.breaks})`, { timeout: 2 * LIMIT_MS + 10_000 }, async (t) => {
      const tree = await copiedTree(t, PARTS);
      const sound = await runSound(tree, mutant.by);
      assert.deepEqual([sound.passed, sound.failed], [tests, []], sound.output);
      await mutate(tree, mutant);
      const broken = await runTests(tree, mutant.by);
      // Not a daemon that cannot start at all, and not a test before the one that is to find out.
      assert.ok(!broken.output.includes("before it was ready"), broken.output);
      assert.deepEqual([broken.passed, broken.failed], [tests.slice(0, -1), last], broken.output);
    });
  }
});

const soundRuns = new Map<string, Promise<Outcome>>();

/** As `runTests` on a tree that is not broken; the same tests once. */
function runSound(tree: string, by: CaughtMutant["by"]): Promise<Outcome> {
  const key = JSON.stringify(by);
  const run = soundRuns.get(key) ?? runTests(tree, by);
  soundRuns.set(key, run);
  return run;
}

/** Runs those tests of the file and no other. */
function runTests(tree: string, { file, tests }: CaughtMutant["by"]): Promise<Outcome> {
  const names = tests.map((name) => `^${name.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`);
  const args = [
    "--test",
    "--test-reporter=tap",
    ...names.map((name) => `--test-name-pattern=${name}`),
    join(tree, "test/integration", `${file}.test.${EXTENSION}`),
  ];
  const { NODE_TEST_CONTEXT: _, ...env } = process.env; // else it would report to us instead of its stdout
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      args,
      { env, timeout: LIMIT_MS, maxBuffer: 2 ** 26 },
      (_error, stdout, stderr) => {
        const lines = [...stdout.matchAll(/^(ok|not ok) \d+ - (.*)$/gm)];
        const named = (verdict: string): string[] =>
          lines.flatMap(([, ok, name = ""]) => (ok === verdict ? [name.replaceAll("\\#", "#")] : []));
        resolve({ passed: named("ok"), failed: named("not ok"), output: `${stdout.slice(-6_000)}${stderr}` });
      },
    );
  });
}
