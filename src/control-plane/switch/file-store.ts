/**
 * FileStore: the StateStore in a folder: `.history.jsonl`, written first, and `.version`.
 *
 * Runs in the primary, which holds the lock of the folder; one call at a time. Decides nothing about switches.
 * recovery.ts has the table of what serves after which crash. Broken files never fail a start: they are
 * reported. Only a folder that cannot be used at all does.
 */
import { constants } from "node:fs";
import { access, mkdir } from "node:fs/promises";
import type { Clock } from "../../core/clock.ts";
import { ProxyError, StartError } from "../../core/errors.ts";
import type { Version } from "../../core/version.ts";
import { type HistoryFile, openHistoryFile } from "./history-file.ts";
import { isMountPoint } from "./mount-point.ts";
import { recover } from "./recovery.ts";
import { errorText, nodeFs, type StateFs } from "./state-fs.ts";
import { lockStateDir, type StateLock } from "./state-lock.ts";
import type { HistoryEntry, NewHistoryEntry, RecoveredState, StateStore } from "./state-store.ts";
import type { SwitchLog } from "./switch-log.ts";
import {
  finishMending,
  readVersionFile,
  removeVersionFile,
  sweepLeftovers,
  VERSION_FILE,
  type VersionFileContent,
  writeVersionFile,
} from "./version-file.ts";

export interface FileStoreOptions {
  /** Absolute; created when missing. */
  readonly stateDir: string;
  /** The configured versions. */
  readonly versions: readonly Version[];
  readonly clock: Clock;
  /** Told what was repaired; what is damaged stands in the RecoveredState. */
  readonly log?: Pick<SwitchLog, "warn">;
  readonly fs?: StateFs;
}

/**
 * Locks the folder and finds out what serves.
 *
 * @throws StartError (exit code 1) when the folder cannot be made, written or locked, or `.version` is a mount.
 */
