/**
 * FileStore: the StateStore in a folder: `.history.jsonl`, written first, and `.version`.
 *
 * Runs in the primary, which holds the lock of the folder; one call at a time. Decides nothing about switches.
 * recovery.ts has the table of what serves after which crash. Broken files never fail a start: they are
 * reported. Only a folder that cannot be used at all does.
 */
import type { Clock } from "../../core/clock.ts";
import { ProxyError } from "../../core/errors.ts";
import type { Version } from "../../core/version.ts";
import { openHistoryFile } from "./history-file.ts";
import { recover } from "./recovery.ts";
import { ensureFolder } from "./state-folder.ts";
import { errorText, nodeFs, type StateFs, syncFolder } from "./state-fs.ts";
import { lockStateDir, type StateLock } from "./state-lock.ts";
import type { HistoryEntry, NewHistoryEntry, RecoveredState, StateStore } from "./state-store.ts";
import type { SwitchLog } from "./switch-log.ts";
import { SwitchWriter } from "./switch-writer.ts";
import { finishMending, readVersionFile, VERSION_FILE, writeVersionFile } from "./version-file.ts";

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
  const versionDamage: string[] = [];
  await finishMending(stateDir, fs).catch((error: unknown) => {
    versionDamage.push(
      `what a crash left beside ${VERSION_FILE} cannot be cleared away (${errorText(error)})`,
    );
  });
  const history = await openHistoryFile(stateDir, { wallMs: () => clock.wallMs(), fs });
  // kill -9 may have come before an fsync of these names: what is read from them now must outlive a power loss too, and
  // before `.version` is mended by it.
  await syncFolder(fs, stateDir).catch((error: unknown) => {
    versionDamage.push(`the names in ${stateDir} cannot be made durable (${errorText(error)})`);
  });
  const versionFile = await readVersionFile(stateDir, configured, fs);
  const { version, source, isToMend } = recover(
    versionFile,
    history.isIntact ? history.last : null,
    configured,
  );
  const repaired = history.repaired === null ? [] : [history.repaired];
  if (versionFile.kind === "damaged") {
    const serving = version === null ? "the config's active_version" : `${version} of the last switch`;
    versionDamage.push(`${versionFile.reason}; ${serving} serves`);
  }
  if (isToMend && version !== null) {
    try {
      await writeVersionFile(stateDir, version, { wallMs: clock.wallMs(), fs });
      repaired.push(`${VERSION_FILE} has been mended to ${version}, the last entry of the history`);
    } catch (error) {
      versionDamage.push(`${VERSION_FILE} cannot be mended to ${version} (${errorText(error)})`);
    }
  }
  const writer = new SwitchWriter({
    folder: stateDir,
    versions: configured,
    clock,
    fs,
    history,
    versionDamage,
  });
  const store = new FileStore(stateDir, writer, lock);
  const recovered = {
    version,
    epoch: history.highestEpoch,
    source,
    damaged: store.damaged,
    entries: [...history.entries],
  };
  for (const sentence of repaired)
    log?.warn({ state_dir: stateDir, repaired: sentence }, "state was repaired");
  return { store, recovered };
}

export class FileStore implements StateStore {
  readonly #folder: string;
  readonly #writer: SwitchWriter;
  readonly #lock: StateLock;
  /** The write that runs, or that was given up and has not ended; never rejects. */
  #writing: Promise<void> | null = null;
  #isGivenUp = false;

  constructor(folder: string, writer: SwitchWriter, lock: StateLock) {
    this.#folder = folder;
    this.#writer = writer;
    this.#lock = lock;
  }

  get damaged(): readonly string[] {
    const { damaged } = this.#writer;
    if (!this.#isGivenUp) return damaged;
    return [
      ...damaged,
      `a write to ${this.#folder} was given up and has not ended; no switch can be made before`,
    ];
  }

  history(limit: number): readonly HistoryEntry[] {
    return this.#writer.entries.toReversed().slice(0, limit);
  }

  append(entry: NewHistoryEntry, signal?: AbortSignal): Promise<HistoryEntry> {
    const { promise, resolve, reject } = Promise.withResolvers<HistoryEntry>();
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
      const hint = `nothing changed now, but a restart before that may serve ${entry.to}`;
      reject(this.#failure("the files in", `were not written within the time limit; ${then}: ${hint}`));
    };
    const end = (): void => {
      signal?.removeEventListener("abort", giveUp);
      this.#writing = null;
      this.#isGivenUp = false;
    };
    // Settled in the same breath as the last look at the signal: no abort comes between the two.
    const commit = (written: HistoryEntry): void => {
      end();
      resolve(written);
    };
    signal?.addEventListener("abort", giveUp);
    const isGivenUp = (): boolean => signal?.aborted === true;
    this.#writing = this.#writer.write(entry, { isGivenUp, commit }).catch((error: unknown) => {
      end();
      reject(error);
    });
    return promise;
  }

  async release(): Promise<void> {
    // A write that was given up still goes on: nobody else may have the folder before it ends.
    if (this.#writing !== null) void this.#writing.then(() => this.#lock.release());
    else await this.#lock.release();
  }

  #failure(what: string, happened: string): ProxyError {
    return new ProxyError("STATE_WRITE_FAILED", `${what} ${this.#folder} ${happened}`);
  }
}
