/** What a result becomes on the page: ratios, gaps, ranks, promises; and several runs as one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CASES } from "../../../bench/cases/registry.ts";
import { formatNumber, formatRatio, table } from "../../../bench/page/figures.ts";
import { cpuPanels, otherPanels } from "../../../bench/page/panels.ts";
import { casesSection, floorsSection, measuredSection, ranksSection } from "../../../bench/page/sections.ts";
import { merge, type Source } from "../../../bench/page/sources.ts";
import { LANGUAGES } from "../../../bench/page/words.ts";
import { ENGLISH } from "../../../bench/page/words-english.ts";
import { type BenchResult, type ContenderResult, type Figures, METRICS } from "../../../bench/result.ts";

function contender(name: string, median: Figures, toNginx?: number): ContenderResult {
  const nginx: Figures = toNginx === undefined ? {} : { cpuUs: toNginx };
  const spread = { median, min: median, max: median };
  return { name, version: "1", about: "a | <b>", rounds: [], ...spread, ratios: { nginx } };
}

/** As JSON has it: what was no number is null. */
const NO_NUMBER = JSON.parse('{ "cpuUs": null }') as Figures;

const RESULT: BenchResult = {
  kind: "bench",
  environment: {
    date: "2030-01-31T23:59:59.000Z",
    commit: "abc1234",
    isModified: true,
    cpu: "a CPU",
    cores: 2,
    memoryGiB: 4,
    kernel: "6.1",
    node: "v24.0.0",
    v8: "13",
    packages: {},
    versions: { wrk: "4.1" },
    loadAverage: 0.5,
  },
  options: { rounds: 5, tool: "wrk" },
  cases: [
    {
      name: "small",
      about: "in the result's words",
      unit: "request",
      headline: "cpuUs",
      columns: ["perSecond", "cpuUs", "p99Ms"],
      workers: 1,
      contenders: [
        contender("direct", { cpuUs: 5, cpuUserUs: 1, cpuSystemUs: 4 }),
        contender("nginx", { cpuUs: 17, cpuUserUs: 5, cpuSystemUs: 12, perSecond: 30_000, p99Ms: 0.001 }, 1),
        contender("traffic-switching", { cpuUs: 20, cpuUserUs: 10, cpuSystemUs: 9 }, 1.18),
        contender("caddy", { cpuUs: 80, perSecond: 0.25 }, 4.7),
        contender("go", NO_NUMBER),
      ],
      leftOut: [{ name: "haproxy", why: "not <installed>" }],
    },
    {
      name: "of tomorrow",
      about: "no words for it",
      unit: "thing",
      headline: "perSecond",
      columns: ["perSecond"],
      workers: 2,
      contenders: [contender("nginx", { perSecond: 10 }), contender("traffic-switching", { perSecond: 20 })],
      leftOut: [],
    },
  ],
  floors: [
    {
      case: "small",
      metric: "cpuUs",
      against: "nginx",
      bound: "at most",
      floor: 1.5,
      aim: 1.1,
      about: "",
      measured: 1.18,
      isFloorHeld: true,
      isAimHeld: false,
    },
    { case: "small", metric: "perSecond", bound: "at least", aim: 5, about: "" },
  ],
  failures: [{ case: "small", name: "http-proxy", why: "http-proxy, round 1 of small: broke\nsecond line" }],
};

const SOURCE: Source = { file: "bench/results/a.json", result: RESULT };
const MERGED = merge([SOURCE]);

test("every case of the bench and every figure has its words in every language", () => {
  const names = CASES.map(({ name }) => name);
  for (const words of LANGUAGES) {
    assert.deepEqual(Object.keys(words.cases).sort(), [...names].sort());
    assert.deepEqual(Object.keys(words.metrics), Object.keys(METRICS));
    for (const { unit } of CASES) assert.ok(unit in words.units, unit);
  }
});

test("a panel has ours first, the ratio to nginx at the bar's end, and a gap for whoever was not measured", () => {
  const [panel, ...more] = cpuPanels(MERGED, ENGLISH);
  assert.equal(more.length, 0, "the other case is not about CPU");
  assert.equal(panel?.title, "2-byte answer, 64 connections");
  assert.equal(panel?.subtitle, "CPU µs/request, less is better");
  assert.deepEqual(
    panel?.bars.map(({ label, text }) => `${label}: ${text}`),
    [
      "traffic-switching: 20.0 · 1.18×",
      "nginx: 17.0 · 1.00×",
      "caddy: 80.0 · 4.70×",
      "go: not measured",
      "http-proxy: failed",
    ],
  );
  assert.equal(
    panel?.bars[0]?.told,
    "traffic-switching: 20.0 µs/request, user 10.0, system 9.0, 1.18× nginx",
  );
  const [user, system] = panel?.bars[0]?.parts ?? [];
  assert.equal((user?.value ?? 0) + (system?.value ?? 0), 20, "the parts make the whole");
});

