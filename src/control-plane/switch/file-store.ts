/**
 * FileStore: the StateStore in a folder: `.history.jsonl`, written first, and `.version` or `.backends.json`.
 *
 * Runs in the primary, which holds the lock of the folder; one call at a time. Decides nothing about switches.
 * recovery.ts and changes-recovery.ts have the tables of what serves after which crash. Broken files never fail a start: they are
 * reported. Only a folder that cannot be used at all does.
 */
import type { Clock } from "../../core/clock.ts";
import { ProxyError } from "../../core/errors.ts";
import type { Version } from "../../core/version.ts";
import type { Changes } from "../pools/changes.ts";
import { BACKENDS_FILE, readBackendsFile } from "./backends-file.ts";
import { backendsTask } from "./backends-writer.ts";
import { isSwitch } from "./history-entry.ts";
import { type HistoryFile, openHistoryFile } from "./history-file.ts";
import { ensureFolder } from "./state-folder.ts";
import { errorText, nodeFs, type StateFs, syncFolder } from "./state-fs.ts";
import { lockStateDir, type StateLock } from "./state-lock.ts";
import type {
  BackendsEntry,
  ChangesWrite,
  EntryKind,
  HistoryEntry,
  NewBackendsEntry,
  NewSwitchEntry,
  RecoveredState,
  StateStore,
  SwitchEntry,
} from "./state-store.ts";
import { StateWriter, type WriteTask } from "./state-writer.ts";
import { finishAll, recoverBackends, recoverVersion } from "./store-recovery.ts";
import type { SwitchLog } from "./switch-log.ts";
import { switchTask, type WriteParts } from "./switch-writer.ts";

export interface StoreOptions {
  /** Absolute. */
  readonly stateDir: string;
  /** The configured versions. */
  readonly versions: readonly Version[];
  readonly clock: Clock;
  /** Told what was repaired; what is damaged stands in the RecoveredState. */
  readonly log?: Pick<SwitchLog, "warn">;
}

export interface FileStoreOptions extends StoreOptions {
  readonly fs?: StateFs;
}

export interface OpenedStore {
  readonly store: FileStore;
  readonly recovered: RecoveredState;
  /** The changes by hand of backends that are in force. */
  readonly changes: Changes;
}

/**
 * Makes the folder when it is missing, locks it, and finds out what serves.
 *
 * @throws StartError (exit code 1) when the folder cannot be made, written or locked, or `.version` is a mount.
 */
