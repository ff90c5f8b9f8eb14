/**
 * Switch run: one move on its way: prepare > persist > hold > commit.
 *
 * Pure; time is handed in, effects go to the stage. Until the entry is persisted the move can be refused, and then
 * nothing has changed anywhere. After that every worker follows or dies: first, when asked for, all hold their new
 * requests, then all flip. Holding after the disk and not before it keeps the clients' wait short, and as the switch
 * is decided by then, a worker whose hold runs out goes on to the new version and never back to the old one.
 */
import type { SnapshotOrder } from "../../ipc/messages.ts";
import type { WorkerPrepared } from "../workers/fleet.ts";
import { Acks } from "./acks.ts";
import { GATE_SKIPPED, type GateResult, judgeGate } from "./gate.ts";
import { GateRun } from "./gate-run.ts";
import type { Move } from "./move.ts";
import type { Phase, PhaseSeconds, RunningPhase } from "./phase.ts";
import type { Stage } from "./stage.ts";
import type { SwitchEntry } from "./state-store.ts";
import type { CallContext } from "./switch-event.ts";

export type RunStep =
  | { readonly kind: "waits" }
  /** The gate is passed: write the entry. */
  | { readonly kind: "to-persist"; readonly gate: GateResult }
  | { readonly kind: "refused"; readonly error: unknown }
  | { readonly kind: "done" };

const WAITS: RunStep = { kind: "waits" };

export class SwitchRun {
  readonly call: number;
  readonly move: Move;
  readonly context: CallContext;
  readonly startedAtMs: number;
  readonly phaseSeconds: PhaseSeconds = {};
  gateResult: GateResult | null = null;
  entry: SwitchEntry | null = null;
  readonly #stage: Stage;
  readonly #epochBefore: number;
  #phase: RunningPhase = "prepare";
  #phaseBeganAtMs: number;
  #gate: GateRun | null = null;
  #acks: Acks | null = null;
  #acksBeganAtMs = 0;
  #hold: { readonly hold: number; readonly endsAtMs: number } | null = null;
  #persistLimitMs = Number.POSITIVE_INFINITY;

  constructor(stage: Stage, call: number, move: Move, context: CallContext, epoch: number) {
    this.#stage = stage;
    this.call = call;
    this.move = move;
    this.context = context;
    this.#epochBefore = epoch;
    this.startedAtMs = stage.clock.nowMs();
    this.#phaseBeganAtMs = this.startedAtMs;
  }

  get phase(): RunningPhase {
    return this.#phase;
  }

  /** What a worker that is born now must hold; null when nothing is held. */
  get holdLeft(): { readonly hold: number; readonly holdMs: number } | null {
    if (this.#hold === null) return null;
    const leftMs = this.#hold.endsAtMs - this.#stage.clock.nowMs();
    return leftMs > 0 ? { hold: this.#hold.hold, holdMs: Math.ceil(leftMs) } : null;
  }

  get wakeAtMs(): number {
    if (this.#phase === "prepare") return this.#gate?.wakeAtMs ?? Number.POSITIVE_INFINITY;
    if (this.#phase === "persist") return this.#persistLimitMs;
    return this.#acks?.wakeAtMs ?? Number.POSITIVE_INFINITY;
  }

  get gate(): GateRun | null {
    return this.#gate;
  }

  // ── prepare ─────────────────────────────────────────────────────────────────────────────────────

  start(): RunStep {
    this.#tellPhase("prepare");
    if (this.move.force && this.#stage.listening.size > 0) return this.#passed(GATE_SKIPPED);
    if (this.move.force) return this.#judge([]);
    this.#gate = openGate(this.#stage, this.move.to, this.move.waitMs);
    return this.onGate();
  }

  /** Something of the gate has changed. */
  onGate(): RunStep {
    const gate = this.#gate;
    if (gate === null || !gate.isOver(this.#stage.clock.nowMs())) return WAITS;
    this.#gate = null;
    return this.#judge(gate.result);
  }

  #judge(prepared: readonly WorkerPrepared[]): RunStep {
    try {
      return this.#passed(judgeGate(this.move.to, prepared));
    } catch (error) {
      return this.#refused(error);
    }
  }

  #refused(error: unknown): RunStep {
    this.#leavePhase();
    return { kind: "refused", error };
  }

  #passed(gate: GateResult): RunStep {
    this.gateResult = gate;
    this.#enter("persist");
    this.#persistLimitMs = this.#stage.clock.nowMs() + this.#stage.limits.persistTimeoutMs;
    return { kind: "to-persist", gate };
  }

  // ── persist ─────────────────────────────────────────────────────────────────────────────────────

  onPersistFailed(error: unknown): RunStep {
    return this.#refused(error);
  }

  /** The disk does not answer: what is being written is given up, and `persist-failed` follows. */
  givePersistUp(): void {
    this.#persistLimitMs = Number.POSITIVE_INFINITY;
    this.#stage.emit({ type: "abandon-persist" });
  }

  /** The entry is durable: from here on there is no way back but another switch. */
  onPersisted(entry: SwitchEntry): RunStep {
    this.entry = entry;
    return this.move.holdMs > 0 ? this.#beginHold() : this.#beginCommit();
  }

  // ── hold, commit ────────────────────────────────────────────────────────────────────────────────

  #beginHold(): RunStep {
    this.#enter("hold");
    const nowMs = this.#stage.clock.nowMs();
    const { holdMs } = this.move;
    this.#hold = { hold: this.#stage.nextNumber(), endsAtMs: nowMs + holdMs };
    this.#ask(this.#stage.holdLimitMs(holdMs));
    this.#stage.tell(this.#stage.workers.keys(), {
      type: "hold",
      hold: this.#hold.hold,
      holdMs,
      next: this.#target,
    });
    return this.onAcks();
  }

  #beginCommit(): RunStep {
    this.#enter("commit");
    this.#ask(this.#stage.limits.commitTimeoutMs);
    const release = this.#hold?.hold ?? null;
    this.#stage.tell(this.#stage.workers.keys(), { type: "apply-snapshot", ...this.#target, release });
    return this.onAcks();
  }

