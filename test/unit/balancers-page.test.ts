/** docs/balancers.md against the code: every balancer, every column, and links that lead somewhere. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BALANCER_NAMES } from "../../src/core/balancer-names.ts";
import { equalCandidates } from "../support/candidates.ts";
import { assertLinksLead, checkedTable, key, readText } from "../support/markdown.ts";

const PAGE = readText("docs/balancers.md");

test("docs/balancers.md says of every balancer what it does and when to take it, and of no other", () => {
  const rows = checkedTable(PAGE, "balancers");
  assert.deepEqual(
    rows.map(([name]) => key(name)),
    [...BALANCER_NAMES],
  );
});

test("docs/balancers.md names every column that a balancer of one's own sees, and no other", () => {
  assert.deepEqual(
    checkedTable(PAGE, "columns").map(([name]) => key(name)),
    Object.keys(equalCandidates(1)),
  );
  assertLinksLead(PAGE, "docs");
});
