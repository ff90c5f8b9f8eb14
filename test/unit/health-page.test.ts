/**
 * docs/health.md and its Chinese twin against the code: keys of a version that exist, an example that runs, links that
 * lead somewhere; and against each other.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { POOL_KEY_PATHS, versionSettings } from "../../src/config/pool-schema.ts";
import { assertLinksLead, readText, shapeOf } from "../support/markdown.ts";

const PAGES = ["docs/health.md", "docs/health.zh-CN.md"].map((name) => ({ name, text: readText(name) }));
/** Sections with keys of their own. */
const SECTIONS = "health|outlier|breaker|limits";

for (const { name, text } of PAGES) {
  test(`${name} names only keys that a version has, and links that lead somewhere`, () => {
    const named = [...text.matchAll(new RegExp(`\`((?:${SECTIONS})\\.\\w+)\``, "g"))].map(
      ([, key = ""]) => key,
    );
    assert.ok(named.length >= 5, `${named.length} keys`);
    for (const key of named) assert.ok((POOL_KEY_PATHS as readonly string[]).includes(key), key);
    assertLinksLead(text, "docs");
  });

  test(`${name} has an example that a version takes as it stands, and that is the default`, () => {
    const [, yaml = ""] = /^```yaml\n([\s\S]*?)^```$/m.exec(text) ?? [];
    const targets = ["http://a"];
    const schema = versionSettings();
    const example = schema.parse({ targets, ...(parse(yaml) as object) });
    assert.deepEqual(example, schema.parse({ targets, health: {} }));
  });
}

test("both pages of health have the same headings, tables, points and code blocks, in the same order", () => {
  const [english, chinese] = PAGES.map(({ text }) => shapeOf(text));
  assert.deepEqual(chinese, english);
});
