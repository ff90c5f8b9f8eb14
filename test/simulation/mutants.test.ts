/**
 * The simulation can fail: for each promise the sources are broken in a copy, in one place, and the simulation must
 * find out, naming that promise. A mutant whose place is no longer there is an error: it would prove nothing.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { copiedTree, EXTENSION, mutate } from "../support/mutated-tree.ts";
import { MUTANTS } from "./mutants.ts";

const SEEDS = 3_000;

for (const mutant of MUTANTS) {
  test(`the simulation finds out when ${mutant.how} (${mutant.breaks})`, async (t) => {
    const tree = await copiedTree(t, ["simulation", "support", "load"]);
    await mutate(tree, mutant);
    const output = await simulate(tree);
    assert.ok(output.includes(`: ${mutant.breaks}: `), output.slice(-3_000));
  });
}

/** Until the first seed that fails. */
function simulate(tree: string): Promise<string> {
  const script = join(tree, "test/simulation", `run.${EXTENSION}`);
  return new Promise((resolve) => {
    execFile(process.execPath, [script, "--seeds", String(SEEDS), "--first"], (_, stdout, stderr) =>
      resolve(stdout + stderr),
    );
  });
}
