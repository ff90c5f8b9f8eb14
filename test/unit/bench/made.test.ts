/** The made sections of a document, and the results that they name. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fill, sourcesIn } from "../../../bench/page/made.ts";

const TEXT = `# By hand

<!-- made: one -->

old

<!-- end of one -->

by hand, too

<!-- made: two -->
<!-- end of two -->
`;

test("what is made takes the place of what was made, and what is written by hand stays", () => {
  const made = { one: "new $1 $&", two: "2" };
  const expected = TEXT.replace("old", () => made.one).replace("two -->\n", "two -->\n\n2\n\n");
  assert.equal(fill(TEXT, made), expected);
  assert.equal(fill(expected, made), expected);
});

test("a section without a place, twice in the text, not closed or not made is an error", () => {
  assert.throws(() => fill(TEXT, { one: "", two: "", three: "" }), /made: three/);
  assert.throws(() => fill(TEXT + TEXT, { one: "", two: "" }), /each once/);
  assert.throws(() => fill(TEXT.replace("<!-- end of two -->", ""), { one: "", two: "" }), /end of two/);
  assert.throws(() => fill(TEXT, { one: "" }), /section two/);
});

test("only the results that a section links to are what it was made from", () => {
  const link = (name: string): string => `[x](../bench/results/${name}.json)\n`;
  const inside = link("b") + link("c") + link("b");
  const text = `${link("a")}<!-- made: s -->\n${inside}<!-- end of s -->\n${link("d")}`;
  assert.deepEqual(sourcesIn(text, "s"), ["bench/results/b.json", "bench/results/c.json"]);
});
