import assert from "node:assert/strict";
import { test } from "node:test";
import type { Case } from "../../conformance/case.ts";
import type { Column, Result } from "../../conformance/compare.ts";
import { inOneLine } from "../../conformance/one-line.ts";
import { toJson, toMarkdown, toText } from "../../conformance/table.ts";

const run: Case["run"] = async () => undefined;
const cases: readonly Case[] = [
  { promise: "bytes", says: "a | b <c>", source: "RFC 1", run },
  { promise: "framing", says: "second", source: "RFC 2", run },
];
const passed: Result = { outcome: "passed", ms: 3 };
const columns: readonly Column[] = [
  { name: "ours", version: "1", results: [passed, passed] },
  {
    name: "theirs",
    version: "2",
    results: [
      { outcome: "failed", ms: 1, seen: "400 | <b>" },
      { outcome: "n/a", ms: 0 },
    ],
  },
];
const table = { date: "2026-01-02", cases, columns };

test("the text has a line for each case, and totals that leave out what was not asked", () => {
  const lines = toText(table).split("\n");
  assert.ok(lines.includes("✓        ✗        a | b <c>"), lines.join("\n"));
  assert.ok(lines.includes("✓        n/a      second"));
  assert.ok(lines.includes("2/2      0/1      all"));
  assert.ok(lines.includes("1/1      0/0      framing"));
  assert.ok(lines.includes("1        2        version"));
});

test("the Markdown keeps its tables whole whatever a sentence holds, and says what failures saw", () => {
  const text = toMarkdown(table);
  assert.match(text, /^\| all \| 2\/2 \| 0\/1 \|$/m);
  assert.match(text, /^\| a \\\| b &lt;c> \(RFC 1\) \| ✓ \| ✗ \|$/m);
  assert.match(text, /^ours 1: nothing failed\.$/m);
  assert.match(text, /<summary>theirs 2: 1 failed<\/summary>\n\n- a \\\| b &lt;c>: 400 \\\| &lt;b>$/m);
});

test("the JSON has every result under its case", () => {
  const json = JSON.parse(toJson(table));
  assert.deepEqual(json.cases[0].results.theirs, { outcome: "failed", ms: 1, seen: "400 | <b>" });
  assert.deepEqual(json.proxies[1], { name: "theirs", version: "2", passed: 0, failed: 1, notApplicable: 1 });
});

test("a failed comparison is told as what was seen instead of what", () => {
  const of = (work: () => void): string => {
    try {
      work();
    } catch (error) {
      return inOneLine(error);
    }
    return "";
  };
  assert.equal(
    of(() => assert.equal(502, 400)),
    "502 instead of 400",
  );
  assert.equal(
    of(() => assert.deepEqual(["a"], [], "what was it")),
    "what was it: [ 'a' ] instead of []",
  );
  assert.match(
    of(() => assert.fail("two\n  lines")),
    /^two lines$/,
  );
  assert.equal(inOneLine("x".repeat(1_000)).length, 301);
});
