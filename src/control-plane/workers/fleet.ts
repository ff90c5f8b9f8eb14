/**
 * Fleet: all workers as the switch and the admin API see them. Implemented by supervisor.ts over IPC;
 * a test stands in with its own.
 */
import type { FromWorker, PrepareReport, StartOrder, SwitchOrder } from "../../ipc/messages.ts";
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

/** What the switch is told of a worker. */
export type WorkerReport = { readonly pid: number } & (
  | { readonly type: "worker-listening" }
  | { readonly type: "worker-gone" }
  | Extract<FromWorker, { type: "prepared" | "held" | "applied" }>
);

/** What a worker is born with. */
export type Birth = Pick<StartOrder, "snapshot" | "holds">;

/** Who wants to know of the workers, and what one is born with. */
export interface WorkerWatcher {
  /** A process asks for what it serves by; from now on it is a worker. */
  workerBorn(pid: number, worker: number): Birth;
  onWorker(report: WorkerReport): void;
}

export interface Fleet {
  /** Every slot that has a process now. */
  workers(): readonly WorkerInfo[];
  /** How many slots there are. */
  readonly size: number;
  /** One order of the switch to one process; dropped when it is gone. */
  tell(pid: number, order: SwitchOrder): void;
  /** Ends a process that did not acknowledge in `phase`; `worker-gone` follows. */
  kill(pid: number, phase: string): void;
  /** Fresh stats of each worker that answers within `timeoutMs`; the others are named in `silent`. */
  collect(timeoutMs: number): Promise<{ stats: ReadonlyMap<number, WorkerStats>; silent: readonly number[] }>;
  /** What workers that are gone had counted, one sum per counter, as last heard from them. */
  retired(): readonly WorkerStats[];
}
