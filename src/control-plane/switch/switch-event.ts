/**
 * What the machine of the switch is told (events) and what it wants done (effects). Types alone.
 *
 * switcher.ts tells the one and does the other. A worker is named by its process id: a replacement is another worker.
 */
import type { Version } from "../../core/version.ts";
import type { SwitchOrder } from "../../ipc/messages.ts";
import type { SwitchOutcome } from "../../telemetry/switch-metrics.ts";
import type { WorkerReport } from "../workers/fleet.ts";
import type { Phase, PhaseSeconds } from "./phase.ts";
import type { NewSwitchEntry, SwitchEntry } from "./state-store.ts";
import type { PauseAnswer, SwitchAnswer } from "./switch-answer.ts";
import type { PauseCall, RollbackCall, SwitchCall } from "./switch-call.ts";

export interface CallContext {
  /** Who calls, never a secret. */
  readonly actor: string;
  readonly idempotencyKey: string | null;
  /** See `callDigest`. */
  readonly bodyDigest: string;
}

/** What is asked of the machine; each call has a number, by which it is answered once. */
export type Order =
  | { readonly kind: "switch"; readonly call: SwitchCall; readonly context: CallContext }
  | { readonly kind: "rollback"; readonly call: RollbackCall; readonly context: CallContext }
  /** The daemon's own: the version that was found dead at start is left for one that lives. */
  | { readonly kind: "fail-over"; readonly to: Version; readonly reason: string }
  /** Whether a version lives: a gate of one probe by each worker; answered like a dry run. */
  | { readonly kind: "probe"; readonly version: Version }
  | { readonly kind: "pause"; readonly call: PauseCall; readonly actor: string }
  | { readonly kind: "resume"; readonly actor: string };

export type SwitchEvent =
  | { readonly type: "call"; readonly call: number; readonly order: Order }
  /** It has been given a snapshot (see `birth`), so from now on a commit concerns it. */
  | { readonly type: "worker-joined"; readonly pid: number; readonly worker: number }
  | WorkerReport
  | { readonly type: "persisted"; readonly entry: SwitchEntry }
  | { readonly type: "persist-failed"; readonly error: unknown }
  /** The daemon ends: no further call is taken. */
  | { readonly type: "close" }
  /** Time has passed; see `wakeAtMs`. */
  | { readonly type: "time" };

/** How a move ended, for the log, the metrics and whoever listens. */
export interface SwitchEnd {
  readonly from: Version;
  readonly to: Version;
  readonly trigger: SwitchEntry["trigger"];
  readonly outcome: SwitchOutcome;
  readonly forced: boolean;
  readonly actor: string;
  readonly reason: string | null;
  /** In force now. */
  readonly epoch: number;
  readonly durationMs: number;
  readonly phaseSeconds: PhaseSeconds;
  /** null when it was done. */
  readonly error: unknown;
}

export type SwitchEffect =
  | { readonly type: "tell"; readonly pid: number; readonly order: SwitchOrder }
  | { readonly type: "kill"; readonly pid: number; readonly phase: Phase }
  /** Answered by `persisted` or `persist-failed`, once. */
  | { readonly type: "persist"; readonly entry: NewSwitchEntry }
  /** What is being persisted is no longer wanted: `persist-failed` follows at once. */
  | { readonly type: "abandon-persist" }
  | { readonly type: "answer"; readonly call: number; readonly answer: SwitchAnswer | PauseAnswer }
  | { readonly type: "refuse"; readonly call: number; readonly error: unknown }
  | { readonly type: "phase"; readonly phase: Phase; readonly during: PhaseOf }
  | { readonly type: "ended"; readonly end: SwitchEnd }
  | {
      readonly type: "paused";
      readonly untilMs: number;
      readonly reason: string | null;
      readonly actor: string;
    }
  | { readonly type: "resumed"; readonly actor: string };

export interface PhaseOf {
  readonly from: Version;
  readonly to: Version;
  readonly trigger: SwitchEntry["trigger"];
  readonly epoch: number;
}
