/**
 * Horizontal bars: one panel for each case, one bar for each contender, its parts side by side, what it comes to
 * at its end, and a dashed line where the reference's bar ends. Pure: the same panels give the same bytes.
 */
import { BAR_STYLE } from "./bar-style.ts";
import { element, escapeXml, fitted, picture, textElement, textWidth } from "./svg.ts";

/** Shades of a bar: `whole` is for what has no parts. */
export type PartKind = "user" | "system" | "whole";

export interface BarPart {
  readonly kind: PartKind;
  readonly value: number;
}

export interface Bar {
  readonly label: string;
  readonly isOurs: boolean;
  /** Whether the dashed line stands at its end. */
  readonly isReference: boolean;
  /** Empty, or with a value that is no finite number: not measured, and drawn as that. */
  readonly parts: readonly BarPart[];
  /** At the bar's end, or in its place. */
  readonly text: string;
  /** What a pointer that rests on the bar, and a screen reader, is told. */
  readonly told: string;
}

export interface Panel {
  readonly title: string;
  /** What is measured, in which unit, and which way is good. */
  readonly subtitle: string;
  readonly bars: readonly Bar[];
}

export interface ChartWords {
  readonly title: string;
  readonly description: string;
  /** Without user and system where no bar has these parts. */
  readonly legend: { readonly user?: string; readonly system?: string; readonly reference: string };
}

const WIDTH_PX = 960;
const COLUMNS = 2;
const MARGIN_PX = 20;
const GUTTER_PX = 32;
const PANEL_WIDTH_PX = (WIDTH_PX - 2 * MARGIN_PX - GUTTER_PX * (COLUMNS - 1)) / COLUMNS;
const TITLE_HEIGHT_PX = 46;
const LEGEND_HEIGHT_PX = 40;
const ROW_HEIGHT_PX = 20;
const BAR_HEIGHT_PX = 13;
const PANEL_GAP_PX = 22;
const FONT_PX = 12;
const LABEL_LIMIT_PX = 150;
const LABEL_GAP_PX = 8;
const TEXT_GAP_PX = 6;
/** A bar that is measured is seen, however small. */
const LEAST_BAR_PX = 1;

export function barChart(panels: readonly Panel[], words: ChartWords): string {
  const drawn = [legend(words.legend)];
  let topPx = MARGIN_PX + LEGEND_HEIGHT_PX;
  for (let first = 0; first < panels.length; first += COLUMNS) {
    const row = panels.slice(first, first + COLUMNS);
    for (const [column, panel] of row.entries()) {
      const leftPx = MARGIN_PX + column * (PANEL_WIDTH_PX + GUTTER_PX);
      drawn.push(drawPanel(panel, leftPx, topPx));
    }
    topPx += Math.max(...row.map(heightOf)) + PANEL_GAP_PX;
  }
  const heightPx = topPx - PANEL_GAP_PX + MARGIN_PX;
  return picture({ widthPx: WIDTH_PX, heightPx }, words, BAR_STYLE, drawn);
}

/** Undefined when it was not measured, or not as a number. */
export function lengthOf(bar: Bar): number | undefined {
  if (bar.parts.length === 0) return undefined;
  if (bar.parts.some(({ value }) => !Number.isFinite(value) || value < 0)) return undefined;
  return bar.parts.reduce((sum, { value }) => sum + value, 0);
}

function heightOf(panel: Panel): number {
  return TITLE_HEIGHT_PX + panel.bars.length * ROW_HEIGHT_PX;
}

function legend(words: ChartWords["legend"]): string {
  const centrePx = MARGIN_PX + BAR_HEIGHT_PX / 2;
  const drawn: string[] = [];
  let xPx = MARGIN_PX;
  const word = (text: string): void => {
    drawn.push(textElement({ x: xPx, y: centrePx + 4 }, text));
    xPx += textWidth(text, FONT_PX) + 24;
  };
  for (const kind of ["user", "system"] as const) {
    const text = words[kind];
    if (text === undefined) continue;
    for (const prefix of ["ours-", ""]) {
      const box = {
        class: prefix + kind,
        x: xPx,
        y: MARGIN_PX,
        width: BAR_HEIGHT_PX,
        height: BAR_HEIGHT_PX,
        rx: 2,
      };
      drawn.push(element("rect", box));
      xPx += BAR_HEIGHT_PX + 4;
    }
    xPx += 4;
    word(text);
  }
  drawn.push(
    element("line", { class: "line", x1: xPx, y1: MARGIN_PX, x2: xPx, y2: MARGIN_PX + BAR_HEIGHT_PX }),
  );
  xPx += 8;
  word(words.reference);
  return drawn.join("\n");
}

