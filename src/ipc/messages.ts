/**
 * Every message between the primary and a worker, one union each way.
 *
 * An `id` ties an answer to its question; see channel.ts.
 */

import type { Config } from "../config/schema.ts";
import type { Snapshot } from "../config/snapshot.ts";
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

export type ToWorker =
  /** First message; carries the bound listening handle. `index` counts from 0, `workers` is how many share the limits. */
  | { type: "start"; index: number; workers: number; config: Config; snapshot: Snapshot }
  | { type: "prepare"; id: number; version: Version; waitMs: number }
  | { type: "abort-prepare"; id: number }
  /** Commit: serve by this snapshot from now on, and drain every other version. */
  | { type: "apply-snapshot"; id: number; snapshot: Snapshot; drain: DrainLimits }
  | { type: "collect-stats"; id: number }
  | { type: "admin-answer"; id: number; answer: AdminAnswer }
  /** Answers `enter`; null: the connection may stay. */
  | { type: "entered"; id: number; address: string; limit: ConnectionLimit | null }
  | { type: "stop"; graceMs: number };

export type FromWorker =
  | { type: "hello" }
  | { type: "listening" }
  | { type: "listen-failed"; code: string; message: string }
  | { type: "prepared"; id: number; report: PrepareReport }
  | { type: "applied"; id: number; epoch: number }
  /** Answers `collect-stats`; sent by itself every second and before a planned exit with id 0. */
  | { type: "stats"; id: number; stats: WorkerStats }
  | { type: "admin-call"; id: number; call: AdminCall }
  /** A client's connection wants to stay, or has left; only where they are counted together. */
  | { type: "enter"; id: number; address: string }
  | { type: "leave"; address: string };

/** What one worker saw of the target. */
export interface PrepareReport {
  readonly passed: boolean;
  /** The last probes, oldest first; at most 20. */
  readonly probes: readonly ProbeReport[];
}
