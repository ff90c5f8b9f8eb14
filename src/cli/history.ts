/**
 * History: what `traffic-switching history` and `history verify` print about a state folder.
 *
 * Reads only, and takes no lock: it works beside a running daemon, and on a copy.
 */
import { join } from "node:path";
import {
  HISTORY_FILE,
  type HistoryEntry,
  inspectState,
  listHistory,
  type StateReport,
  VERSION_FILE,
} from "../control-plane/switch/inspect-state.ts";
import { StartError } from "../core/errors.ts";

/** What a command says, and what the process ends with. */
export interface Said {
  readonly out: string;
  readonly err?: string;
  readonly exitCode: number;
}

/** Up to `limit` switches as a table, newest last. @throws StartError (exit code 1) when there is no folder. */
export async function listSwitches(folder: string, limit: number): Promise<Said> {
  const { entries, damage } = await listHistory(folder).catch((cause: unknown) => {
    throw new StartError(`the state folder ${folder} cannot be read; name it with --state-dir`, 1, { cause });
  });
  const out = entries.length === 0 ? "no switch yet\n" : table(entries.slice(-limit));
  const err = damage === null ? "" : `${damage}; see traffic-switching history verify\n`;
  return { out, err, exitCode: 0 };
}

/** Exit code 1 when a line was changed or nothing can be read; what the next start mends by itself is told, with 0. */
export async function verifyHistory(folder: string): Promise<Said> {
  const report = await inspectState(folder);
  const lines = [...historyLines(join(folder, HISTORY_FILE), report)];
  if (report.unreadable === null) lines.push(`${join(folder, VERSION_FILE)}: ${versionSays(report)}`);
  const isGood = report.unreadable === null && report.problemCount === 0;
  return { out: `${lines.join("\n")}\n`, exitCode: isGood ? 0 : 1 };
}

function* historyLines(path: string, report: StateReport): Generator<string> {
  const { unreadable, problems, problemCount, torn } = report;
  if (unreadable !== null) return yield `${path}: ${unreadable}`;
  yield `${path}: ${problemCount === 0 ? "ok" : `damaged, ${counted(problemCount, "problem")}`}, ${summary(report)}`;
  for (const { line, epoch, what } of problems) {
    yield `  line ${line}${epoch === null ? "" : `, epoch ${epoch}`}: ${what}`;
  }
  if (problemCount > problems.length) yield `  and ${problemCount - problems.length} more`;
  if (torn === null) return;
  const then = torn.isWhole ? "add the newline that it lacks" : "cut it off";
  yield `  line ${torn.line}: cut by a crash; the daemon will ${then} at its next start`;
}

function summary({ entryCount, highestEpoch, last }: StateReport): string {
  if (last === null) return "no entries";
  const { from, to, at } = last;
  const move = printable(`${from} -> ${to} at ${at}`);
  return `${counted(entryCount, "entry", "entries")}, epoch ${highestEpoch}, last switch ${move}`;
}

function versionSays({ versionFile, last, wouldServe }: StateReport): string {
  const serves = `the next start serves ${wouldServe ?? "active_version of the config"}`;
  if (versionFile.kind === "missing") return `not there; ${serves}`;
  if (versionFile.kind === "damaged")
    return `${versionFile.reason.slice(VERSION_FILE.length + 1)}; ${serves}`;
  if (last === null) return `${versionFile.version}; ${serves}`;
  if (versionFile.version === last.to) return `${versionFile.version}, as the last entry`;
  return printable(`${versionFile.version}, but the last entry says ${last.to}; ${serves}`);
}

function table(entries: readonly HistoryEntry[]): string {
  const head = ["epoch", "at", "from -> to", "trigger", "forced", "actor", "reason"];
  const rows = entries.map(({ epoch, at, from, to, trigger, forced, actor, reason }) =>
    [String(epoch), at, `${from} -> ${to}`, trigger, forced ? "yes" : "no", actor, reason ?? "-"].map(
      printable,
    ),
  );
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padStart(widths[0] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd();
  return `${all.map(line).join("\n")}\n`;
}

/** A reason is anybody's text: what would move the cursor or colour the terminal is written out. */
function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (found) => `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

function counted(count: number, one: string, several = `${one}s`): string {
  return `${count} ${count === 1 ? one : several}`;
}
