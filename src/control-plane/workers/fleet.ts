/**
 * Fleet: all workers as the switch and the admin API see them. Implemented by supervisor.ts over IPC;
 * a test stands in with its own.
 */
import type { Snapshot } from "../../config/snapshot.ts";
import type { Version } from "../../core/version.ts";
import type { DrainLimits, PrepareReport } from "../../ipc/messages.ts";
import type { WorkerStats } from "../../telemetry/worker-stats.ts";

export type WorkerState = "starting" | "listening" | "stopping";

export interface WorkerInfo {
  /** Its slot, 1 to N; a replacement takes the slot of the one that died. Metric label. */
  readonly id: number;
  readonly pid: number;
  readonly state: WorkerState;
  /** The epoch it last acknowledged. */
  readonly epoch: number;
}

export interface WorkerPrepared {
  readonly worker: number;
  readonly pid: number;
  /** null: it died or did not answer in time. */
  readonly report: PrepareReport | null;
}

export interface WorkerCommitted {
  readonly worker: number;
  readonly pid: number;
  readonly outcome: "applied" | "replaced";
  readonly durationMs: number;
}

export interface Fleet {
  /** Every slot that has a process now. */
  workers(): readonly WorkerInfo[];
  /** How many slots there are. */
  readonly size: number;
  /**
   * Every worker probes `version` through its own agent. Settles when all have answered, when one has
   * refused (the others are told to stop), or after `timeoutMs`; never rejects. Empty when no worker listens.
   */
  prepare(
    version: Version,
    options: { waitMs: number; timeoutMs: number },
  ): Promise<readonly WorkerPrepared[]>;
  /**
   * Makes `snapshot` what every worker, and every later one, serves by. Settles when each has acknowledged
   * or is dead: one that stays silent for `timeoutMs` is killed and replaced. Never rejects.
   */
  commit(
    snapshot: Snapshot,
    options: { timeoutMs: number; drain: DrainLimits },
  ): Promise<readonly WorkerCommitted[]>;
  /** Fresh stats of each worker that answers within `timeoutMs`; the others are named in `silent`. */
  collect(timeoutMs: number): Promise<{ stats: ReadonlyMap<number, WorkerStats>; silent: readonly number[] }>;
  /** What workers that are gone had counted, one sum per counter, as last heard from them. */
  retired(): readonly WorkerStats[];
}