function drawPanel(panel: Panel, leftPx: number, topPx: number): string {
  const widestPx = Math.max(0, ...panel.bars.map(({ label }) => textWidth(label, FONT_PX)));
  const labelPx = Math.min(LABEL_LIMIT_PX, widestPx);
  const barsLeftPx = leftPx + labelPx + LABEL_GAP_PX;
  const pxPerUnit = scaleOf(panel.bars, PANEL_WIDTH_PX - labelPx - LABEL_GAP_PX - TEXT_GAP_PX);
  const rowsTopPx = topPx + TITLE_HEIGHT_PX;
  const rowTopPx = (row: number): number => rowsTopPx + row * ROW_HEIGHT_PX;
  return [
    textElement({ class: "title", x: leftPx, y: topPx + 14 }, fitted(panel.title, 14, PANEL_WIDTH_PX)),
    textElement({ class: "quiet", x: leftPx, y: topPx + 32 }, fitted(panel.subtitle, 11, PANEL_WIDTH_PX)),
    ...referenceLine(panel.bars, barsLeftPx, pxPerUnit, rowsTopPx),
    ...panel.bars.map((bar, row) => drawBar(bar, { labelPx, barsLeftPx, pxPerUnit, topPx: rowTopPx(row) })),
  ].join("\n");
}

/** The largest scale at which every bar leaves room for its text. */
function scaleOf(bars: readonly Bar[], roomPx: number): number {
  const scales = bars.flatMap((bar) => {
    const length = lengthOf(bar) ?? 0;
    return length > 0 ? [(roomPx - textWidth(bar.text, FONT_PX)) / length] : [];
  });
  return scales.length > 0 ? Math.max(0, Math.min(...scales)) : 0;
}

/** Behind the bars, so that it is seen between them. */
function referenceLine(
  bars: readonly Bar[],
  barsLeftPx: number,
  pxPerUnit: number,
  rowsTopPx: number,
): string[] {
  const reference = bars.find(({ isReference }) => isReference);
  const length = reference && lengthOf(reference);
  if (length === undefined) return [];
  const x = barsLeftPx + length * pxPerUnit;
  const bottomPx = rowsTopPx + bars.length * ROW_HEIGHT_PX - (ROW_HEIGHT_PX - BAR_HEIGHT_PX);
  return [element("line", { class: "line", x1: x, y1: rowsTopPx - 4, x2: x, y2: bottomPx + 4 })];
}

interface Place {
  readonly topPx: number;
  readonly labelPx: number;
  readonly barsLeftPx: number;
  readonly pxPerUnit: number;
}

function drawBar(bar: Bar, place: Place): string {
  const { topPx, barsLeftPx } = place;
  const length = lengthOf(bar);
  const strong = bar.isOurs ? "ours" : "";
  const baselinePx = topPx + BAR_HEIGHT_PX - 2;
  const label = fitted(bar.label, FONT_PX, place.labelPx);
  const drawn = [
    `<title>${escapeXml(bar.told)}</title>`,
    textElement({ class: `end ${strong}`.trim(), x: barsLeftPx - LABEL_GAP_PX, y: baselinePx }, label),
  ];
  if (length === undefined) {
    drawn.push(textElement({ class: "quiet", x: barsLeftPx, y: baselinePx }, bar.text));
    return element("g", {}, drawn.join(""));
  }
  const lengthPx = Math.max(LEAST_BAR_PX, length * place.pxPerUnit);
  let xPx = barsLeftPx;
  for (const { kind, value } of bar.parts) {
    const widthPx = length > 0 ? (lengthPx * value) / length : lengthPx / bar.parts.length;
    const shade = bar.isOurs ? `ours-${kind}` : kind;
    drawn.push(element("rect", { class: shade, x: xPx, y: topPx, width: widthPx, height: BAR_HEIGHT_PX }));
    xPx += widthPx;
  }
  drawn.push(
    textElement({ ...(strong && { class: strong }), x: xPx + TEXT_GAP_PX, y: baselinePx }, bar.text),
  );
  return element("g", {}, drawn.join(""));
}
