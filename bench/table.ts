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

export function againstTable(cases: readonly AgainstCase[], ref: string): string {
  const rows = cases.map(({ name, unit, metric, pairs, ratio }) => {
    const mean = (side: "ours" | "theirs"): string =>
      (pairs.reduce((sum, pair) => sum + (pair[side][metric] ?? 0), 0) / pairs.length).toFixed(
        METRICS[metric].digits,
      );
    const { geometricMean, min, max } = ratio;
    return [
      `${name}: ${titleOf(metric, unit)}`,
      mean("ours"),
      mean("theirs"),
      `${geometricMean.toFixed(3)} (${min.toFixed(3)}..${max.toFixed(3)})`,
    ];
  });
  return alignColumns([["", "this tree", ref, "ratio: geometric mean of the pairs (range)"], ...rows]);
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
