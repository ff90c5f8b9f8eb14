/** What the fuzzer says to people. Pure. */
import type { Direction } from "./campaign.ts";
import type { Finding, FuzzResult, Progress } from "./fuzz-loop.ts";
import { formatCase } from "./wire-case.ts";

const SHOWN_CHARS = 1_500;
const SHOWN_LINES = 3;

export function formatProgress(direction: Direction, { cases, elapsedMs }: Progress): string {
  const seconds = elapsedMs / 1_000;
  const rate = seconds > 0 ? Math.round(cases / seconds) : 0;
  return `${direction}: ${cases} cases in ${seconds.toFixed(1)} s, ${rate} per second`;
}

export function formatResult(direction: Direction, result: FuzzResult): string {
  const { finding, slowBatches } = result;
  const slow = slowBatches > 0 ? `; ${slowBatches} times something was slow, and was not when run again` : "";
  const summary = `${formatProgress(direction, result)}${slow}`;
  return finding === null ? `${summary}; nothing found` : `${summary}\n${formatFinding(direction, finding)}`;
}

function formatFinding(direction: Direction, { seed, cases, faults, shrinks }: Finding): string {
  const flags = cases.map((wireCase) => ` --case '${formatCase(wireCase)}'`).join("");
  const alone = [`again, alone:`, `  npm run fuzz -- --only ${direction}${flags}`];
  return [
    `FOUND with seed ${seed}, shrunk in ${shrinks} steps to ${cases.length} case(s):`,
    ...few(cases.map(formatCase)),
    "what is wrong:",
    ...few(faults.map(({ what }) => what)),
    ...(cases.length <= SHOWN_LINES ? alone : []),
    "again, with all that was before it in its round:",
    `  npm run fuzz -- --only ${direction} --seed ${seed}`,
    "Once it is understood it belongs into test/fuzz/regressions.ts, with a name.",
  ].join("\n");
}

function few(lines: readonly string[]): string[] {
  const shown = lines.slice(0, SHOWN_LINES).map((line) => `  ${cut(line)}`);
  return lines.length > SHOWN_LINES ? [...shown, `  and ${lines.length - SHOWN_LINES} more`] : shown;
}

/** In the middle, where long cases repeat themselves. */
function cut(text: string): string {
  if (text.length <= SHOWN_CHARS) return text;
  return `${text.slice(0, SHOWN_CHARS / 2)} … ${text.slice(-SHOWN_CHARS / 2)}`;
}
