/** The bars of the charts: lengths in proportion, gaps where nothing was measured, text that cannot break out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bar, barChart, lengthOf } from "../../../bench/page/bar-chart.ts";
import { coordinate, escapeXml, fitted, textWidth } from "../../../bench/page/svg.ts";

const WORDS = {
  title: "A <title>",
  description: "d & e",
  legend: { user: "user", system: "system", reference: "nginx" },
};

function bar(label: string, user: number, system: number): Bar {
  const parts = [
    { kind: "user", value: user },
    { kind: "system", value: system },
  ] as const;
  const isOurs = label === "ours";
  return { label, isOurs, isReference: label === "nginx", parts, text: "1 · 2×", told: label };
}

function draw(...bars: Bar[]): string {
  return barChart([{ title: "case", subtitle: "unit", bars }], WORDS);
}

/** Of the rectangles of each bar. */
function widthsIn(svg: string): number[][] {
  return [...svg.matchAll(/<g>.*<\/g>/g)].map(([group]) =>
    [...group.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width)),
  );
}

test("the parts of all bars of a panel are drawn to one scale", () => {
  const widths = widthsIn(draw(bar("ours", 10, 30), bar("nginx", 5, 5)));
  const [[user = 0, system = 0] = [], [half = 0] = []] = widths;
  assert.ok(Math.abs(system / user - 3) < 0.01, `${user} ${system}`);
  assert.ok(Math.abs(user / half - 2) < 0.01, `${user} ${half}`);
});

test("a bar stays in its panel with its text, however long both are, and a tiny one is still seen", () => {
  const long = { ...bar("a name that is much too long for its column", 1e9, 1e9), text: "x".repeat(30) };
  const svg = draw(long, bar("nginx", 1e-9, 1e-9));
  const [, end = ""] = /<text x="([\d.]+)"[^>]*>x+</.exec(svg) ?? [];
  assert.ok(Number(end) + textWidth(long.text, 12) <= 960 / 2, end);
  const [, tiny = []] = widthsIn(svg);
  assert.ok(tiny.reduce((sum, width) => sum + width, 0) >= 0.99);
  assert.match(svg, />a name that[^<]*…</);
});

test("what was not measured, or not as a number, has its words in place of a bar", () => {
  for (const parts of [[], [{ kind: "whole", value: Number.NaN }], [{ kind: "whole", value: -1 }]] as const) {
    const gap: Bar = { ...bar("go", 0, 0), parts, text: "not measured" };
    assert.equal(lengthOf(gap), undefined);
    const svg = draw(gap, bar("nginx", 1, 1));
    assert.deepEqual(widthsIn(svg)[0], []);
    assert.match(svg, />not measured</);
    assert.doesNotMatch(svg, /NaN|Infinity/);
  }
});

test("a panel of zeros, of gaps alone, or of nothing is still a picture", () => {
  for (const bars of [[bar("nginx", 0, 0)], [{ ...bar("go", 0, 0), parts: [] }], []]) {
    assert.doesNotMatch(draw(...bars), /NaN|Infinity/);
  }
});

test("names cannot break out of the picture, and characters that XML has not are replaced", () => {
  const svg = draw({ ...bar("</text><script>", 1, 1), told: 'a"b' });
  assert.doesNotMatch(svg, /<script/);
  assert.match(svg, /<title id="title">A &lt;title&gt;<\/title>/);
  assert.match(svg, /<desc id="desc">d &amp; e<\/desc>/);
  assert.equal(escapeXml("<a b=\"x\" c='y'>&"), "&lt;a b=&quot;x&quot; c=&#39;y&#39;&gt;&amp;");
  assert.equal(escapeXml("a\u0000b\ud800c\n"), "a\ufffdb\ufffdc\n");
});

test("the same panels give the same bytes, ours and the reference marked, nothing from outside", () => {
  const svg = draw(bar("ours", 2, 1), bar("nginx", 1, 1));
  assert.equal(draw(bar("ours", 2, 1), bar("nginx", 1, 1)), svg);
  assert.match(svg, /class="ours-user"/);
  assert.match(svg, /class="end ours"/);
  assert.equal([...svg.matchAll(/<line class="line"/g)].length, 2, "the reference's line, and its legend");
  assert.match(svg, /prefers-color-scheme:dark/);
  assert.doesNotMatch(svg, /<script|@import|url\(|href/);
});

test("text is cut to what fits, and a coordinate is never written in another form", () => {
  assert.equal(fitted("short", 12, 100), "short");
  assert.ok(textWidth(fitted("二进制应答与很多别的东西", 12, 60), 12) <= 60);
  assert.equal(coordinate(1 / 3), "0.33");
  assert.equal(coordinate(-0.0001), "0");
  assert.throws(() => coordinate(Number.NaN), RangeError);
});