export async function openFileStore({ fs = nodeFs, ...options }: FileStoreOptions): Promise<OpenedStore> {
  await ensureFolder(options.stateDir);
  const lock = await lockStateDir(options.stateDir);
  try {
    return await openStoreOn(fs, options, lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

const NO_LOCK: StateLock = { release: async () => {} };

/** The same on any disk, through `fs` alone; the folder must be there, and nobody else may use it. */
export async function openStoreOn(
  fs: StateFs,
  options: StoreOptions,
  lock: StateLock = NO_LOCK,
): Promise<OpenedStore> {
  const { stateDir, versions, clock, log } = options;
  const configured = new Set(versions);
  const damage = { version: await finishAll(stateDir, fs), backends: [] as readonly string[] };
  const history = await openHistoryFile(stateDir, { wallMs: () => clock.wallMs(), fs });
  const backendsFile = await readBackendsFile(stateDir, fs);
  // kill -9 may have come before an fsync of these names: what is read from them now must outlive a power loss too, and
  // before a file is mended by it.
  await syncFolder(fs, stateDir).catch((error: unknown) => {
    damage.version.push(`the names in ${stateDir} cannot be made durable (${errorText(error)})`);
  });
  const parts = { folder: stateDir, versions: configured, clock, fs };
  const ofVersion = await recoverVersion(parts, history);
  const ofBackends = await recoverBackends(parts, history, backendsFile);
  damage.version.push(...ofVersion.damage);
  damage.backends = ofBackends.damage;
  const writer = new StateWriter(stateDir, history);
  const store = new FileStore({ parts, history, writer, lock, damage });
  const recovered = {
    version: ofVersion.version,
    epoch: history.highestEpoch,
    source: ofVersion.source,
    damaged: store.damaged,
    entries: history.entries.switches,
  };
  const repaired = [history.repaired, ofVersion.repaired, ofBackends.repaired];
  for (const sentence of repaired.filter((each) => each !== null))
    log?.warn({ state_dir: stateDir, repaired: sentence }, "state was repaired");
  return { store, recovered, changes: ofBackends.changes };
}

interface FileStoreParts {
  readonly parts: WriteParts;
  readonly history: HistoryFile;
  readonly writer: StateWriter;
  readonly lock: StateLock;
  /** What was wrong at start with a file; mended by the next write of it. */
  readonly damage: { readonly version: readonly string[]; readonly backends: readonly string[] };
}

/** A write that runs, or that was given up and has not ended. */
interface Write {
  readonly isOfBackends: boolean;
  /** Never rejects. */
  readonly ended: Promise<void>;
}

export class FileStore implements StateStore {
  readonly #parts: WriteParts;
  readonly #history: HistoryFile;
  readonly #writer: StateWriter;
  readonly #lock: StateLock;
  #damage: FileStoreParts["damage"];
  #writing: Write | null = null;
  #isGivenUp = false;

  constructor({ parts, history, writer, lock, damage }: FileStoreParts) {
    this.#parts = parts;
    this.#history = history;
    this.#writer = writer;
    this.#lock = lock;
    this.#damage = damage;
  }

  get damaged(): readonly string[] {
    const { version, backends } = this.#damage;
    const damaged = [...version, ...backends, ...this.#history.damaged];
    if (!this.#isGivenUp) return damaged;
    const { folder } = this.#parts;
    return [...damaged, `a write to ${folder} was given up and has not ended; nothing can be changed before`];
  }

  history(limit: number, kind: EntryKind | null = null): readonly HistoryEntry[] {
    const entries = this.#writer.entries.filter(
      (entry) => kind === null || isSwitch(entry) === (kind === "switch"),
    );
    return entries.toReversed().slice(0, limit);
  }

  /** Behind a change of backends that is being written it waits: that takes as long as the file system does. */
  append(entry: NewSwitchEntry, signal?: AbortSignal): Promise<SwitchEntry> {
    const begin = (): Promise<SwitchEntry> =>
      this.#begin(switchTask(this.#parts, entry), signal, () => {
        this.#damage = { ...this.#damage, version: [] };
      });
    const writing = this.#writing;
    if (writing === null || !writing.isOfBackends || this.#isGivenUp) return begin();
    return Promise.race([writing.ended, aborted(signal)]).then(begin);
  }

  appendBackends(entry: NewBackendsEntry, write: ChangesWrite, signal?: AbortSignal): Promise<BackendsEntry> {
    return this.#begin(backendsTask(this.#parts, entry, write), signal, () => {
      this.#damage = { ...this.#damage, backends: [] };
    });
  }

  #begin<Entry extends HistoryEntry>(
    task: WriteTask<Entry>,
    signal: AbortSignal | undefined,
    onDone: () => void,
  ): Promise<Entry> {
    const { promise, resolve, reject } = Promise.withResolvers<Entry>();
    if (this.#writing !== null) {
      reject(this.#failure("an earlier write to", "has not ended; nothing changed"));
      return promise;
    }
    if (signal?.aborted) {
      reject(this.#failure("the time limit had passed before a write to", "began; nothing changed"));
      return promise;
    }
    const giveUp = (): void => {
      this.#isGivenUp = true;
      const then = "what was written is taken back as soon as the file system answers";
      const hint = `nothing changed now, but a restart before that ${task.risk.ofReplacing}`;
      reject(this.#failure("the files in", `were not written within the time limit; ${then}: ${hint}`));
    };
    const end = (): void => {
      signal?.removeEventListener("abort", giveUp);
      this.#writing = null;
      this.#isGivenUp = false;
    };
    // Settled in the same breath as the last look at the signal: no abort comes between the two.
    const commit = (written: Entry): void => {
      end();
      onDone();
      resolve(written);
    };
    signal?.addEventListener("abort", giveUp);
    const isGivenUp = (): boolean => signal?.aborted === true;
    const ended = this.#writer.write(task, { isGivenUp, commit }).catch((error: unknown) => {
      end();
      reject(error);
    });
    this.#writing = { isOfBackends: task.file === BACKENDS_FILE, ended };
    return promise;
  }

  async release(): Promise<void> {
    // A write that was given up still goes on: nobody else may have the folder before it ends.
    if (this.#writing !== null) void this.#writing.ended.then(() => this.#lock.release());
    else await this.#lock.release();
  }

  #failure(what: string, happened: string): ProxyError {
    return new ProxyError("STATE_WRITE_FAILED", `${what} ${this.#parts.folder} ${happened}`);
  }
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return new Promise(() => {});
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
