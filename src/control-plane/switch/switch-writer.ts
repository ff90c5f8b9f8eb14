/**
 * SwitchWriter: writes one switch into both files, the history first, or takes back what it wrote.
 *
 * Runs in the primary, one write at a time (file-store.ts sees to that). Waits as long as the file system does:
 * a write that was given up meanwhile is taken back once it goes on.
 */
import type { Clock } from "../../core/clock.ts";
import { ProxyError } from "../../core/errors.ts";
import type { Version } from "../../core/version.ts";
import type { HistoryFile } from "./history-file.ts";
import { errorText, type StateFs, syncFolder } from "./state-fs.ts";
import type { HistoryEntry, NewHistoryEntry } from "./state-store.ts";
import {
  readVersionFile,
  sweepLeftovers,
  VERSION_FILE,
  type VersionFileContent,
  writeVersionFile,
} from "./version-file.ts";

export interface SwitchWriterParts {
  readonly folder: string;
  readonly versions: ReadonlySet<Version>;
  readonly clock: Clock;
  readonly fs: StateFs;
  readonly history: HistoryFile;
  /** What was wrong with `.version` at start; mended by the next switch. */
  readonly versionDamage: readonly string[];
}

/** Whoever waits for one write. */
export interface Waiting {
  /** Whether nobody waits any more: then the write is taken back. */
  isGivenUp(): boolean;
  /** Called in the same breath as the last look at `isGivenUp`: from here on the switch is done. */
  commit(entry: HistoryEntry): void;
}

export class SwitchWriter {
  readonly #parts: SwitchWriterParts;
  #versionDamage: readonly string[];
  /** In the history already, and still to be committed or taken back. */
  #pending: HistoryEntry | null = null;
  /** Takes back a switch that failed half way; kept until it has worked. */
  #undo: (() => Promise<void>) | null = null;

  constructor(parts: SwitchWriterParts) {
    this.#parts = parts;
    this.#versionDamage = parts.versionDamage;
  }

  get damaged(): readonly string[] {
    return [...this.#versionDamage, ...this.#parts.history.damaged];
  }

  /** The switches that are done, oldest first. */
  get entries(): readonly HistoryEntry[] {
    return this.#parts.history.entries.filter((entry) => entry !== this.#pending);
  }

  /** Resolves after `commit`, and only then. When it rejects, with STATE_WRITE_FAILED, nothing has changed. */
  async write(entry: NewHistoryEntry, waiting: Waiting): Promise<void> {
    const { folder, versions, fs } = this.#parts;
    await this.#retryUndo();
    await this.#nameVersion(entry.from);
    const before = await readVersionFile(folder, versions, fs);
    refuseGivenUp(waiting);
    const sealed = await this.#appendHistory(entry);
    this.#pending = sealed;
    try {
      refuseGivenUp(waiting);
      await this.#writeVersion(entry.to, () => refuseGivenUp(waiting));
      refuseGivenUp(waiting);
    } catch (cause) {
      this.#undo = () => this.#takeBack(before, entry.from);
      throw await this.#failure(VERSION_FILE, entry.to, cause);
    }
    this.#pending = null;
    this.#versionDamage = [];
    waiting.commit(sealed);
  }

  /**
   * Before the entry `.version` says what serves, the first time and after a reset by hand. Without it a crash between
   * the entry and `.version` would look like a reset by hand, and the entry would tell of what does not serve.
   * One that could not be read may as well be missing.
   */
  async #nameVersion(version: Version): Promise<void> {
    const { folder, versions, fs } = this.#parts;
    const { kind } = await readVersionFile(folder, versions, fs);
    if (kind === "sound") return;
    try {
      await this.#writeVersion(version);
    } catch (cause) {
      // It may be there and not durable: an entry that outlives it would tell of what does not serve.
      this.#undo = async () => {
        await sweepLeftovers(folder, fs);
        await syncFolder(fs, folder);
      };
      throw await this.#failure(VERSION_FILE, version, cause);
    }
  }

  async #appendHistory(entry: NewHistoryEntry): Promise<HistoryEntry> {
    const { history } = this.#parts;
    try {
      return await history.append(entry);
    } catch (cause) {
      if (history.hasUnwantedTail) this.#undo = () => history.mendTail();
      throw await this.#failure("the history", entry.to, cause);
    }
  }

  async #writeVersion(version: Version, beforeReplacing?: () => void): Promise<void> {
    const { folder, clock, fs } = this.#parts;
    await writeVersionFile(folder, version, { wallMs: clock.wallMs(), fs, beforeReplacing });
  }

  /**
   * Both files as they were: `.version` saying what it said, the history without its last entry. In this order: what
   * a crash leaves between the two is then a switch with its entry, and not a version that no entry tells of.
   */
  async #takeBack(before: VersionFileContent, from: Version): Promise<void> {
    const { folder, versions, fs, history } = this.#parts;
    const now = await readVersionFile(folder, versions, fs);
    if (!isSameContent(before, now))
      await this.#writeVersion(before.kind === "sound" ? before.version : from);
    await history.takeBackLast();
    await sweepLeftovers(folder, fs);
  }

  /** Undoes what is half done, and makes the error that says what failed and what a restart would find. */
  async #failure(what: string, to: Version, cause: unknown): Promise<ProxyError> {
    const failed = `${what} in ${this.#parts.folder} could not be written (${errorText(cause)})`;
    try {
      await this.#undo?.();
      this.#undo = null;
      return new ProxyError("STATE_WRITE_FAILED", `${failed}; nothing changed`, { cause });
    } catch (error) {
      const left = `what was written could not be taken back either (${errorText(error)})`;
      const hint = `nothing changed now, but a restart before this is repaired may serve ${to}`;
      return new ProxyError("STATE_WRITE_FAILED", `${failed}; ${left}: ${hint}`, { cause });
    }
  }

  async #retryUndo(): Promise<void> {
    try {
      await this.#undo?.();
      this.#undo = null;
    } catch (cause) {
      const failed = `a switch that failed before still cannot be taken back in ${this.#parts.folder}`;
      throw new ProxyError("STATE_WRITE_FAILED", `${failed} (${errorText(cause)}); nothing changed`, {
        cause,
      });
    }
  }
}

function refuseGivenUp(waiting: Waiting): void {
  if (waiting.isGivenUp()) throw new ProxyError("STATE_WRITE_FAILED", "its time limit has passed");
}

function isSameContent(a: VersionFileContent, b: VersionFileContent): boolean {
  if (a.kind === "sound" && b.kind === "sound") return a.version === b.version;
  return a.kind === b.kind;
}
