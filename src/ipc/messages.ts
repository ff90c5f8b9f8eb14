/**
 * Every message between the primary and a worker, one union each way.
 *
 * An `id` ties an answer to its question (channel.ts). What the switch orders has numbers of its own instead: its
 * machine keeps its own time limits.
 */

import type { Config } from "../config/schema.ts";
import type { PoolsSnapshot, Snapshot } from "../config/snapshot.ts";
import type { AdminAnswer, AdminCall } from "../core/admin-call.ts";
import type { ConnectionLimit } from "../core/connection-count.ts";
import type { Version } from "../core/version.ts";
import type { ProbeReport } from "../health/probe.ts";
import type { WorkerStats } from "../telemetry/worker-stats.ts";

/** How long the versions that are not active may keep what they still run. */
export interface DrainLimits {
  readonly deadlineMs: number;
  readonly websocketWindowMs: number;
}

/** A hold by its number, and how long it lasts when nothing else ends it. */
export interface HoldOrder {
  readonly hold: number;
  readonly holdMs: number;
}

/** What a worker serves by from now on, and how it leaves the version before. */
export interface SnapshotOrder {
  readonly snapshot: Snapshot;
  readonly drain: DrainLimits;
}

/** First message; carries the bound listening handle. `index` counts from 0, `workers` is how many share the limits. */
export interface StartOrder {
  readonly type: "start";
  readonly index: number;
  readonly workers: number;
  readonly config: Config;
  readonly snapshot: Snapshot;
  readonly pools: PoolsSnapshot;
  readonly holds: readonly HoldOrder[];
}

/** Probe the version, as number `gate`. */
export interface PrepareOrder {
  readonly gate: number;
  readonly version: Version;
  readonly waitMs: number;
  /** Whether it lives is all that is asked: one good probe is enough, and nothing is warmed for it. */
  readonly isBrief: boolean;
}

export type ToWorker =
  | StartOrder
  /** Answered by `prepared`. */
  | ({ type: "prepare" } & PrepareOrder)
  | { type: "abort-prepare"; gate: number }
  /**
   * New requests wait from now on, until `release` or the end of its time; answered by `held`. When its time ends and
   * nothing has been heard, `next` is in force: the switch is decided.
   */
  | ({ type: "hold"; next: SnapshotOrder | null } & HoldOrder)
  | { type: "release"; hold: number }
  /** Commit: serve by this snapshot from now on, drain every other version, end the hold `release`; answered by `applied`. */
  | ({ type: "apply-snapshot"; release: number | null } & SnapshotOrder)
  /** The backends as they are from now on; an older revision than the worker has changes nothing. */
  | { type: "pools"; pools: PoolsSnapshot }
  | { type: "collect-stats"; id: number }
  | { type: "admin-answer"; id: number; answer: AdminAnswer }
  /** Answers `enter`; null: the connection may stay. */
  | { type: "entered"; id: number; address: string; limit: ConnectionLimit | null }
  | { type: "stop"; graceMs: number };

/** What the switch has a worker do. */
export type SwitchOrder = Extract<
  ToWorker,
  { type: "prepare" | "abort-prepare" | "hold" | "release" | "apply-snapshot" }
>;

export type FromWorker =
  | { type: "hello" }
  | { type: "listening" }
  | { type: "listen-failed"; code: string; message: string }
  /** What the worker was told to start with does not work; it ends. */
  | { type: "start-failed"; message: string }
  | { type: "prepared"; gate: number; report: PrepareReport }
  | { type: "held"; hold: number }
  | { type: "applied"; epoch: number }
  /** Answers `collect-stats`; sent by itself every second and before a planned exit with id 0. */
  | { type: "stats"; id: number; stats: WorkerStats }
  | { type: "admin-call"; id: number; call: AdminCall }
  /** A client's connection wants to stay, or has left; only where they are counted together. */
  | { type: "enter"; id: number; address: string }
  | { type: "leave"; address: string };

/** What one worker saw of the target. */
export interface PrepareReport {
  readonly passed: boolean;
  /** What tells most of each backend, its last ones, bad ones first; of one backend oldest first. At most 20. */
  readonly probes: readonly BackendProbe[];
  /** Connections to the target that are open and wait for traffic. */
  readonly warm: number;
  readonly backends: PreparedBackends;
}

export interface BackendProbe extends ProbeReport {
  /** Its name. */
  readonly backend: string;
}

/** How the backends of the target did. */
export interface PreparedBackends {
  /** Those that take traffic; 0: there is none. */
  readonly asked: number;
  /** So many must pass. */
  readonly needed: number;
  /** Their names. One that was given up before its time is in neither. */
  readonly good: readonly string[];
  readonly bad: readonly string[];
}
