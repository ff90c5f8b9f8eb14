/**
 * Switch writer: one switch as a task for the StateWriter: what is written to `.version`, and how it is taken back.
 *
 * Runs in the primary.
 */
import type { Clock } from "../../core/clock.ts";
import type { Version } from "../../core/version.ts";
import { type StateFs, syncFolder } from "./state-fs.ts";
import type { NewSwitchEntry, SwitchEntry } from "./state-store.ts";
import type { WriteTask } from "./state-writer.ts";
import {
  readVersionFile,
  sweepLeftovers,
  VERSION_FILE,
  type VersionFileContent,
  writeVersionFile,
} from "./version-file.ts";

/** What every task needs. */
export interface WriteParts {
  readonly folder: string;
  readonly versions: ReadonlySet<Version>;
  readonly clock: Clock;
  readonly fs: StateFs;
}

export function switchTask(parts: WriteParts, entry: NewSwitchEntry): WriteTask<SwitchEntry> {
  const { folder, versions, clock, fs } = parts;
  let before: VersionFileContent = { kind: "missing" };
  const read = () => readVersionFile(folder, versions, fs);
  const write = (version: Version, beforeReplacing?: () => void): Promise<void> =>
    writeVersionFile(folder, version, { wallMs: clock.wallMs(), fs, beforeReplacing });
  return {
    file: VERSION_FILE,
    risk: { ofPreparing: `may serve ${entry.from}`, ofReplacing: `may serve ${entry.to}` },
    /**
     * Before the entry `.version` says what serves, the first time and after a reset by hand. Without it a crash between
     * the entry and `.version` would look like a reset by hand, and the entry would tell of what does not serve.
     * One that could not be read may as well be missing.
     */
    async prepare(_history, undoWith) {
      if ((await read()).kind !== "sound") {
        // It may be there and not durable: an entry that outlives it would tell of what does not serve.
        undoWith(async () => {
          await sweepLeftovers(folder, fs);
          await syncFolder(fs, folder);
        });
        await write(entry.from);
      }
      before = await read();
    },
    append: (history) => history.append(entry),
    replace: (refuseGivenUp) => write(entry.to, refuseGivenUp),
    async restore() {
      if (!isSameContent(before, await read())) {
        await write(before.kind === "sound" ? before.version : entry.from);
      }
    },
    sweep: () => sweepLeftovers(folder, fs),
  };
}

function isSameContent(a: VersionFileContent, b: VersionFileContent): boolean {
  if (a.kind === "sound" && b.kind === "sound") return a.version === b.version;
  return a.kind === b.kind;
}
