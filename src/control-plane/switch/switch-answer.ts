/**
 * The bodies of a 200 to POST /switch, /rollback, /pause and /resume, as they go out. Pure; refusals are SwitchRefusal.
 */
import type { Version } from "../../core/version.ts";
import type { WorkerCommitted } from "../workers/fleet.ts";
import type { GateResult } from "./gate.ts";
import type { PhaseSeconds } from "./phase.ts";
import { roundMs } from "./round-ms.ts";
import type { SwitchEntry } from "./state-store.ts";
import type { SwitchRefusal } from "./switch-refusal.ts";

export type SwitchAnswer = SwitchDone | AlreadyActive | DryRun;

interface Answered {
  readonly success: true;
  readonly message: string;
  readonly version: Version;
  /** The origin of the version's backend; null when it is no longer configured. */
  readonly backend: string | null;
}

export interface SwitchDone extends Answered {
  readonly health_check: "passed" | "skipped";
  readonly changed: true;
  readonly previous_version: Version;
  readonly epoch: number;
  readonly forced: boolean;
  /** This and the rest are gone from a replay after a restart. */
  readonly duration_ms?: number;
  readonly phases?: {
    readonly prepare_ms: number;
    readonly persist_ms: number;
    readonly hold_ms?: number;
    readonly commit_ms: number;
  };
  readonly workers?: readonly {
    readonly worker: number;
    readonly pid: number;
    readonly outcome: WorkerCommitted["outcome"];
    readonly duration_ms: number;
  }[];
  readonly gate?: GateResult;
}

export interface AlreadyActive extends Answered {
  readonly changed: false;
  readonly health_check: "skipped";
  readonly epoch: number;
  readonly dry_run?: true;
  /** Of a dry run: nothing would refuse the call, though it would change nothing. */
  readonly verdict?: "would_switch";
  readonly code?: null;
}

export interface DryRun extends Answered {
  readonly dry_run: true;
  readonly changed: false;
  readonly verdict: "would_switch" | "would_refuse";
  /** What a real call would be refused with; null when it would not. */
  readonly code: string | null;
  readonly epoch: number;
  /** What the gate saw, `retry_after_seconds`, …: what the refusal would say. */
  readonly [detail: string]: unknown;
}

const VERBS = { switch: "switched", rollback: "rolled back", "fail-over": "failed over" } as const;

/** A switch or rollback as the history has it: all that a replay after a restart knows. */
export function doneFromEntry(entry: SwitchEntry, backend: string | null): SwitchDone {
  const verb = VERBS[entry.trigger];
  return {
    success: true,
    message: `${verb} from ${entry.from} to ${entry.to}`,
    version: entry.to,
    backend,
    health_check: entry.gate.outcome,
    changed: true,
    previous_version: entry.from,
    epoch: entry.epoch,
    forced: entry.forced,
  };
}

export interface Figures {
  readonly durationMs: number;
  readonly phaseSeconds: PhaseSeconds;
  readonly workers: readonly WorkerCommitted[];
  readonly gate: GateResult;
}

export function done(entry: SwitchEntry, backend: string | null, figures: Figures): SwitchDone {
  const { prepare = 0, persist = 0, hold, commit = 0 } = figures.phaseSeconds;
  return {
    ...doneFromEntry(entry, backend),
    duration_ms: roundMs(figures.durationMs),
    phases: {
      prepare_ms: roundMs(prepare * 1_000),
      persist_ms: roundMs(persist * 1_000),
      ...(hold === undefined ? {} : { hold_ms: roundMs(hold * 1_000) }),
      commit_ms: roundMs(commit * 1_000),
    },
    workers: figures.workers.map(({ worker, pid, outcome, durationMs }) => ({
      worker,
      pid,
      outcome,
      duration_ms: roundMs(durationMs),
    })),
    gate: figures.gate,
  };
}

export function alreadyActive(
  version: Version,
  { backend, epoch, isDryRun }: { backend: string | null; epoch: number; isDryRun: boolean },
): AlreadyActive {
  return {
    success: true,
    changed: false,
    message: `${version} is already active`,
    version,
    backend,
    health_check: "skipped",
    epoch,
    ...(isDryRun ? { dry_run: true, verdict: "would_switch", code: null } : {}),
  };
}

interface Rehearsed {
  readonly version: Version;
  readonly backend: string | null;
  readonly epoch: number;
}

export function wouldSwitch({ version, backend, epoch }: Rehearsed, gate: GateResult): DryRun {
  return {
    success: true,
    dry_run: true,
    verdict: "would_switch",
    code: null,
    message: `would switch to ${version}; nothing changed`,
    version,
    backend,
    changed: false,
    epoch,
    health_check: gate.outcome,
    gate,
  };
}

export function wouldRefuse({ version, backend, epoch }: Rehearsed, refusal: SwitchRefusal): DryRun {
  const retry = refusal.retryAfterSeconds;
  const verdict = {
    success: true,
    dry_run: true,
    verdict: "would_refuse",
    code: refusal.code,
    message: refusal.message,
    version,
    backend,
    changed: false,
    epoch,
    ...(retry === undefined ? {} : { retry_after_seconds: retry }),
  } as const;
  // The verdict first for the eye, and again last so that it wins.
  return { ...verdict, ...refusal.details, ...verdict };
}

/** To POST /pause and POST /resume. */
export interface PauseAnswer {
  readonly success: true;
  readonly changed: boolean;
  readonly message: string;
  /** ISO 8601, UTC; null when nothing is paused. */
  readonly paused_until: string | null;
  readonly reason?: string | null;
}

export function pausedAnswer(until: string, reason: string | null): PauseAnswer {
  const message = `paused until ${until}: new requests wait; POST /resume ends it`;
  return { success: true, changed: true, message, paused_until: until, reason };
}

export function resumedAnswer(wasPaused: boolean): PauseAnswer {
  const message = wasPaused ? "resumed: what waited goes on" : "nothing was paused";
  return { success: true, changed: wasPaused, message, paused_until: null };
}
