/**
 * Changes recovery: which changes by hand are in force after a start. Pure; file-store.ts reads and mends.
 *
 * | `.backends.json` | intact history                                         | in force                 | the file then |
 * |------------------|--------------------------------------------------------|--------------------------|---------------|
 * | gone             | any                                                    | none (a reset by hand)   | stays gone    |
 * | sound            | none, damaged, or no entry of backends                 | the file                 | stays         |
 * | sound            | its last entry of backends is the one it follows       | the file                 | stays         |
 * | sound            | its last entry is one step further                     | the file with that step  | mended        |
 * | sound            | tells of something else, and can be gone through       | what the history makes   | mended        |
 * | sound            | tells of something else, and cannot                    | the file                 | stays         |
 * | damaged          | can be gone through                                    | what the history makes   | mended        |
 * | damaged          | none, damaged, or cannot be gone through               | none                     | stays         |
 *
 * A crash during a change leaves, in the order of the writes: half a line (cut off: as before); a whole line and the
 * old file (one step further: the change, which nobody had been told of yet); both.
 */
import {
  type ChangeInForce,
  type Changes,
  MAX_CHANGES,
  NO_CHANGES,
  takeStep,
  withStep,
} from "../pools/changes.ts";
import { type BackendsFileContent, changesDigest } from "./backends-file.ts";
import type { BackendsEntry } from "./state-store.ts";

/** What the entries of backends make, one after the other. */
export class ChangesReplay {
  #changes: Map<string, ChangeInForce> | null = new Map();

  add(entry: BackendsEntry): void {
    if (entry.from_nothing) this.#changes = new Map();
    if (this.#changes === null) return;
    takeStep(this.#changes, { version: entry.version, backend: entry.backend, inForce: entry.in_force });
    if (this.#changes.size > MAX_CHANGES) this.#changes = null;
  }

  /** @returns null when it is not what the last entry tells of. */
  resultFor(last: BackendsEntry): Changes | null {
    const changes = this.#changes;
    return changes !== null && changesDigest(changes) === last.changes_sha256 ? changes : null;
  }
}

export interface ChangesRecovery {
  readonly changes: Changes;
  /** Whether the file is to be written anew. */
  readonly isToMend: boolean;
}

/** @param last the last entry of backends of an intact history; null when there is none or the history is damaged. */
export function recoverChanges(
  file: BackendsFileContent,
  last: BackendsEntry | null,
  replay: ChangesReplay,
): ChangesRecovery {
  if (file.kind === "missing") return { changes: NO_CHANGES, isToMend: false };
  const known = file.kind === "sound" ? file.changes : null;
  const isLatest = file.kind === "sound" && file.follows === last?.hash;
  if (last !== null && !isLatest) {
    const further = known === null ? null : oneStepFurther(known, last);
    const made = further ?? replay.resultFor(last);
    if (made !== null) return { changes: made, isToMend: true };
  }
  return { changes: known ?? NO_CHANGES, isToMend: false };
}

function oneStepFurther(changes: Changes, entry: BackendsEntry): Changes | null {
  const step = { version: entry.version, backend: entry.backend, inForce: entry.in_force };
  const after = withStep(changes, step);
  return changesDigest(after) === entry.changes_sha256 ? after : null;
}
