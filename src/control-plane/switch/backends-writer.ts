/**
 * Backends writer: one change of backends as a task for the StateWriter: what is written to `.backends.json`, and how
 * it is taken back.
 *
 * Runs in the primary.
 */
import type { Changes } from "../pools/changes.ts";
import { BACKENDS_FILE, changesDigest, readBackendsFile, writeBackendsFile } from "./backends-file.ts";
import { sweepLeftovers } from "./replaced-file.ts";
import { syncFolder } from "./state-fs.ts";
import type { BackendsEntry, ChangesWrite, NewBackendsEntry } from "./state-store.ts";
import type { WriteTask } from "./state-writer.ts";
import type { WriteParts } from "./switch-writer.ts";

export function backendsTask(
  { folder, clock, fs }: WriteParts,
  entry: NewBackendsEntry,
  { before, after }: ChangesWrite,
): WriteTask<BackendsEntry> {
  /** The hash of the last entry of backends before this one, and of this one. */
  let lastBefore: string | null = null;
  let last: string | null = null;
  const write = (changes: Changes, follows: string | null, beforeReplacing?: () => void): Promise<void> =>
    writeBackendsFile(folder, { changes, follows }, { wallMs: clock.wallMs(), fs, beforeReplacing });
  const writeBefore = (): Promise<void> => write(before, lastBefore);
  const digestBefore = changesDigest(before);
  const saysBefore = async (): Promise<boolean> => {
    const file = await readBackendsFile(folder, fs);
    if (file.kind !== "sound" || file.follows !== lastBefore) return false;
    return changesDigest(file.changes) === digestBefore;
  };
  return {
    file: BACKENDS_FILE,
    risk: {
      ofPreparing: "may have the backends of the config alone",
      ofReplacing: "may have the backends of this change",
    },
    /**
     * Before the entry the file says what is in force: without one, a crash between the two would look like a reset by
     * hand. One that could not be read, or that says something else, is replaced by what is in force now.
     */
    async prepare(history, undoWith) {
      lastBefore = history.entries.lastOfBackends?.hash ?? null;
      if (await saysBefore()) return;
      undoWith(async () => {
        await sweepLeftovers(folder, BACKENDS_FILE, fs);
        await syncFolder(fs, folder);
      });
      await writeBefore();
    },
    async append(history) {
      const sealed = await history.append({
        ...entry,
        epoch: history.entries.last?.epoch ?? 0,
        from_nothing: before.size === 0,
        changes_sha256: changesDigest(after),
      });
      last = sealed.hash;
      return sealed;
    },
    replace: (refuseGivenUp) => write(after, last, refuseGivenUp),
    async restore() {
      if (!(await saysBefore())) await writeBefore();
    },
    sweep: () => sweepLeftovers(folder, BACKENDS_FILE, fs),
  };
}
