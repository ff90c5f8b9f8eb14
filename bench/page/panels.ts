/** Results as the panels of the two charts: CPU, and everything else that a case is about. Pure. */
import { type CaseResult, type ContenderResult, METRICS, type MetricName } from "../result.ts";
import type { Bar, BarPart, Panel } from "./bar-chart.ts";
import { headOf, titleOf, unitOf } from "./case-words.ts";
import { CPU_PARTS, figureOf, formatFigure, formatRatio } from "./figures.ts";
import type { Merged } from "./sources.ts";
import type { Words } from "./words.ts";

export const OURS = "traffic-switching";
export const REFERENCE = "nginx";
/** No proxy: what CPU it has is the backend's, which is no part of the comparison. */
export const DIRECT = "direct";

/** Beside the figure that a case is about. */
const ALSO: Readonly<Record<string, readonly MetricName[]>> = {
  "connections-1000": ["p99Ms"],
  "latency-1": ["p50Ms"],
  websocket: ["perSecond"],
  "ab-12000": ["longestMs", "peakMiB"],
};

export function cpuPanels(merged: Merged, words: Words): Panel[] {
  return merged.cases.flatMap((each) => {
    const metric = (["cpuUs", "cpuS"] as const).find((name) => each.columns.includes(name));
    return metric === undefined || each.headline === "connectionKiB"
      ? []
      : [panel(each, metric, merged, words)];
  });
}

export function otherPanels(merged: Merged, words: Words): Panel[] {
  return merged.cases.flatMap((each) => {
    const metrics = new Set([each.headline, ...(ALSO[each.name] ?? [])]);
    return [...metrics]
      .filter((metric) => CPU_PARTS[metric] === undefined)
      .map((metric) => panel(each, metric, merged, words));
  });
}

function panel(of: CaseResult, metric: MetricName, { failures }: Merged, words: Words): Panel {
  const shown = of.contenders.filter(({ name }) => CPU_PARTS[metric] === undefined || name !== DIRECT);
  const bars = [
    ...shown.map((each) => bar(each, metric, of.unit, words) ?? gap(each.name, words.notMeasured, words)),
    ...missingIn(of, failures).map(({ name, isFailed }) =>
      gap(name, isFailed ? words.failed : words.notMeasured, words),
    ),
  ];
  return {
    title: titleOf(of, words),
    subtitle: words.list([
      headOf(metric, of.unit, words),
      METRICS[metric].isLowerBetter ? words.charts.isLowerBetter : words.charts.isHigherBetter,
    ]),
    bars: bars.toSorted((a, b) => Number(b.isOurs) - Number(a.isOurs)),
  };
}

/** Who failed, and ours in any case; the table says of all others why they took no part. */
function missingIn(
  of: CaseResult,
  failures: Merged["failures"],
): readonly { readonly name: string; readonly isFailed: boolean }[] {
  const isThere = (name: string): boolean => of.contenders.some((each) => each.name === name);
  const failed = failures.filter((each) => each.case === of.name && !isThere(each.name));
  const isOursMissing = !isThere(OURS) && failed.every(({ name }) => name !== OURS);
  return [
    ...(isOursMissing ? [{ name: OURS, isFailed: false }] : []),
    ...failed.map(({ name }) => ({ name, isFailed: true })),
  ];
}

function gap(name: string, text: string, words: Words): Bar {
  return {
    label: name,
    isOurs: name === OURS,
    isReference: false,
    parts: [],
    text,
    told: words.said(name, text),
  };
}

function bar(
  { name, median, ratios }: ContenderResult,
  metric: MetricName,
  unit: string,
  words: Words,
): Bar | undefined {
  const value = figureOf(median, metric);
  if (value === undefined) return undefined;
  const figure = `${formatFigure(median, metric)} ${unitOf(metric, unit, words)}`.trim();
  const ratio = figureOf(ratios[REFERENCE], metric);
  const told = [figure];
  const parts = cpuParts(median, metric, value);
  const split = CPU_PARTS[metric];
  if (split && parts.length > 1) {
    told.push(words.pair(formatFigure(median, split.user), formatFigure(median, split.system)));
  }
  if (ratio !== undefined) told.push(`${formatRatio(ratio)} ${REFERENCE}`);
  const short = formatFigure(median, metric);
  return {
    label: name,
    isOurs: name === OURS,
    isReference: name === REFERENCE,
    parts,
    text: ratio === undefined ? short : `${short} · ${formatRatio(ratio)}`,
    told: words.said(name, words.list(told)),
  };
}

/** Scaled to the whole: the median of a sum is not the sum of the medians. */
function cpuParts(median: ContenderResult["median"], metric: MetricName, whole: number): BarPart[] {
  const split = CPU_PARTS[metric];
  const user = split && figureOf(median, split.user);
  const system = split && figureOf(median, split.system);
  if (user === undefined || system === undefined || user + system <= 0) {
    return [{ kind: "whole", value: whole }];
  }
  const scale = whole / (user + system);
  return [
    { kind: "user", value: user * scale },
    { kind: "system", value: system * scale },
  ];
}