  get #target(): SnapshotOrder {
    const snapshot = { activeVersion: this.move.to, epoch: this.#epochBefore + 1 };
    return { snapshot, drain: this.#stage.limits.drain };
  }

  #ask(limitMs: number): void {
    const nowMs = this.#stage.clock.nowMs();
    this.#acksBeganAtMs = nowMs;
    this.#acks = new Acks(this.#stage.workers, { nowMs, limitMs });
  }

  held(pid: number, hold: number): void {
    if (this.#phase === "hold" && hold === this.#hold?.hold) this.#settle(pid, true);
  }

  applied(pid: number, epoch: number): void {
    if (this.#phase === "commit" && epoch === this.#epochBefore + 1) this.#settle(pid, true);
  }

  gone(pid: number): void {
    this.#settle(pid, false);
  }

  #settle(pid: number, isDone: boolean): void {
    this.#acks?.settle(pid, isDone, this.#stage.clock.nowMs());
  }

  /** Some worker has said that it did what it was told, or is gone. */
  onAcks(): RunStep {
    if (this.#acks?.isComplete !== true) return WAITS;
    if (this.#phase === "hold") return this.#beginCommit();
    if (this.#phase !== "commit") return WAITS;
    this.#leavePhase();
    // Whoever was born while the others held.
    if (this.#hold !== null) {
      this.#stage.tell(this.#stage.workers.keys(), { type: "release", hold: this.#hold.hold });
    }
    this.#hold = null;
    return { kind: "done" };
  }

  /** By slot; what became of each in the commit. */
  get committed() {
    return (this.#acks?.settled ?? []).map(({ worker, pid, isDone, atMs }) => ({
      worker,
      pid,
      outcome: isDone ? ("applied" as const) : ("replaced" as const),
      durationMs: atMs - this.#acksBeganAtMs,
    }));
  }

  // ── time ────────────────────────────────────────────────────────────────────────────────────────

  /** Whoever has not acknowledged in time is to be killed. The other limits are the machine's to look at. */
  time(): void {
    if (this.#acks?.takeOverdue(this.#stage.clock.nowMs()) === true) this.#killSilent(this.#acks);
  }

  get isPersistOverdue(): boolean {
    return this.#phase === "persist" && this.#stage.clock.nowMs() >= this.#persistLimitMs;
  }

  /** It may still serve the old version: nobody is told "switched" before it is dead. */
  #killSilent({ silent }: Acks): void {
    for (const pid of silent.keys()) this.#stage.emit({ type: "kill", pid, phase: this.#phase });
  }

  #enter(phase: RunningPhase): void {
    this.#leavePhase();
    this.#phase = phase;
    this.#phaseBeganAtMs = this.#stage.clock.nowMs();
    this.#tellPhase(phase);
  }

  #leavePhase(): void {
    const before = this.phaseSeconds[this.#phase] ?? 0;
    this.phaseSeconds[this.#phase] = before + (this.#stage.clock.nowMs() - this.#phaseBeganAtMs) / 1_000;
  }

  #tellPhase(phase: Phase): void {
    const { from, to, trigger } = this.move;
    const epoch = this.#epochBefore + 1;
    this.#stage.emit({ type: "phase", phase, during: { from, to, trigger, epoch } });
  }
}

/** Asks every worker that listens to probe `version`. @param isBrief see PrepareOrder. */
export function openGate(stage: Stage, version: string, waitMs: number, isBrief = false): GateRun {
  const gate = stage.nextNumber();
  const workers = stage.listening;
  const nowMs = stage.clock.nowMs();
  stage.tell(workers.keys(), { type: "prepare", gate, version, waitMs, isBrief });
  const endMs = nowMs + stage.limits.prepareTimeoutMs + waitMs;
  return new GateRun(gate, version, workers, { nowMs, endMs });
}

export function stopProbing(stage: Stage, { gate }: GateRun, pids: readonly number[]): void {
  stage.tell(pids, { type: "abort-prepare", gate });
}
