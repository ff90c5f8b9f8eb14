/** The command line of the bench. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CASES } from "../../../bench/cases/registry.ts";
import { type Options, parseOptions, USAGE } from "../../../bench/options.ts";

function names(...args: readonly string[]): string[] {
  return (parseOptions(args) as Options).cases.map(({ name }) => name);
}

test("without --case the short cases run; --all runs every one", () => {
  assert.deepEqual(
    names(),
    CASES.filter(({ isLong }) => !isLong).map(({ name }) => name),
  );
  assert.equal(names().includes("ab-12000"), false);
  assert.deepEqual(
    names("--all"),
    CASES.map(({ name }) => name),
  );
});

test("--case takes cases by name, in the order given", () => {
  assert.deepEqual(names("--case", "close,small"), ["close", "small"]);
  assert.throws(() => names("--case", "smal"), /no case smal; there are small, /);
});

test("a number out of its range is refused with the range", () => {
  assert.throws(() => parseOptions(["--rounds", "0"]), /--rounds takes a number from 1 to 1000, not "0"/);
  assert.throws(() => parseOptions(["--load", "siege"]), /autocannon or wrk/);
});

test("--help names every case, and the short ones have their mark", () => {
  assert.equal(parseOptions(["--help"]), "help");
  for (const { name, isLong } of CASES) assert.ok(USAGE.includes(`${isLong ? " " : "*"} ${name} `), name);
});
