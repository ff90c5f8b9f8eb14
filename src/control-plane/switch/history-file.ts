/**
 * `.history.jsonl`: one line of JSON per switch and per change of backends, only ever appended, each tied to the one before by a hash.
 *
 * Runs in the primary, one call at a time. Knows nothing of `.version`.
 *
 * - A last line without its newline was cut by a crash: when it is a whole entry it gets its newline, else it
 *   is cut off. Both are repairs, not damage.
 * - Anything else that does not fit is damage: named by its line, left as it is for people to look at. What can
 *   be read still counts; later entries follow the last readable one.
 * - A write that fails leaves no entry: the file is cut back to its length before. While that fails too, no
 *   further entry is taken.
 */
import { constants } from "node:fs";
import { join } from "node:path";
import { ProxyError } from "../../core/errors.ts";
import type { ChangesReplay } from "./changes-recovery.ts";
import { seal, type Unsealed } from "./history-entry.ts";
import { HISTORY_FILE, type HistoryReading, readHistory } from "./history-reading.ts";
import type { RecentEntries } from "./recent-entries.ts";
import {
  errorCode,
  errorText,
  kindOf,
  moveAside,
  nodeFs,
  SAFE_OPEN,
  type StateFs,
  syncFolder,
} from "./state-fs.ts";
import type { BackendsEntry, HistoryEntry, SwitchEntry } from "./state-store.ts";

export interface HistoryFileOptions {
  readonly wallMs: () => number;
  readonly fs?: StateFs;
}

/** Reads and checks the whole file, and repairs its end. Never rejects for what lies there. */
export async function openHistoryFile(folder: string, options: HistoryFileOptions): Promise<HistoryFile> {
  const found = await readHistory(join(folder, HISTORY_FILE), options.fs ?? nodeFs);
  const history = new HistoryFile(folder, options, found);
  await history.makeReady();
  return history;
}

export class HistoryFile {
  readonly #folder: string;
  readonly #path: string;
  readonly #fs: StateFs;
  readonly #wallMs: () => number;
  readonly #found: HistoryReading;
  #lengthBeforeLast: number | null = null;
  #highestEpochBefore = 0;
  #repaired: string | null = null;
  #unready: string | null = null;

  constructor(folder: string, { wallMs, fs = nodeFs }: HistoryFileOptions, found: HistoryReading) {
    this.#folder = folder;
    this.#path = join(folder, HISTORY_FILE);
    this.#fs = fs;
    this.#wallMs = wallMs;
    this.#found = found;
  }

  /** Whether every line follows from the one before. */
  get isIntact(): boolean {
    return this.#found.damage === null;
  }

