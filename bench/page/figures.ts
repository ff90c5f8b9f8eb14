/** A figure as a reader sees it: digits, unit, ratio. Pure. */
import type { Figures, MetricName } from "../result.ts";
import { METRICS } from "../result.ts";

export const NONE = "–";

const FEW = 10;

/** The user's and the system's part of a figure of CPU. */
export const CPU_PARTS: Readonly<
  Partial<Record<MetricName, { readonly user: MetricName; readonly system: MetricName }>>
> = {
  cpuUs: { user: "cpuUserUs", system: "cpuSystemUs" },
  cpuS: { user: "cpuUserS", system: "cpuSystemS" },
};

/** A figure that JSON has as null was no number when it was measured. */
export function figureOf(figures: Figures | undefined, metric: MetricName): number | undefined {
  const value: unknown = figures?.[metric];
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** `12,345`, `0.60`; what is too small for its digits is `<0.01`, not nothing. */
export function formatNumber(value: number | undefined, digits: number): string {
  if (value === undefined || !Number.isFinite(value)) return NONE;
  const least = 10 ** -digits;
  if (value > 0 && value < least / 2) return `<${least.toFixed(digits)}`;
  const [whole = "", fraction] = value.toFixed(digits).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** A rate of a few GiB each second needs digits that one of thousands of requests does not. */
export function formatFigure(figures: Figures | undefined, metric: MetricName): string {
  const value = figureOf(figures, metric);
  const { digits } = METRICS[metric];
  const isSmall = value !== undefined && digits === 0 && value < FEW && !Number.isInteger(value);
  return formatNumber(value, isSmall ? 2 : digits);
}

export function formatRatio(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? NONE : `${formatNumber(value, 2)}×`;
}

/** A cell of a Markdown table: nothing in it ends the cell, the row, or is taken for HTML. */
export function cell(text: string): string {
  return text
    .replace(/\s+/g, " ")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll("|", "\\|")
    .trim();
}

export function table(rows: readonly (readonly string[])[]): string {
  const [head = [], ...rest] = rows;
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;
  return [line(head), `|${" --- |".repeat(head.length)}`, ...rest.map(line)].join("\n");
}
