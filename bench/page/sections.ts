/** The parts of the page that are made from results: Markdown in a language. Pure. */
import type { CaseResult, ContenderResult, FloorResult, MetricName } from "../result.ts";
import { METRICS } from "../result.ts";
import { aboutOf, headOf, titleOf, unitOf } from "./case-words.ts";
import { figureOf, formatFigure, formatNumber, formatRatio, NONE, table } from "./figures.ts";
import { DIRECT, OURS } from "./panels.ts";
import type { Merged, Source } from "./sources.ts";
import type { Run, Words } from "./words.ts";

/** Fewer have no median that says more than one of them. */
const LEAST_ROUNDS = 3;
/** Of the last minute before the run: above it somebody else used a core. */
const BUSY_LOAD_AVERAGE = 1;

/** Machine, versions and set-ups. */
export function measuredSection(merged: Merged, words: Words): string {
  const { heads } = words;
  const contenders = new Map<string, ContenderResult>();
  for (const { contenders: each } of merged.cases)
    for (const one of each) if (!contenders.has(one.name)) contenders.set(one.name, one);
  const rows = [...contenders.values()].map(({ name, version, about }) => [name, version, about]);
  return [
    ...new Set(merged.sources.map(({ result }) => words.machine(result.environment))),
    merged.sources.map((source) => `- ${words.run(runOf(source, merged, words))}`).join("\n"),
    table([[heads.contender, heads.version, heads.setup], ...rows]),
  ].join("\n\n");
}

function runOf(source: Source, merged: Merged, words: Words): Run {
  const { file, result } = source;
  const { date, commit, isModified, loadAverage, versions } = result.environment;
  const numbers = Object.entries(result.options).filter(
    ([name, value]) => typeof value === "number" && name !== "pairs",
  );
  const tools = ["wrk", "ab", "autocannon"].flatMap((name) =>
    versions[name] === undefined ? [] : [`${name} ${versions[name]}`],
  );
  return {
    file: link(file),
    date: `${date.slice(0, 16).replace("T", " ")} UTC`,
    commit,
    isModified,
    loadAverage: formatNumber(loadAverage, 2),
    isRough: Number(result.options.rounds) < LEAST_ROUNDS || loadAverage > BUSY_LOAD_AVERAGE,
    cases: result.cases.filter((each) => merged.cases.includes(each)).map(({ name }) => `\`${name}\``),
    options: words.list([...numbers.map(([key, value]) => `\`${key}\` ${String(value)}`), ...tools]),
  };
}

function link(file: string): string {
  return `[${file}](../${file})`;
}

/** What is promised, what was measured, and whether it was held. */
export function floorsSection({ floors, cases }: Merged, words: Words): string {
  const { heads } = words;
  const held = (isHeld: boolean | undefined): string =>
    isHeld === undefined ? NONE : isHeld ? words.yes : words.no;
  const rows = floors.map((floor) => {
    const of = cases.find(({ name }) => name === floor.case);
    const limit = (value: number | undefined): string => limitText(floor, value);
    return [
      of ? titleOf(of, words) : floor.case,
      figureText(floor, of, words),
      floor.measured === undefined || floor.measured === null
        ? words.notMeasured
        : valueText(floor, floor.measured),
      limit(floor.floor),
      held(floor.isFloorHeld),
      limit(floor.aim),
      held(floor.isAimHeld),
    ];
  });
  const head = [
    heads.case,
    heads.figure,
    heads.measured,
    heads.floor,
    heads.floorHeld,
    heads.aim,
    heads.aimHeld,
  ];
  return table([head, ...rows]);
}

function figureText({ metric, against }: FloorResult, of: CaseResult | undefined, words: Words): string {
  if (against !== undefined) return `${words.metrics[metric]} ${words.against(against)}`;
  return of ? headOf(metric, of.unit, words) : words.metrics[metric];
}

function valueText({ metric, against }: FloorResult, value: number): string {
  return against === undefined ? formatNumber(value, METRICS[metric].digits) : formatRatio(value);
}

