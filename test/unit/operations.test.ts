/**
 * docs/operations.md and its Chinese twin against the code: a row for each error code, metrics that exist, and
 * against each other.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { ADMIN_ERRORS, FORWARD_ERRORS } from "../../src/core/errors.ts";
import { METRIC_PREFIX, METRICS } from "../../src/telemetry/metrics.ts";
import { assertLinksLead, checkedTable, key, readText, shapeOf } from "../support/markdown.ts";

const WHOSE = { client: "client", proxy: "proxy", backend: "backend" };
const WHOSE_IN_CHINESE = { client: "客户端", proxy: "代理", backend: "后端" };
const PAGES = [
  { name: "operations.md", whose: WHOSE },
  { name: "operations.zh-CN.md", whose: WHOSE_IN_CHINESE },
].map((page) => ({ ...page, text: readText(`docs/${page.name}`) }));

for (const { name, text, whose } of PAGES) {
  test(`${name} says what to do for every error code, and whose fault it is`, () => {
    assert.deepEqual(
      checkedTable(text, "admin errors").map(([code]) => key(code)),
      Object.keys(ADMIN_ERRORS),
    );
    assert.deepEqual(
      checkedTable(text, "forward errors").map(([code, fault]) => [key(code), fault]),
      Object.entries(FORWARD_ERRORS).map(([code, { source }]) => [code, whose[source]]),
    );
  });

  test(`${name} names only metrics, labels and reasons that exist, and links that lead somewhere`, () => {
    for (const [, metric = "", , selector = ""] of text.matchAll(/traffic_switching_(\w+)(\{([^}]*)\})?/g)) {
      const known = Object.entries(METRICS).find(([each]) => each === metric)?.[1];
      assert.ok(known, METRIC_PREFIX + metric);
      for (const [, label = "", values = ""] of selector.matchAll(/(\w+)!?=~?"([^"]*)"/g)) {
        assert.ok((known.labels as readonly string[]).includes(label), `${metric}{${label}}`);
        if (metric !== "http_refusals_total") continue;
        for (const reason of values.split("|")) assert.ok(reason.toUpperCase() in FORWARD_ERRORS, reason);
      }
    }
    assertLinksLead(text, "docs");
  });

  test(`${name} has alerts that each say what to do and how loud they are`, () => {
    const [, yaml = ""] = /^```yaml\n([\s\S]*?)^```$/m.exec(text) ?? [];
    const { groups } = parse(yaml) as { groups: { rules: Record<string, unknown>[] }[] };
    const rules = groups.flatMap((group) => group.rules);
    assert.ok(rules.length > 5);
    for (const { alert, expr, labels, annotations } of rules) {
      assert.ok(
        typeof expr === "string" && expr.includes(alert === "TrafficSwitchingDown" ? "up" : METRIC_PREFIX),
      );
      assert.match(String((labels as { severity: string }).severity), /^(page|ticket)$/);
      assert.match(String((annotations as { do: string }).do), /[.?]$/, String(alert));
    }
  });
}

test("both operations pages have the same headings, tables and code blocks, in the same order", () => {
  const [english, chinese] = PAGES.map(({ text }) => shapeOf(text));
  assert.deepEqual(chinese, english);
});
