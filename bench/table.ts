/** A result in text. Pure. */
import { alignColumns } from "./report.ts";
import {
  type AgainstCase,
  type CaseResult,
  type Figures,
  type FloorResult,
  METRICS,
  type MetricName,
} from "./result.ts";

export function caseTable({ name, about, unit, headline, columns, contenders, leftOut }: CaseResult): string {
  const references = [...new Set(contenders.flatMap(({ ratios }) => Object.keys(ratios)))];
  const head = [
    "",
    ...columns.map((column) => titleOf(column, unit)),
    ...references.map((each) => `/ ${each}`),
  ];
  const rows = contenders.map((contender) => [
    contender.name,
    ...columns.map((column) =>
      column === headline
        ? withRange(contender, column)
        : format(contender.median[column], METRICS[column].digits),
    ),
    ...references.map((each) => format(contender.ratios[each]?.[headline], 2)),
  ]);
  return [
    `${name}: ${about}`,
    alignColumns([head, ...rows]),
    ...leftOut.map((each) => `left out: ${each.name}, ${each.why}`),
  ].join("\n");
}

export function floorLines(floors: readonly FloorResult[]): string {
  const held = (isHeld: boolean | undefined): string =>
    isHeld === undefined ? "" : isHeld ? "held" : "NOT HELD";
  const rows = floors.map(({ case: name, about, measured, bound, floor, aim, isFloorHeld, isAimHeld }) => {
    const limit = (value: number | undefined): string =>
      value === undefined ? "-" : `${bound === "at most" ? "<=" : ">="} ${value}`;
    const isMemory = about.includes("KiB");
    return [
      `${name}: ${about}`,
      measured === undefined ? "not measured" : measured.toFixed(isMemory ? 1 : 2),
      limit(floor),
      held(isFloorHeld),
      limit(aim),
      held(isAimHeld),
    ];
  });
  return alignColumns([["floors and aims", "measured", "floor", "", "aim", ""], ...rows]);
}

/** The ratios are of the pairs: the geometric mean and, of the figure in question, its range. */
export function againstTable(cases: readonly AgainstCase[], ref: string): string {
  const others = ["perSecond", "p50Ms", "p99Ms", "peakMiB"] as const;
  const rows = cases.map(({ name, unit, metric, pairs, ratios }) => {
    const mean = (side: "ours" | "theirs"): string =>
      format(
        pairs.reduce((sum, pair) => sum + (pair[side][metric] ?? 0), 0) / pairs.length,
        METRICS[metric].digits,
      );
    const { geometricMean, min, max } = ratios[metric] ?? {};
    return [
      `${name}: ${titleOf(metric, unit)}`,
      mean("ours"),
      mean("theirs"),
      `${format(geometricMean, 3)} (${format(min, 3)}..${format(max, 3)})`,
      ...others.map((other) => format(ratios[other]?.geometricMean, 3)),
    ];
  });
  const titles = others.map((other) => METRICS[other].title);
  return alignColumns([["", "this tree", ref, "ratio (range)", ...titles], ...rows]);
}

function titleOf(metric: MetricName, unit: string): string {
  const { title, unit: inUnit } = METRICS[metric];
  return `${title} ${inUnit.replace("UNIT", unit)}`.trim();
}

function withRange(
  { median, min, max }: { median: Figures; min: Figures; max: Figures },
  metric: MetricName,
): string {
  const { digits } = METRICS[metric];
  const [middle, low, high] = [median, min, max].map((figures) => format(figures[metric], digits));
  return `${middle} (${low}..${high})`;
}

function format(value: number | undefined, digits: number): string {
  return value === undefined ? "-" : value.toFixed(digits);
}