  /** What is broken now, one sentence each without its full stop. */
  get damaged(): readonly string[] {
    return [this.#found.damage, this.#unready].filter((sentence) => sentence !== null);
  }

  /** What was repaired at start; null when nothing. */
  get repaired(): string | null {
    return this.#repaired;
  }

  /** The last ones that can be read. */
  get entries(): Pick<RecentEntries, "all" | "switches" | "last" | "lastSwitch" | "lastOfBackends"> {
    return this.#found.entries;
  }

  /** What all entries of backends that were there at start make together. */
  get replay(): ChangesReplay {
    return this.#found.replay;
  }

  /** 0 with no entry. */
  get highestEpoch(): number {
    return this.#found.highestEpoch;
  }

  /** Makes one entry durable. When it rejects there is no such entry, or `hasUnwantedTail` says that there is. */
  async append(entry: Unsealed<SwitchEntry>): Promise<SwitchEntry>;
  async append(entry: Unsealed<BackendsEntry>): Promise<BackendsEntry>;
  async append(entry: Unsealed<SwitchEntry> | Unsealed<BackendsEntry>): Promise<HistoryEntry> {
    await this.mendTail();
    if (this.#found.isInTheWay) await this.#moveAside();
    const sealed = seal(entry, this.#found.entries.last);
    const lengthBefore = await this.#write(Buffer.from(`${JSON.stringify(sealed)}\n`));
    this.#lengthBeforeLast = lengthBefore;
    this.#unready = null;
    this.#highestEpochBefore = this.#found.highestEpoch;
    this.#found.highestEpoch = sealed.epoch;
    this.#found.entries.add(sealed);
    return sealed;
  }

  /** Removes the entry that `append` just made. When it rejects, `hasUnwantedTail` stays true until `mendTail` works. */
  async takeBackLast(): Promise<void> {
    if (this.#lengthBeforeLast !== null) {
      this.#found.cutAt = this.#lengthBeforeLast;
      this.#lengthBeforeLast = null;
      this.#found.entries.removeLast();
      this.#found.highestEpoch = this.#highestEpochBefore;
    }
    await this.mendTail();
  }

  /** Whether the file ends in bytes that are no entry and could not be cut off yet. */
  get hasUnwantedTail(): boolean {
    return this.#found.cutAt !== null;
  }

  /** Cuts off what must go, or adds the newline that lacks. Rejects when that fails; nothing is appended until it works. */
  async mendTail(): Promise<void> {
    const { cutAt, lacksNewline } = this.#found;
    if (cutAt === null && !lacksNewline) return;
    if ((await kindOf(this.#fs, this.#path)) !== "missing") await this.#mend(cutAt);
    this.#found.cutAt = null;
    this.#found.lacksNewline = false;
  }

  async #mend(cutAt: number | null): Promise<void> {
    const handle = await this.#fs.open(this.#path, constants.O_WRONLY | constants.O_APPEND | SAFE_OPEN);
    try {
      if (cutAt === null) await handle.write(Buffer.from("\n"));
      else if ((await handle.stat()).size > cutAt) await handle.truncate(cutAt);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  /** At start: repairs the end, and finds out now rather than at the next switch whether lines can be added. */
  async makeReady(): Promise<void> {
    const { cutAt, lacksNewline, isInTheWay } = this.#found;
    const isCut = cutAt !== null || lacksNewline;
    try {
      if (isCut) await this.mendTail();
      else if (!isInTheWay) await this.#openForAppending();
    } catch (error) {
      if (!isCut && errorCode(error) === "ENOENT") return;
      this.#unready = `${HISTORY_FILE} cannot be written (${errorText(error)})`;
      return;
    }
    if (!isCut) return;
    const what = lacksNewline ? "completed" : "removed";
    this.#repaired = `the last line of ${HISTORY_FILE} was cut by a crash and has been ${what}`;
  }

  async #openForAppending(): Promise<void> {
    const handle = await this.#fs.open(this.#path, constants.O_WRONLY | constants.O_APPEND | SAFE_OPEN);
    try {
      // kill -9 may have come between a write and its fsync: what now serves must outlive a power loss too.
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  /** @returns the length of the file before. */
  async #write(line: Buffer): Promise<number> {
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | SAFE_OPEN;
    const handle = await this.#fs.open(this.#path, flags, 0o644);
    try {
      const { size } = await handle.stat();
      this.#found.cutAt = size; // until it is durable, everything past this is unwanted
      const { bytesWritten } = await handle.write(line);
      if (bytesWritten < line.length) {
        throw new ProxyError("STATE_WRITE_FAILED", `only ${bytesWritten} of ${line.length} bytes fitted`);
      }
      await handle.sync();
      if (size === 0) await syncFolder(this.#fs, this.#folder);
      this.#found.cutAt = null;
      return size;
    } catch (cause) {
      await this.mendTail().catch(() => {}); // hasUnwantedTail tells; the first failure is the one to report
      throw cause;
    } finally {
      await handle.close().catch(() => {}); // after the fsync there is nothing left to lose
    }
  }

  async #moveAside(): Promise<void> {
    if ((await kindOf(this.#fs, this.#path)) !== "missing") {
      await moveAside(this.#fs, this.#path, this.#wallMs());
    }
    this.#found.isInTheWay = false;
    this.#found.damage = null;
  }
}
