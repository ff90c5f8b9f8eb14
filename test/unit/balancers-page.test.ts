/**
 * docs/balancers.md and its Chinese twin against the code: every balancer, every column, and links that lead somewhere;
 * and against each other.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BALANCER_NAMES } from "../../src/core/balancer-names.ts";
import { equalCandidates } from "../support/candidates.ts";
import { assertLinksLead, checkedTable, key, readText, shapeOf } from "../support/markdown.ts";

const PAGES = ["docs/balancers.md", "docs/balancers.zh-CN.md"].map((name) => ({
  name,
  text: readText(name),
}));

for (const { name, text } of PAGES) {
  test(`${name} says of every balancer what it does and when to take it, and of no other`, () => {
    const rows = checkedTable(text, "balancers");
    assert.deepEqual(
      rows.map(([balancer]) => key(balancer)),
      [...BALANCER_NAMES],
    );
  });

  test(`${name} names every column that a balancer of one's own sees, and no other`, () => {
    assert.deepEqual(
      checkedTable(text, "columns").map(([column]) => key(column)),
      Object.keys(equalCandidates(1)),
    );
    assertLinksLead(text, "docs");
  });
}

test("both pages of balancers have the same headings, tables, points and code blocks, in the same order", () => {
  const [english, chinese] = PAGES.map(({ text }) => shapeOf(text));
  assert.deepEqual(chinese, english);
});
