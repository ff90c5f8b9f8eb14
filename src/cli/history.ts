/**
 * History: what `traffic-switching history` and `history verify` print about a state folder.
 *
 * Reads only, and takes no lock: it works beside a running daemon, and on a copy.
 */
import { join } from "node:path";
import {
  BACKENDS_FILE,
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

/** Up to `limit` switches and changes of backends as a table, newest last. @throws StartError (exit code 1) when there is no folder. */
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
  const ofBackends = backendsSay(report);
  if (ofBackends !== null) lines.push(`${join(folder, BACKENDS_FILE)}: ${ofBackends}`);
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

function summary({ entryCount, highestEpoch, lastSwitch }: StateReport): string {
  if (entryCount === 0) return "no entries";
  const counts = `${counted(entryCount, "entry", "entries")}, epoch ${highestEpoch}`;
  if (lastSwitch === null) return `${counts}, no switch yet`;
  const { from, to, at } = lastSwitch;
  return `${counts}, last switch ${printable(`${from} -> ${to} at ${at}`)}`;
}

function versionSays({ versionFile, lastSwitch, wouldServe }: StateReport): string {
  const serves = `the next start serves ${wouldServe ?? "active_version of the config"}`;
  if (versionFile.kind === "missing") return `not there; ${serves}`;
  if (versionFile.kind === "damaged")
    return `${versionFile.reason.slice(VERSION_FILE.length + 1)}; ${serves}`;
  if (lastSwitch === null) return `${versionFile.version}; ${serves}`;
  if (versionFile.version === lastSwitch.to) return `${versionFile.version}, as the last entry`;
  return printable(`${versionFile.version}, but the last entry says ${lastSwitch.to}; ${serves}`);
}

/** null where nobody has ever changed a backend by hand. */
function backendsSay({ unreadable, backends }: StateReport): string | null {
  const { file, isInHistory, wouldHave, isToMend } = backends;
  if (unreadable !== null || (file.kind === "missing" && !isInHistory)) return null;
  const has = `the next start has ${wouldHave === 0 ? "the config's backends" : counted(wouldHave, "change")}`;
  if (file.kind === "missing") return `not there; ${has}`;
  if (file.kind === "damaged") return `${file.reason.slice(BACKENDS_FILE.length + 1)}; ${has}`;
  const says = counted(file.changes.size, "change");
  if (isToMend) return `${says}, but the history says otherwise; ${has}`;
  return isInHistory ? `${says}, as the last entry of backends` : says;
}

function table(entries: readonly HistoryEntry[]): string {
  const head = ["epoch", "at", "change", "trigger", "forced", "actor", "reason"];
  const rows = entries.map((entry) => {
    const { epoch, at, trigger, forced, actor, reason } = entry;
    return [String(epoch), at, changeOf(entry), trigger, forced ? "yes" : "no", actor, reason ?? "-"].map(
      printable,
    );
  });
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

function changeOf(entry: HistoryEntry): string {
  if (entry.trigger !== "backends") return `${entry.from} -> ${entry.to}`;
  const { version, action, backend, weight } = entry;
  return [version, action, backend ?? "all", ...(weight === null ? [] : [`weight ${weight}`])].join(" ");
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