export async function openFileStore(
  options: FileStoreOptions,
): Promise<{ store: FileStore; recovered: RecoveredState }> {
  await ensureFolder(options.stateDir);
  const lock = await lockStateDir(options.stateDir);
  try {
    return await openLocked(options, lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

export class FileStore implements StateStore {
  readonly #folder: string;
  readonly #versions: ReadonlySet<Version>;
  readonly #clock: Clock;
  readonly #fs: StateFs;
  readonly #history: HistoryFile;
  readonly #lock: StateLock;
  /** What was wrong with `.version` at start; mended by the next switch. */
  #versionDamage: readonly string[];
  /** Takes back a switch that failed half way; kept until it has worked. */
  #undo: (() => Promise<void>) | null = null;

  constructor(parts: {
    folder: string;
    versions: ReadonlySet<Version>;
    clock: Clock;
    fs: StateFs;
    history: HistoryFile;
    lock: StateLock;
    versionDamage: readonly string[];
  }) {
    this.#folder = parts.folder;
    this.#versions = parts.versions;
    this.#clock = parts.clock;
    this.#fs = parts.fs;
    this.#history = parts.history;
    this.#lock = parts.lock;
    this.#versionDamage = parts.versionDamage;
  }

  get damaged(): readonly string[] {
    return [...this.#versionDamage, ...this.#history.damaged];
  }

  history(limit: number): readonly HistoryEntry[] {
    return this.#history.entries.toReversed().slice(0, limit);
  }

  async append(entry: NewHistoryEntry): Promise<HistoryEntry> {
    await this.#retryUndo();
    if (this.history(1).length === 0) await this.#nameFirstVersion(entry.from);
    const before = await readVersionFile(this.#folder, this.#versions, this.#fs);
    const sealed = await this.#appendHistory(entry);
    try {
      await this.#writeVersion(entry.to);
    } catch (cause) {
      this.#undo = () => this.#takeBack(before, entry.from);
      throw await this.#failure(VERSION_FILE, entry.to, cause);
    }
    this.#versionDamage = [];
    return sealed;
  }

  /**
   * Before the first entry ever `.version` says what serves. Without it a crash between the entry and `.version`
   * would look like a reset by hand.
   */
  async #nameFirstVersion(version: Version): Promise<void> {
    const { kind } = await readVersionFile(this.#folder, this.#versions, this.#fs);
    if (kind !== "missing") return;
    try {
      await this.#writeVersion(version);
    } catch (cause) {
      this.#undo = () => sweepLeftovers(this.#folder, this.#fs);
      throw await this.#failure(VERSION_FILE, version, cause);
    }
  }

  async release(): Promise<void> {
    await this.#lock.release();
  }

  async #appendHistory(entry: NewHistoryEntry): Promise<HistoryEntry> {
    try {
      return await this.#history.append(entry);
    } catch (cause) {
      if (this.#history.hasUnwantedTail) this.#undo = () => this.#history.mendTail();
      throw await this.#failure("the history", entry.to, cause);
    }
  }

  async #writeVersion(version: Version): Promise<void> {
    await writeVersionFile(this.#folder, version, { wallMs: this.#clock.wallMs(), fs: this.#fs });
  }

  /** Both files as they were: the history without its last entry, `.version` saying what it said. */
  async #takeBack(before: VersionFileContent, from: Version): Promise<void> {
    await this.#history.takeBackLast();
    const now = await readVersionFile(this.#folder, this.#versions, this.#fs);
    if (!isSameContent(before, now)) {
      if (before.kind === "missing") await removeVersionFile(this.#folder, this.#fs);
      else await this.#writeVersion(before.kind === "sound" ? before.version : from);
    }
    await sweepLeftovers(this.#folder, this.#fs);
  }

  /** Undoes what is half done, and makes the error that says what failed and what a restart would find. */
  async #failure(what: string, to: Version, cause: unknown): Promise<ProxyError> {
    const failed = `${what} in ${this.#folder} could not be written (${errorText(cause)})`;
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
      const failed = `a switch that failed before still cannot be taken back in ${this.#folder}`;
      throw new ProxyError("STATE_WRITE_FAILED", `${failed} (${errorText(cause)}); nothing changed`, {
        cause,
      });
    }
  }
}

async function openLocked(
  { stateDir, versions, clock, log, fs = nodeFs }: FileStoreOptions,
  lock: StateLock,
): Promise<{ store: FileStore; recovered: RecoveredState }> {
  const configured = new Set(versions);
  const versionDamage: string[] = [];
  await finishMending(stateDir, fs).catch((error: unknown) => {
    versionDamage.push(
      `what a crash left beside ${VERSION_FILE} cannot be cleared away (${errorText(error)})`,
    );
  });
  const history = await openHistoryFile(stateDir, { wallMs: () => clock.wallMs(), fs });
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
  const store = new FileStore({
    folder: stateDir,
    versions: configured,
    clock,
    fs,
    history,
    lock,
    versionDamage,
  });
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

async function ensureFolder(stateDir: string): Promise<void> {
  const hint = "set STATE_DIR or state_dir to a writable folder";
  try {
    await mkdir(stateDir, { recursive: true });
  } catch (cause) {
    const failed = `the state folder ${stateDir} cannot be created (${errorText(cause)})`;
    throw new StartError(`${failed}; ${hint}`, 1, { cause });
  }
  try {
    await access(stateDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    const failed = `the state folder ${stateDir} is not writable (${errorText(cause)})`;
    throw new StartError(`${failed}; ${hint}`, 1, { cause });
  }
  if (await isMountPoint(stateDir, VERSION_FILE)) {
    const failed = `${stateDir}/${VERSION_FILE} is mounted as a single file, which cannot be replaced atomically`;
    throw new StartError(`${failed}; mount the folder that holds it instead`, 1);
  }
}

function isSameContent(a: VersionFileContent, b: VersionFileContent): boolean {
  if (a.kind === "sound" && b.kind === "sound") return a.version === b.version;
  return a.kind === b.kind;
}
