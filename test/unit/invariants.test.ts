/** docs/invariants.md against the code: each promise, test and mutant that it names is there, and none is left out. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { MUTANTS as REAL } from "../mutants/mutants.ts";
import { MUTANTS as SIMULATED } from "../simulation/mutants.ts";
import { INVARIANTS } from "../simulation/truth.ts";
import { ROOT } from "../support/root.ts";

const TEXT = readText("docs/invariants.md");
const PROMISES: readonly string[] = Object.values(INVARIANTS);
const TESTS = table("tests").map(([number = "", file = "", name = "", mutant = ""]) => ({
  promise: promiseOf(number),
  file: unquoted(file),
  name: unquoted(name),
  mutant: mutant === "-" ? null : unquoted(mutant),
}));

function readText(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** The rows of the table after its mark. */
function table(name: string): string[][] {
  const [, after, ...more] = TEXT.split(`<!-- checked: ${name} -->\n`);
  assert.ok(after !== undefined && more.length === 0, `one table "${name}"`);
  const [rows = ""] = after.split("\n\n", 1);
  const cells = (line: string): string[] =>
    line.split(" | ").map((cell) => cell.replaceAll(/^\| | \|$/g, ""));
  return rows.trimEnd().split("\n").slice(2).map(cells); // without head and rule
}

function unquoted(cell: string): string {
  const [, inside] = /^`([^`]+)`$/.exec(cell) ?? [];
  assert.ok(inside !== undefined, `${cell} stands in backquotes`);
  return inside;
}

function promiseOf(number: string): string {
  const found = PROMISES.find((promise) => promise.startsWith(`${number} `));
  assert.ok(found !== undefined, `there is an invariant ${number}`);
  return found;
}

test("docs/invariants.md lists every invariant, in order, with what it means and how it is looked at", () => {
  const rows = table("invariants");
  assert.deepEqual(
    rows.map(([invariant = ""]) => unquoted(invariant)),
    PROMISES,
  );
  for (const [, means = "", looks = ""] of rows) assert.ok(means.length > 20 && looks.length > 20, means);
});

test("each invariant has a test over real processes, a mutant for it, and a mutant for the simulation", () => {
  for (const promise of PROMISES) {
    const isItsOwn = ({ breaks }: { readonly breaks: string }): boolean => breaks === promise;
    assert.ok(REAL.some(isItsOwn) && SIMULATED.some(isItsOwn), promise);
    assert.ok(
      TESTS.some((row) => row.promise === promise && row.mutant !== null),
      promise,
    );
  }
});

test("docs/invariants.md names tests that are there", () => {
  for (const { file, name } of TESTS) {
    const path = `test/integration/${file}.test.ts`;
    assert.ok(readText(path).includes(JSON.stringify(name)), `${path} has ${JSON.stringify(name)}`);
  }
});

test("docs/invariants.md lists every mutant with the test that finds it, and no other", () => {
  const listed = TESTS.filter(({ mutant }) => mutant !== null);
  assert.deepEqual(
    listed.map(({ promise, file, name, mutant }) => [promise, file, name, mutant]),
    REAL.map(({ breaks, by, how }) => [breaks, by.file, by.tests.at(-1), how]),
  );
  for (const { by } of REAL) {
    const text = readText(`test/integration/${by.file}.test.ts`);
    for (const name of by.tests) assert.ok(text.includes(JSON.stringify(name)), `${by.file}: ${name}`);
  }
  assert.deepEqual(
    table("simulated").map(([number = "", mutant = ""]) => [promiseOf(number), unquoted(mutant)]),
    SIMULATED.map(({ breaks, how }) => [breaks, how]),
  );
});