function limitText(floor: FloorResult, value: number | undefined): string {
  if (value === undefined) return NONE;
  return `${floor.bound === "at most" ? "≤" : "≥"} ${value}${floor.against === undefined ? "" : "×"}`;
}

/** Every case with the place of ours in it, and all who are better. */
export function ranksSection({ cases, failures }: Merged, words: Words): string {
  const rows = cases.map((of) => {
    const proxies = of.contenders.filter(({ name }) => name !== DIRECT);
    const ours = proxies.find(({ name }) => name === OURS);
    const figure = figureOf(ours?.median, of.headline);
    if (ours === undefined || figure === undefined) {
      const isFailed = failures.some((each) => each.case === of.name && each.name === OURS);
      return [titleOf(of, words), isFailed ? words.failed : words.notMeasured, NONE, NONE];
    }
    const measured = proxies.filter(({ median }) => figureOf(median, of.headline) !== undefined);
    const sign = METRICS[of.headline].isLowerBetter ? 1 : -1;
    const better = measured
      .map(({ name, median }) => ({ name, value: figureOf(median, of.headline) ?? figure }))
      .filter(({ value }) => sign * (value - figure) < 0)
      .sort((a, b) => sign * (a.value - b.value));
    const unit = unitOf(of.headline, of.unit, words);
    return [
      titleOf(of, words),
      `${formatFigure(ours.median, of.headline)} ${unit}`,
      words.ofOthers(better.length + 1, measured.length),
      better.length === 0
        ? words.nobody
        : words.list(better.map(({ name, value }) => `${name} ${formatRatio(value / figure)}`)),
    ];
  });
  const { heads } = words;
  return table([[heads.case, heads.figure, heads.rank, heads.better], ...rows]);
}

/** A heading and a table for each case. */
export function casesSection(merged: Merged, words: Words): string {
  return merged.cases.map((of) => caseSection(of, merged, words)).join("\n\n");
}

function caseSection(of: CaseResult, { failures }: Merged, words: Words): string {
  const references = [...new Set(of.contenders.flatMap(({ ratios }) => Object.keys(ratios)))];
  const columns: readonly MetricName[] = of.columns.includes(of.headline)
    ? of.columns
    : [of.headline, ...of.columns];
  const head = [
    "",
    ...columns.map((metric) => headOf(metric, of.unit, words)),
    ...references.map((name) => `${words.metrics[of.headline]} ${words.against(name)}`),
  ];
  const rows = of.contenders.map((contender) => [
    contender.name,
    ...columns.map((metric) =>
      metric === of.headline ? withRange(contender, metric) : formatFigure(contender.median, metric),
    ),
    ...references.map((name) =>
      name === contender.name ? "1×" : formatRatio(figureOf(contender.ratios[name], of.headline)),
    ),
  ]);
  const gaps = [
    ...of.leftOut.map(({ name, why }) => `- ${words.said(name, `${words.notMeasured} (${plain(why)})`)}`),
    ...failures
      .filter((each) => each.case === of.name)
      .map(({ name, why }) => `- ${words.said(name, `${words.failed} (${plain(why)})`)}`),
  ];
  return [
    `### ${titleOf(of, words)}`,
    `${aboutOf(of, words)} ${words.workers(of.workers)}`,
    table([head, ...rows]),
    ...(gaps.length > 0 ? [gaps.join("\n")] : []),
  ].join("\n\n");
}

/** The first line without what it repeats, and nothing in it that Markdown or HTML would take for its own. */
function plain(text: string): string {
  return (text.split("\n", 1)[0] ?? "")
    .replace(/^\S+, round \d+ of \S+: /, "")
    .replace(/[\\`*_[\]|]/g, "\\$&")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;");
}

function withRange({ median, min, max }: ContenderResult, metric: MetricName): string {
  const [low, high] = [formatFigure(min, metric), formatFigure(max, metric)];
  const range = low === high ? "" : ` (${low}..${high})`;
  return `${formatFigure(median, metric)}${range}`;
}
