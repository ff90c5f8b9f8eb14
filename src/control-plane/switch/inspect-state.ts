/**
 * Inspect: the state folder as somebody looks at it from outside: read only, without the lock.
 *
 * Runs in a process of its own, beside a daemon that may be writing: what looks half done is looked at again.
 */
import { constants } from "node:fs";
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ProxyError } from "../../core/errors.ts";
import type { Version } from "../../core/version.ts";
import { BACKENDS_FILE, type BackendsFileContent, readBackendsFile } from "./backends-file.ts";
import { ChainCheck, type ChainProblem } from "./chain-check.ts";
import { ChangesReplay, recoverChanges } from "./changes-recovery.ts";
import { brokenLink, isOfBackends } from "./history-entry.ts";
import { entriesOf, HISTORY_FILE, readHistory } from "./history-reading.ts";
import { recover } from "./recovery.ts";
import { errorText, kindOf, nodeFs, SAFE_OPEN } from "./state-fs.ts";
import type { HistoryEntry, SwitchEntry } from "./state-store.ts";
import { readVersionFile, VERSION_FILE, type VersionFileContent } from "./version-file.ts";

export { BACKENDS_FILE } from "./backends-file.ts";
export { HISTORY_FILE } from "./history-reading.ts";
export { ENTRIES_IN_MEMORY as MAX_LISTED } from "./recent-entries.ts";
export type { HistoryEntry, SwitchEntry } from "./state-store.ts";
export { VERSION_FILE } from "./version-file.ts";

export interface StateReport {
  /** Why the folder or the history cannot be read, a sentence without its full stop; null when it can. */
  readonly unreadable: string | null;
  readonly entryCount: number;
  readonly highestEpoch: number;
  readonly lastSwitch: SwitchEntry | null;
  /** The first ones. */
  readonly problems: readonly ChainProblem[];
  readonly problemCount: number;
  /** The last line was cut by a crash: half of it, or its newline, is missing. */
  readonly torn: { readonly line: number; readonly isWhole: boolean } | null;
  readonly versionFile: VersionFileContent;
  /** What the next start would serve; null is the config's active_version. */
  readonly wouldServe: Version | null;
  readonly backends: BackendsReport;
}

export interface BackendsReport {
  readonly file: BackendsFileContent;
  /** Whether the history has changes of backends. */
  readonly isInHistory: boolean;
  /** How many changes the next start would have in force. */
  readonly wouldHave: number;
  /** Whether the next start would write the file anew. */
  readonly isToMend: boolean;
}

const LOOK_AGAIN_MS = 100;
const LOOKS = 5;

/** Never rejects. */
export async function inspectState(folder: string): Promise<StateReport> {
  let stamp = await stampOf(folder);
  let report = await look(folder);
  for (let looks = 1; looks < LOOKS && isHalfDone(report); looks++) {
    await delay(LOOK_AGAIN_MS);
    const before = stamp;
    stamp = await stampOf(folder);
    if (before === stamp) break; // nobody is writing
    report = await look(folder);
  }
  return report;
}

/** Another text when one of the files has changed. */
async function stampOf(folder: string): Promise<string> {
  const stamps = [HISTORY_FILE, VERSION_FILE, BACKENDS_FILE].map(async (name) => {
    const found = await lstat(join(folder, name)).catch(() => null);
    return found === null ? "none" : `${found.ino} ${found.size} ${found.mtimeMs}`;
  });
  return (await Promise.all(stamps)).join();
}

/** The last entries that can be read, newest last, and what is damaged. */
export async function listHistory(
  folder: string,
): Promise<{ readonly entries: readonly HistoryEntry[]; readonly damage: string | null }> {
  await lstat(folder); // a folder that is not there is no empty history
  const { entries, damage } = await readHistory(join(folder, HISTORY_FILE), nodeFs);
  return { entries: entries.all, damage };
}

/** What a switch or a change of backends that is being written looks like, too. */
function isHalfDone({ torn, versionFile, lastSwitch, backends }: StateReport): boolean {
  const isAgreed =
    versionFile.kind === "sound" && (lastSwitch === null || versionFile.version === lastSwitch.to);
  const isSettled = !backends.isToMend && backends.file.kind !== "damaged";
  return torn !== null || !isAgreed || !isSettled;
}

async function look(folder: string): Promise<StateReport> {
  const check = new ChainCheck();
  const replay = new ChangesReplay();
  let torn: StateReport["torn"] = null;
  let unreadable: string | null = null;
  try {
    await lstat(folder); // a folder that is not there is no empty history
    torn = await checkHistory(join(folder, HISTORY_FILE), check, replay);
  } catch (error) {
    const why = errorText(error);
    const then = why === "ENOENT" ? "; name the state folder with --state-dir or STATE_DIR" : "";
    unreadable = `cannot be read (${why})${then}`;
  }
  const { entryCount, highestEpoch, lastSwitch, lastOfBackends, problems, problemCount } = check;
  const versionFile = await readVersionFile(folder, null);
  const isIntact = unreadable === null && problemCount === 0;
  const names = [lastSwitch?.to, versionFile.kind === "sound" ? versionFile.version : undefined];
  const known = new Set(names.filter((name) => name !== undefined));
  const { version: wouldServe } = recover(versionFile, isIntact ? lastSwitch : null, known);
  const file = await readBackendsFile(folder);
  const { changes, isToMend } = recoverChanges(file, isIntact ? lastOfBackends : null, replay);
  return {
    unreadable,
    entryCount,
    highestEpoch,
    lastSwitch,
    problems,
    problemCount,
    torn,
    versionFile,
    wouldServe,
    backends: { file, isInHistory: lastOfBackends !== null, wouldHave: changes.size, isToMend },
  };
}

async function checkHistory(
  path: string,
  check: ChainCheck,
  replay: ChangesReplay,
): Promise<StateReport["torn"]> {
  const kind = await kindOf(nodeFs, path);
  if (kind === "missing") return null;
  if (kind !== "file") throw new ProxyError("INTERNAL_ERROR", `it is a ${kind}, not a file`);
  const handle = await nodeFs.open(path, constants.O_RDONLY | SAFE_OPEN);
  try {
    for await (const { number, isEnded, entry } of entriesOf(handle)) {
      const isWhole = entry !== null && brokenLink(entry, check.last) === null;
      if (isEnded || isWhole) check.add(number, entry);
      if (entry !== null && isOfBackends(entry)) replay.add(entry);
      if (!isEnded) return { line: number, isWhole };
    }
  } finally {
    check.end();
    await handle.close();
  }
  return null;
}
