/**
 * Machine: the switch as a state machine: READ FIRST of this folder.
 *
 *   call ─► checks ─► prepare ─► persist ─► [hold] ─► commit ─► answer, drain
 *              └────────┴──────────┴─► refused: nothing has changed anywhere
 *
 * Pure: no I/O, no timer; the clock is handed in. It is told events and says what is to be done (switch-event.ts);
 * switcher.ts carries that out, and a simulation may do so in any order that processes, pipes and disks allow. It
 * knows every worker that has been given a snapshot.
 *
 * Order of checks: replay of a key, version known, already active, another switch running, `expect`, cool-down, gate.
 */
import { describeTargets } from "../../config/pool-config.ts";
import type { Config } from "../../config/schema.ts";
import type { Snapshot } from "../../config/snapshot.ts";
import type { Clock } from "../../core/clock.ts";
import { ProxyError } from "../../core/errors.ts";
import type { Version } from "../../core/version.ts";
import type { SwitchOutcome } from "../../telemetry/switch-metrics.ts";
import type { Birth } from "../workers/fleet.ts";
import { Cooldown, entryAgeMs, wholeSeconds } from "./cooldown.ts";
import { forHistory, type GateResult, type LastProbe, summary } from "./gate.ts";
import type { GateRun } from "./gate-run.ts";
import { IdempotencyKeys, KEY_LIFE_MS, keyDigest } from "./idempotency-keys.ts";
import { Maintenance } from "./maintenance.ts";
import { type Move, refuseUnexpected, refuseUnknown, rollbackTarget } from "./move.ts";
import type { Phase } from "./phase.ts";
import { Rehearsals, tooManyCalls } from "./rehearsals.ts";
import { roundMs } from "./round-ms.ts";
import { type Origins, Stage } from "./stage.ts";
import type { NewSwitchEntry, RecoveredState, SwitchEntry } from "./state-store.ts";
import { alreadyActive, done, doneFromEntry, type PauseAnswer, type SwitchAnswer } from "./switch-answer.ts";
import type { CallContext, Order, SwitchEffect, SwitchEvent } from "./switch-event.ts";
import { SwitchRefusal } from "./switch-refusal.ts";
import { type RunStep, SwitchRun, stopProbing } from "./switch-run.ts";

/** A version that was left and may still run what it had begun; moments of the monotonic clock. */
export interface Drain {
  readonly version: Version;
  readonly startedAtMs: number;
  readonly deadlineAtMs: number;
}

export interface SwitcherStatus {
  readonly activeVersion: Version;
  readonly epoch: number;
  readonly phase: Phase;
  readonly cooldownRemainingMs: number;
  /** What POST /rollback would make active; null when there is nothing to go back to. */
  readonly rollbackTo: Version | null;
  readonly drains: readonly Drain[];
  readonly pause: {
    readonly endsAtMs: number;
    readonly reason: string | null;
    readonly actor: string;
  } | null;
  /** What a start read the active version from; after a switch, what the next one will. */
  readonly source: RecoveredState["source"];
  readonly lastProbes: ReadonlyMap<Version, LastProbe>;
}

export interface MachineParts {
  readonly config: Pick<Config, "activeVersion" | "backends" | "switch">;
  readonly recovered: RecoveredState;
  readonly clock: Clock;
  readonly bootId: string;
  /** A version's backends in a few words, as they are now; when left out, as the config has them. */
  readonly describe?: (version: Version) => string;
}

const OUTCOMES: Readonly<Partial<Record<ProxyError["code"], SwitchOutcome>>> = {
  SWITCH_IN_PROGRESS: "in_progress",
  EXPECTATION_FAILED: "expectation_failed",
  SWITCH_COOLING_DOWN: "cooling_down",
  GATE_REFUSED: "gate_refused",
  NOT_READY: "not_ready",
  STATE_WRITE_FAILED: "write_failed",
};

/** Who acts when the daemon itself does. */
const DAEMON: CallContext = { actor: "daemon", idempotencyKey: null, bodyDigest: "" };