test("a figure other than CPU has a panel of its own, also in a case that nobody has words for", () => {
  const panels = otherPanels(MERGED, ENGLISH);
  assert.deepEqual(
    panels.map(({ title, subtitle }) => `${title}: ${subtitle}`),
    ["no words for it: rate things/s, more is better"],
  );
});

test("the table of a case has a row for each contender, and says why another is not there", () => {
  const text = casesSection(MERGED, ENGLISH);
  assert.match(text, /^### 2-byte answer, 64 connections$/m);
  assert.match(text, /^\| nginx \| 30,000 \| 17\.0 \| &lt;0\.01 \| 1× \|$/m);
  assert.match(text, /^\| caddy \| 0\.25 \|/m, "a small rate has digits");
  assert.match(text, /^\| go \| – \| – \| – \| – \|$/m);
  assert.match(text, /^- haproxy: not measured \(not &lt;installed>\)$/m);
  assert.match(text, /^- http-proxy: failed \(broke\)$/m);
});

test("promises say whether they were held, and when nothing was measured", () => {
  const rows = floorsSection(MERGED, ENGLISH).split("\n").slice(2);
  assert.deepEqual(rows, [
    "| 2-byte answer, 64 connections | CPU against nginx | 1.18× | ≤ 1.5× | yes | ≤ 1.1× | **no** |",
    "| 2-byte answer, 64 connections | rate requests/s | not measured | – | – | ≥ 5 | – |",
  ]);
});

test("whoever is better than ours is named, by the figure of the case, whichever way is good", () => {
  const rows = ranksSection(MERGED, ENGLISH).split("\n").slice(2);
  assert.deepEqual(rows, [
    "| 2-byte answer, 64 connections | 20.0 µs/request | 2 of 3 | nginx 0.85× |",
    "| no words for it | 20 things/s | 1 of 2 | nobody |",
  ]);
});

test("a case in which ours failed, or took no part, is not passed over", () => {
  const [small] = RESULT.cases;
  assert.ok(small);
  const contenders = small.contenders.filter(({ name }) => name !== "traffic-switching");
  const without = { ...RESULT, cases: [{ ...small, contenders }], failures: [] };
  const failed = { ...without, failures: [{ case: "small", name: "traffic-switching", why: "broke" }] };
  for (const [result, word] of [
    [without, "not measured"],
    [failed, "failed"],
  ] as const) {
    const merged = merge([{ file: "bench/results/a.json", result }]);
    assert.match(ranksSection(merged, ENGLISH), new RegExp(`connections \\| ${word} \\| – \\| – \\|`));
    const [first] = cpuPanels(merged, ENGLISH)[0]?.bars ?? [];
    assert.deepEqual([first?.label, first?.text], ["traffic-switching", word]);
  }
});

test("the set-ups of contenders cannot break the table, and a run is named with its commit", () => {
  const text = measuredSection(MERGED, ENGLISH);
  assert.match(text, /^\| nginx \| 1 \| a \\\| &lt;b> \|$/m);
  assert.match(
    text,
    /\]\(\.\.\/bench\/results\/a\.json\): 2030-01-31 23:59 UTC, commit `abc1234` with uncommitted/,
  );
});

test("a run of few rounds, or on a busy machine, says that its figures are rough", () => {
  const measured = (rounds: number, loadAverage: number): string => {
    const environment = { ...RESULT.environment, loadAverage };
    const result = { ...RESULT, environment, options: { rounds } };
    return measuredSection(merge([{ file: "bench/results/a.json", result }]), ENGLISH);
  };
  assert.doesNotMatch(measured(5, 0.5), /rough/);
  assert.match(measured(1, 0.5), /rough/);
  assert.match(measured(5, 8), /rough/);
});

test("of several runs the last that has a case counts for it, its failures and its promises", () => {
  const [small] = RESULT.cases;
  assert.ok(small);
  const later = { ...RESULT, cases: [{ ...small, about: "later" }], floors: [], failures: [] };
  const merged = merge([SOURCE, { file: "bench/results/b.json", result: later }]);
  assert.deepEqual(
    merged.cases.map(({ about }) => about),
    ["later", "no words for it"],
  );
  assert.deepEqual([merged.floors.length, merged.failures.length], [0, 0]);
});

test("numbers are grouped, never nothing when they are something, and a dash when there is none", () => {
  assert.equal(formatNumber(1234567.891, 1), "1,234,567.9");
  assert.equal(formatNumber(0.004, 2), "<0.01");
  assert.equal(formatNumber(0, 2), "0.00");
  for (const none of [undefined, Number.NaN, Number.POSITIVE_INFINITY])
    assert.equal(formatNumber(none, 1), "–");
  assert.equal(formatRatio(undefined), "–");
  assert.equal(table([["a"], ["b\nc"]]), "| a |\n| --- |\n| b c |");
});
