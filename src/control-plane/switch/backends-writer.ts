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
  const write = (changes: Changes, beforeReplacing?: () => void): Promise<void> =>
    writeBackendsFile(folder, changes, { wallMs: clock.wallMs(), fs, beforeReplacing });
  const digestBefore = changesDigest(before);
  const saysBefore = async (): Promise<boolean> => {
    const file = await readBackendsFile(folder, fs);
    return file.kind === "sound" && changesDigest(file.changes) === digestBefore;
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
    async prepare(undoWith) {
      if (await saysBefore()) return;
      undoWith(async () => {
        await sweepLeftovers(folder, BACKENDS_FILE, fs);
        await syncFolder(fs, folder);
      });
      await write(before);
    },
    append: (history) =>
      history.append({
        ...entry,
        epoch: history.entries.last?.epoch ?? 0,
        from_nothing: before.size === 0,
        changes_sha256: changesDigest(after),
      }),
    replace: (refuseGivenUp) => write(after, refuseGivenUp),
    async restore() {
      if (!(await saysBefore())) await write(before);
    },
    sweep: () => sweepLeftovers(folder, BACKENDS_FILE, fs),
  };
}
