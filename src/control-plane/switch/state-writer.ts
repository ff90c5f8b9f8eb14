/**
 * StateWriter: writes one entry into the history, and then what follows from it into its own file, or takes back both.
 *
 * Runs in the primary, one write at a time (file-store.ts sees to that). Waits as long as the file system does:
 * a write that was given up meanwhile is taken back once it goes on. What the file says, and how it is taken back, the
 * task knows: switch-writer.ts for `.version`, backends-writer.ts for `.backends.json`.
 */
import { ProxyError } from "../../core/errors.ts";
import type { HistoryFile } from "./history-file.ts";
import { errorText } from "./state-fs.ts";
import type { HistoryEntry } from "./state-store.ts";

/** Whoever waits for one write. */
export interface Waiting<Entry> {
  /** Whether nobody waits any more: then the write is taken back. */
  isGivenUp(): boolean;
  /** Called in the same breath as the last look at `isGivenUp`: from here on it is done. */
  commit(entry: Entry): void;
}

/** One thing to be written, in the order in which it is done. */
export interface WriteTask<Entry extends HistoryEntry> {
  /** For sentences. */
  readonly file: string;
  /** What a restart may bring about when a step failed and cannot be taken back either: `may serve v2`. */
  readonly risk: { readonly ofPreparing: string; readonly ofReplacing: string };
  /** Before the entry the file says what is in force. `undoWith` names what takes back a first step that fails. */
  prepare(history: HistoryFile, undoWith: (undo: () => Promise<void>) => void): Promise<void>;
  append(history: HistoryFile): Promise<Entry>;
  /** @param refuseGivenUp to be called last before the file is replaced. */
  replace(refuseGivenUp: () => void): Promise<void>;
  /** The file as it was. */
  restore(): Promise<void>;
  /** What an interrupted write left beside the file. */
  sweep(): Promise<void>;
}

export class StateWriter {
  readonly #folder: string;
  readonly #history: HistoryFile;
  /** In the history already, and still to be committed or taken back. */
  #pending: HistoryEntry | null = null;
  /** Takes back a write that failed half way; kept until it has worked. */
  #undo: (() => Promise<void>) | null = null;

  constructor(folder: string, history: HistoryFile) {
    this.#folder = folder;
    this.#history = history;
  }

  /** What is done, oldest first. */
  get entries(): readonly HistoryEntry[] {
    return this.#history.entries.all.filter((entry) => entry !== this.#pending);
  }

  /** Resolves after `commit`, and only then. When it rejects, with STATE_WRITE_FAILED, nothing has changed. */
  async write<Entry extends HistoryEntry>(task: WriteTask<Entry>, waiting: Waiting<Entry>): Promise<void> {
    const refuseGivenUp = (): void => {
      if (waiting.isGivenUp()) throw new ProxyError("STATE_WRITE_FAILED", "its time limit has passed");
    };
    await this.#retryUndo();
    await this.#prepare(task);
    refuseGivenUp();
    const sealed = await this.#append(task);
    this.#pending = sealed;
    try {
      refuseGivenUp();
      await task.replace(refuseGivenUp);
      refuseGivenUp();
    } catch (cause) {
      this.#undo = () => this.#takeBack(task);
      throw await this.#failure(task.file, task.risk.ofReplacing, cause);
    }
    this.#pending = null;
    waiting.commit(sealed);
  }

  async #prepare(task: WriteTask<HistoryEntry>): Promise<void> {
    try {
      await task.prepare(this.#history, (undo) => {
        this.#undo = undo;
      });
      this.#undo = null;
    } catch (cause) {
      throw await this.#failure(task.file, task.risk.ofPreparing, cause);
    }
  }

  async #append<Entry extends HistoryEntry>(task: WriteTask<Entry>): Promise<Entry> {
    const history = this.#history;
    try {
      return await task.append(history);
    } catch (cause) {
      if (history.hasUnwantedTail) this.#undo = () => history.mendTail();
      throw await this.#failure("the history", task.risk.ofReplacing, cause);
    }
  }

  /**
   * Both files as they were, the history without its last entry. In this order: what a crash leaves between the two
   * is then a change with its entry, and not one that no entry tells of.
   */
  async #takeBack(task: WriteTask<HistoryEntry>): Promise<void> {
    await task.restore();
    await this.#history.takeBackLast();
    await task.sweep();
    this.#pending = null;
  }

  /** Undoes what is half done, and makes the error that says what failed and what a restart would find. */
  async #failure(what: string, risk: string, cause: unknown): Promise<ProxyError> {
    const failed = `${what} in ${this.#folder} could not be written (${errorText(cause)})`;
    try {
      await this.#undo?.();
      this.#undo = null;
      return new ProxyError("STATE_WRITE_FAILED", `${failed}; nothing changed`, { cause });
    } catch (error) {
      const left = `what was written could not be taken back either (${errorText(error)})`;
      const hint = `nothing changed now, but a restart before this is repaired ${risk}`;
      return new ProxyError("STATE_WRITE_FAILED", `${failed}; ${left}: ${hint}`, { cause });
    }
  }

  async #retryUndo(): Promise<void> {
    try {
      await this.#undo?.();
      this.#undo = null;
    } catch (cause) {
      const failed = `a change that failed before still cannot be taken back in ${this.#folder}`;
      throw new ProxyError("STATE_WRITE_FAILED", `${failed} (${errorText(cause)}); nothing changed`, {
        cause,
      });
    }
  }
}
