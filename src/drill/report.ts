/** Report: what the drill prints for people. Pure; lines without their ends, at most 110 columns but for problems. */
import { COLUMNS, KINDS } from "./kinds.ts";
import type { Killed, Moved } from "./operator.ts";
import type { DrillResult } from "./result.ts";

export function moveLine(number: number, moved: Moved): string {
  const { call, to, hold, ms, phases, meanwhile, problem } = moved;
  const what = `${String(number).padStart(3)}  ${call.padEnd(8)} to ${to}`;
  if (problem !== null) return `${what}  FAILED after ${ms} ms: ${problem}`;
  const parts = Object.entries(phases).map(
    ([name, each]) => `${name.replace(/_ms$/, "")} ${Math.round(each)}`,
  );
  const details = [parts.join(", "), `${meanwhile} done meanwhile`, ...(hold ? [`hold ${hold}`] : [])];
  return `${what}  ${`${Math.round(ms)} ms`.padStart(7)}  ${details.join("; ")}`;
}

export function killLine({ pid, connections, replacedMs }: Killed): string {
  const held = connections === null ? "" : ` with ${connections} connections`;
  return `     killed worker ${pid}${held}; replaced after ${Math.round(replacedMs)} ms`;
}

export function summary(result: DrillResult): string[] {
  return [
    "",
    ...table(result),
    "",
    ...legend(),
    "",
    ...result.losses.map(({ at_seconds, kind, why }) => `after ${at_seconds} s: ${kind}: ${why}`),
    ...result.problems,
    `stale: ${result.stale}`,
    `lost: ${result.lost}`,
  ];
}

const HEAD = ["", "done", "lost", "kill", "ended", "stale", "p50 ms", "p99 ms", "around", "a switch"];

function table({ kinds }: DrillResult): string[] {
  const rows = KINDS.map((kind) => {
    const of = kinds[kind];
    const counts = [of.done, of.lost, of.cut_by_kill, of.ended_by_drain, of.stale];
    const figures = [of.p50_ms, of.p99_ms, of.around_p50_ms, of.around_p99_ms];
    return [kind, ...counts.map(String), ...figures.map((ms) => (ms === null ? "-" : String(ms)))];
  });
  const widths = HEAD.map((_, column) => Math.max(...[HEAD, ...rows].map((row) => row[column]?.length ?? 0)));
  return [HEAD, ...rows].map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  "),
  );
}

function legend(): string[] {
  const width = Math.max(...COLUMNS.map(({ name }) => name.length));
  return COLUMNS.flatMap(({ name, about }) =>
    about.map((line, i) => `${(i === 0 ? name : "").padEnd(width)}  ${line}`),
  );
}