export class SwitchMachine {
  readonly #parts: MachineParts;
  readonly #origins: Origins;
  readonly #stage: Stage;
  readonly #keys: IdempotencyKeys;
  readonly #cooldown: Cooldown;
  readonly #maintenance: Maintenance;
  readonly #drains = new Map<Version, Drain>();
  readonly #lastProbes = new Map<Version, LastProbe>();
  readonly #rehearsals: Rehearsals;
  #run: SwitchRun | null = null;
  #snapshot: Snapshot;
  #source: RecoveredState["source"];
  #last: SwitchEntry | null;
  #isClosed = false;

  constructor(parts: MachineParts) {
    const { config, recovered, clock, bootId } = parts;
    this.#parts = parts;
    this.#origins = new Map(
      config.backends.map(({ version, targets }) => [version, describeTargets(targets)]),
    );
    this.#stage = new Stage(clock, config.switch);
    const { epoch } = recovered;
    this.#snapshot = Object.freeze({ activeVersion: recovered.version ?? config.activeVersion, epoch });
    this.#source = recovered.source;
    this.#last = recovered.entries.at(-1) ?? null;
    this.#cooldown = new Cooldown(clock, { gapMs: config.switch.minIntervalMs, last: this.#last, bootId });
    this.#keys = new IdempotencyKeys(clock);
    this.#maintenance = new Maintenance(this.#stage);
    this.#rehearsals = new Rehearsals({
      stage: this.#stage,
      check: (move) => this.#check(move),
      about: (version) => ({ version, backend: this.#backendOf(version), epoch: this.#snapshot.epoch }),
      noteProbes: (run) => this.#noteProbes(run),
      answer: (call, answer) => this.#answer(call, answer),
      refuse: (call, error) => this.#refuse(call, error),
    });
    this.#rememberKeys(recovered.entries);
  }

  /** @returns what is to be done, in this order. */
  handle(event: SwitchEvent): readonly SwitchEffect[] {
    this.#take(event);
    return this.#stage.takeEffects();
  }

  /** When time has something to do; Infinity: never. */
  get wakeAtMs(): number {
    const gates = this.#rehearsals.gates.map(({ wakeAtMs }) => wakeAtMs);
    return Math.min(this.#run?.wakeAtMs ?? Number.POSITIVE_INFINITY, this.#maintenance.wakeAtMs, ...gates);
  }

  /** What a worker is given that is born now; `worker-joined` must follow at once. */
  get birth(): Birth {
    const hold = this.#run?.holdLeft ?? null;
    return {
      snapshot: this.#snapshot,
      holds: [...this.#maintenance.holdsLeft, ...(hold === null ? [] : [hold])],
    };
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  get status(): SwitcherStatus {
    const nowMs = this.#stage.clock.nowMs();
    const target = this.#rollbackTarget();
    return {
      ...this.#snapshot,
      phase: this.#run?.phase ?? "idle",
      cooldownRemainingMs: this.#cooldown.remainingMs(),
      rollbackTo: "to" in target ? target.to : null,
      drains: [...this.#drains.values()].filter(({ deadlineAtMs }) => deadlineAtMs > nowMs),
      pause: this.#maintenance.current,
      source: this.#source,
      lastProbes: this.#lastProbes,
    };
  }

  #take(event: SwitchEvent): void {
    const { workers } = this.#stage;
    switch (event.type) {
      case "call":
        return this.#takeCall(event.call, event.order);
      case "worker-joined":
        workers.set(event.pid, { worker: event.worker, isListening: false });
        return;
      case "worker-listening": {
        const worker = workers.get(event.pid);
        if (worker !== undefined) worker.isListening = true;
        return;
      }
      case "worker-gone":
        return this.#workerGone(event.pid);
      case "prepared":
        return this.#prepared(event);
      case "held":
        this.#maintenance.held(event.pid, event.hold);
        this.#run?.held(event.pid, event.hold);
        return this.#lookAtAcks();
      case "applied":
        this.#run?.applied(event.pid, event.epoch);
        return this.#lookAtAcks();
      case "persisted":
        return this.#persisted(event.entry);
      case "persist-failed":
        return this.#persistFailed(event.error);
      case "close":
        this.#isClosed = true;
        return;
      case "time":
        // Only now, not with every event: behind the one that is read another may be, in time, that says "done".
        return this.#passTime();
    }
  }

  // ── calls ───────────────────────────────────────────────────────────────────────────────────────

  #takeCall(call: number, order: Order): void {
    try {
      if (this.#isClosed) throw new SwitchRefusal("NOT_READY", "the daemon is ending; nothing changed");
      if (order.kind === "switch" || order.kind === "rollback") this.#takeKeyed(call, order);
      else if (order.kind === "fail-over") this.#carryOut(call, this.#failOver(order), DAEMON);
      else if (order.kind === "probe") this.#rehearsals.probe(call, order.version, 0, true);
      else if (order.kind === "pause") this.#maintenance.pause(call, order.call, order.actor);
      else this.#answer(call, this.#maintenance.resume(order.actor));
    } catch (error) {
      this.#refuse(call, error);
    }
  }

  #takeKeyed(call: number, order: Order & { kind: "switch" | "rollback" }): void {
    const isDry = order.kind === "switch" && order.call.dryRun; // changes nothing, so it spends no key
    const { idempotencyKey: key, bodyDigest } = order.context;
    if (key !== null && !isDry) {
      const verdict = this.#keys.begin(call, key, bodyDigest);
      if (verdict.kind === "waits") return;
      if (verdict.kind === "crowded") throw tooManyCalls("calls with this Idempotency-Key wait");
      if (verdict.kind === "answered") return this.#answer(call, verdict.answer);
      if (verdict.kind === "reused") {
        throw new SwitchRefusal(
          "IDEMPOTENCY_KEY_REUSED",
          "this Idempotency-Key was used with another body; a new call needs a new key",
        );
      }
    }
    if (order.kind === "switch") this.#switchTo(call, order);
    else this.#rollback(call, order);
  }

  #switchTo(call: number, { call: asked, context }: Order & { kind: "switch" }): void {
    const { version: to, dryRun, force, reason, expect, waitMs, holdMs } = asked;
    refuseUnknown(to, this.#origins);
    const { activeVersion: from, epoch } = this.#snapshot;
    // Once it is on the disk a version is the active one, but not every worker serves it yet.
    const isServed = (this.#run?.entry ?? null) === null;
    if (to === from && isServed) {
      return this.#answer(call, alreadyActive(to, { backend: this.#backendOf(to), epoch, isDryRun: dryRun }));
    }
    const move: Move = { from, to, trigger: "switch", force, reason, expect, waitMs, holdMs };
    if (dryRun) this.#rehearsals.rehearse(call, move);
    else this.#carryOut(call, move, context);
  }

  #rollback(call: number, { call: asked, context }: Order & { kind: "rollback" }): void {
    const { activeVersion: from } = this.#snapshot;
    const target = this.#rollbackTarget();
    const to = "to" in target ? target.to : from;
    const move: Move = { from, to, trigger: "rollback", waitMs: 0, ...asked };
    // What a running switch leaves behind is not known yet, so its 409 comes first.
    if (this.#run === null && "nothing" in target) {
      const error = new SwitchRefusal("NOTHING_TO_ROLL_BACK", target.nothing);
      this.#tellEnd(move, context, { outcome: "nothing_to_roll_back", error });
      throw error;
    }
    this.#carryOut(call, move, context);
  }

  #failOver({ to, reason }: Order & { kind: "fail-over" }): Move {
    const { activeVersion: from } = this.#snapshot;
    const expect = null;
    return { from, to, trigger: "fail-over", force: false, reason, expect, waitMs: 0, holdMs: 0 };
  }

  /** The checks that need no probe. @throws SwitchRefusal */
  #check(move: Move): void {
    if (this.#run !== null) {
      throw new SwitchRefusal(
        "SWITCH_IN_PROGRESS",
        "another switch is running; try again when it has ended",
        {
          details: { phase: this.#run.phase },
        },
      );
    }
    refuseUnexpected(move.expect, this.#snapshot);
    const remainingMs = this.#cooldown.remainingMs();
    if (remainingMs > 0 && !move.force && move.trigger === "switch") {
      const seconds = wholeSeconds(remainingMs);
      throw new SwitchRefusal(
        "SWITCH_COOLING_DOWN",
        `the last switch was less than switch.min_interval ago; allowed again in ${seconds} s; a rollback and force pass it`,
        { details: { cooldown_remaining_seconds: seconds }, retryAfterSeconds: seconds },
      );
    }
  }

  // ── the run ─────────────────────────────────────────────────────────────────────────────────────

  #carryOut(call: number, move: Move, context: CallContext): void {
    try {
      this.#check(move);
    } catch (error) {
      this.#tellEnd(move, context, { error });
      throw error;
    }
    this.#run = new SwitchRun(this.#stage, call, move, context, this.#snapshot.epoch);
    this.#go(this.#run.start());
  }

  #go(step: RunStep): void {
    const run = this.#run;
    if (run === null || step.kind === "waits") return;
    if (step.kind === "to-persist") {
      const entry = this.#newEntry(run, step.gate);
      return this.#stage.emit({ type: "persist", entry });
    }
    this.#run = null;
    if (step.kind === "done") this.#finish(run);
    else this.#fail(run, step.error);
    this.#tellIdle(run);
  }

  #finish(run: SwitchRun): void {
    const { move, context, entry, gateResult: gate, phaseSeconds, startedAtMs } = run;
    if (entry === null || gate === null) return;
    this.#startDrain(move);
    const durationMs = this.#stage.clock.nowMs() - startedAtMs;
    this.#tellEnd(move, context, { outcome: "done", run });
    const figures = { durationMs, phaseSeconds, workers: run.committed, gate };
    this.#answer(run.call, done(entry, this.#backendOf(move.to), figures));
  }

  #fail(run: SwitchRun, error: unknown): void {
    this.#tellEnd(run.move, run.context, { error, run });
    this.#refuse(run.call, error);
  }

  #tellIdle({ move: { from, to, trigger } }: SwitchRun): void {
    const during = { from, to, trigger, epoch: this.#snapshot.epoch };
    this.#stage.emit({ type: "phase", phase: "idle", during });
  }

  #prepared({ pid, gate, report }: SwitchEvent & { type: "prepared" }): void {
    const nowMs = this.#stage.clock.nowMs();
    for (const run of this.#openGates()) {
      if (run.gate === gate) stopProbing(this.#stage, run, run.prepared(pid, report, nowMs));
    }
    this.#lookAtGates();
  }

  #workerGone(pid: number): void {
    this.#stage.workers.delete(pid);
    const nowMs = this.#stage.clock.nowMs();
    for (const run of this.#openGates()) stopProbing(this.#stage, run, run.gone(pid, nowMs));
    this.#run?.gone(pid);
    this.#maintenance.gone(pid);
    this.#lookAtGates();
    this.#lookAtAcks();
  }

  #openGates(): readonly GateRun[] {
    const gate = this.#run?.gate ?? null;
    return [...this.#rehearsals.gates, ...(gate === null ? [] : [gate])];
  }

  #lookAtGates(): void {
    this.#rehearsals.look();
    const gate = this.#run?.gate ?? null;
    if (gate === null || this.#run === null) return;
    if (gate.isOver(this.#stage.clock.nowMs())) this.#noteProbes(gate);
    this.#go(this.#run.onGate());
  }

  #noteProbes({ version, result }: GateRun): void {
    if (result.length === 0) return;
    const at = new Date(this.#stage.clock.wallMs()).toISOString();
    this.#lastProbes.set(version, { ...summary(result), at });
  }

  #lookAtAcks(): void {
    if (this.#run !== null) this.#go(this.#run.onAcks());
  }

  #newEntry({ move, context, startedAtMs }: SwitchRun, gate: GateResult): NewSwitchEntry {
    const { clock } = this.#stage;
    const { idempotencyKey: key, bodyDigest, actor } = context;
    return {
      epoch: this.#snapshot.epoch + 1,
      from: move.from,
      to: move.to,
      at: new Date(clock.wallMs()).toISOString(),
      trigger: move.trigger,
      forced: move.force,
      reason: move.reason,
      actor,
      duration_ms: roundMs(clock.nowMs() - startedAtMs),
      gate: forHistory(gate),
      clock: { boot_id: this.#parts.bootId, monotonic_ms: Math.round(clock.nowMs()) },
      idempotency: key === null ? null : { key_sha256: keyDigest(key), body_sha256: bodyDigest },
    };
  }

  /** The entry is durable: from here on there is no way back but another switch. */
  #persisted(entry: SwitchEntry): void {
    if (this.#run === null) return;
    this.#last = entry;
    this.#source = "version_file";
    this.#cooldown.start();
    this.#snapshot = Object.freeze({ activeVersion: entry.to, epoch: entry.epoch });
    this.#go(this.#run.onPersisted(entry));
  }

  #persistFailed(error: unknown): void {
    if (this.#run !== null) this.#go(this.#run.onPersistFailed(error));
  }

  // ── time ────────────────────────────────────────────────────────────────────────────────────────

  #passTime(): void {
    const nowMs = this.#stage.clock.nowMs();
    this.#maintenance.time();
    this.#rehearsals.time(nowMs);
    if (this.#run?.isPersistOverdue === true) this.#run.givePersistUp();
    const gate = this.#run?.gate ?? null;
    if (gate !== null) stopProbing(this.#stage, gate, gate.time(nowMs));
    this.#run?.time();
    this.#lookAtGates();
  }

  #startDrain({ from, to }: Move): void {
    const nowMs = this.#stage.clock.nowMs();
    const deadlineAtMs = nowMs + this.#stage.limits.drain.deadlineMs;
    this.#drains.set(from, { version: from, startedAtMs: nowMs, deadlineAtMs });
    this.#drains.delete(to);
  }

  // ── what is told ────────────────────────────────────────────────────────────────────────────────

  #answer(call: number, answer: SwitchAnswer | PauseAnswer): void {
    this.#stage.emit({ type: "answer", call, answer });
    const waiting = "version" in answer ? this.#keys.settle(call, answer) : [];
    for (const each of waiting) this.#stage.emit({ type: "answer", call: each, answer });
  }

  #refuse(call: number, error: unknown): void {
    this.#stage.emit({ type: "refuse", call, error });
    for (const each of this.#keys.settle(call, null)) this.#stage.emit({ type: "refuse", call: each, error });
  }

  /** @param ending `outcome` is told from the error when it is left out; `run` only when it began. */
  #tellEnd(
    { from, to, trigger, force, reason }: Move,
    { actor }: CallContext,
    { outcome, error = null, run }: { outcome?: SwitchOutcome; error?: unknown; run?: SwitchRun },
  ): void {
    const code = error instanceof ProxyError ? OUTCOMES[error.code] : undefined;
    this.#stage.emit({
      type: "ended",
      end: {
        from,
        to,
        trigger,
        outcome: outcome ?? code ?? "failed",
        forced: force,
        actor,
        reason,
        epoch: this.#snapshot.epoch,
        durationMs: run === undefined ? 0 : this.#stage.clock.nowMs() - run.startedAtMs,
        phaseSeconds: run?.phaseSeconds ?? {},
        error,
      },
    });
  }

  #rollbackTarget() {
    return rollbackTarget(this.#last, this.#snapshot.activeVersion, this.#origins);
  }

  #backendOf(version: Version): string | null {
    const configured = this.#origins.get(version) ?? null;
    return configured === null ? null : (this.#parts.describe?.(version) ?? configured);
  }

  /** The answers that an earlier life of this daemon gave to calls with a key. */
  #rememberKeys(entries: readonly SwitchEntry[]): void {
    const { clock, bootId } = this.#parts;
    for (const entry of entries) {
      const ageMs = entryAgeMs(entry, clock, bootId);
      if (entry.idempotency === null || ageMs >= KEY_LIFE_MS) continue;
      const { key_sha256: hash, body_sha256: bodyDigest } = entry.idempotency;
      this.#keys.remember(hash, {
        bodyDigest,
        answer: doneFromEntry(entry, this.#backendOf(entry.to)),
        ageMs,
      });
    }
  }
}
