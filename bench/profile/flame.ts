/** A tree of stacks as a flame graph in SVG: the caller below, the width its share, each frame told by its <title>. Pure. */
import { coordinate, element, escapeXml, fitted, picture, textElement, textWidth } from "../page/svg.ts";
import type { FrameKind } from "./frames.ts";
import type { Branch } from "./tree.ts";

const WIDTH_PX = 1200;
const MARGIN_PX = 12;
const LEGEND_HEIGHT_PX = 34;
const ROW_HEIGHT_PX = 16;
const FONT_PX = 11;
/** Less is not seen. */
const LEAST_WIDTH_PX = 0.6;
/** Less holds no letter that says anything. */
const LEAST_TEXT_PX = 32;

const KINDS: readonly (readonly [kind: FrameKind, name: string])[] = [
  ["kernel", "kernel"],
  ["ours", "traffic-switching"],
  ["node", "JavaScript of Node.js"],
  ["builtin", "V8 built-ins"],
  ["native", "C++ of Node.js, V8, libuv"],
  ["library", "libraries"],
  ["unknown", "?"],
];

const STYLE = `text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-size:11px;fill:#1f2328;pointer-events:none}
.ground{fill:#ffffff;stroke:#d1d9e0}
.kernel{fill:#c3cad2}
.ours{fill:#6cb0ff}
.node{fill:#9fd8a5}
.builtin{fill:#f2d675}
.native{fill:#f5b183}
.library{fill:#d8b9ff}
.unknown{fill:#e5e5e5}
g:hover rect{stroke:#1f2328}
@media (prefers-color-scheme:dark){
text{fill:#f0f6fc}
.ground{fill:#0d1117;stroke:#3d444d}
.kernel{fill:#3d4650}
.ours{fill:#1f5fbf}
.node{fill:#2b6b35}
.builtin{fill:#735c0f}
.native{fill:#8a4a1c}
.library{fill:#5b3a8c}
.unknown{fill:#2d333b}
g:hover rect{stroke:#f0f6fc}
}`;

export function flameGraph(
  tree: readonly Branch[],
  words: { readonly title: string; readonly description: string },
): string {
  const all = tree.reduce((sum, { samples }) => sum + samples, 0);
  const pxPerSample = (WIDTH_PX - 2 * MARGIN_PX) / Math.max(1, all);
  const heightPx = 2 * MARGIN_PX + LEGEND_HEIGHT_PX + depthOf(tree, pxPerSample) * ROW_HEIGHT_PX;
  const frames: string[] = [];
  const draw = (branches: readonly Branch[], leftPx: number, bottomPx: number): void => {
    let xPx = leftPx;
    for (const branch of branches) {
      const widthPx = branch.samples * pxPerSample;
      if (widthPx >= LEAST_WIDTH_PX) {
        frames.push(drawFrame(branch, xPx, bottomPx - ROW_HEIGHT_PX, widthPx, branch.samples / all));
        draw(branch.above, xPx, bottomPx - ROW_HEIGHT_PX);
      }
      xPx += widthPx;
    }
  };
  draw(tree, MARGIN_PX, heightPx - MARGIN_PX);
  return picture({ widthPx: WIDTH_PX, heightPx }, words, STYLE, [legend(), ...frames]);
}

function depthOf(branches: readonly Branch[], pxPerSample: number): number {
  const seen = branches.filter(({ samples }) => samples * pxPerSample >= LEAST_WIDTH_PX);
  return Math.max(0, ...seen.map(({ above }) => 1 + depthOf(above, pxPerSample)));
}

function drawFrame({ name, kind }: Branch, xPx: number, yPx: number, widthPx: number, share: number): string {
  const text = widthPx >= LEAST_TEXT_PX ? fitted(name, FONT_PX, widthPx - 4) : "";
  const parts = [
    `<title>${escapeXml(`${name}: ${coordinate(share * 100)}%`)}</title>`,
    element("rect", {
      class: kind,
      x: xPx,
      y: yPx,
      width: Math.max(LEAST_WIDTH_PX, widthPx - 0.4),
      height: ROW_HEIGHT_PX - 1,
    }),
    ...(text.length > 2 ? [textElement({ x: xPx + 2, y: yPx + 11.5 }, text)] : []),
  ];
  return element("g", {}, parts.join(""));
}

function legend(): string {
  let xPx = MARGIN_PX;
  return KINDS.map(([kind, name]) => {
    const box = element("rect", { class: kind, x: xPx, y: MARGIN_PX, width: 12, height: 12 });
    const text = textElement({ x: xPx + 17, y: MARGIN_PX + 10 }, name);
    xPx += 17 + textWidth(name, FONT_PX) + 14;
    return box + text;
  }).join("\n");
}
