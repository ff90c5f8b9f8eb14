/** docs/performance.md, its Chinese twin and their charts against the results that they name, and against each other. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sourcesIn } from "../../../bench/page/made.ts";
import { readProfile } from "../../../bench/page/profile-source.ts";
import { documentPath, MEASURED, PROFILE, render } from "../../../bench/page/render.ts";
import { readSource } from "../../../bench/page/sources.ts";
import { LANGUAGES } from "../../../bench/page/words.ts";
import { assertLinksLead, ROOT, readText, shapeOf } from "../../support/markdown.ts";

const PAGES = LANGUAGES.map((words) => ({ path: documentPath(words), text: readText(documentPath(words)) }));

for (const { path, text } of PAGES) {
  test(`${path} and its charts are what npm run bench:page makes from the results that it names`, () => {
    const sources = sourcesIn(text, MEASURED).map(readSource);
    assert.ok(sources.length > 0, "a result is named");
    const [profile] = sourcesIn(text, PROFILE).map(readProfile);
    const made = render(sources, profile, readText);
    for (const [file, content] of Object.entries(made)) {
      assert.ok(existsSync(join(ROOT, file)), `${file} is there: npm run bench:page`);
      assert.ok(readText(file) === content, `${file} is as it is made: npm run bench:page`);
    }
  });

  test(`${path} has links that lead somewhere`, () => assertLinksLead(text, "docs"));
}

test("both pages of performance have the same headings, tables and points, in the same order", () => {
  const [english, chinese] = PAGES.map(({ text }) => shapeOf(text));
  assert.deepEqual(chinese, english);
});
