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

/** New requests wait from now on, for `holdMs` at most; several may be on at once, each with its own number. */
export interface HoldOrder {
  readonly hold: number;
  readonly holdMs: number;
}

export type ToWorker =
  /** First message; carries the bound listening handle. `index` counts from 0, `workers` is how many share the limits. */
  | {
      type: "start";
      index: number;
      workers: number;
      config: Config;
      snapshot: Snapshot;
      /** It is born holding. */
      holds: readonly HoldOrder[];
    }
  | { type: "prepare"; id: number; version: Version; waitMs: number }
  | { type: "abort-prepare"; id: number }
  /** Commit: serve by this snapshot from now on, drain every other version, and then end hold `release`. */
  | {
      type: "apply-snapshot";
      id: number;
      snapshot: Snapshot;
      drain: DrainLimits;
      release: number | null;
    }
  /** Answered by `held`. */
  | ({ type: "hold" } & HoldOrder)
  /** Ends a hold before its time; one that has ended already, or never was, is no error. */
  | { type: "release"; hold: number }
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
  /** From here on no request starts before hold `hold` has ended. */
  | { type: "held"; hold: number }
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
