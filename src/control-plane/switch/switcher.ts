/**
 * Switcher: the one place that decides which version is active, one switch at a time.
 *
 * Runs in the primary. A call goes gate > prepare > persist > commit; before persist it can still be refused and
 * then nothing has changed anywhere, after it every worker follows. Time, files and workers are handed in; who
 * may call is judged before. A caller that leaves stops nothing.
 *
 * Order of checks: replay of a key, version known, already active, another switch running, `expect`,
 * cool-down, gate.
 */
import type { Config } from "../../config/schema.ts";
import type { Snapshot } from "../../config/snapshot.ts";
import type { Clock } from "../../core/clock.ts";
import { ProxyError } from "../../core/errors.ts";
import type { Version } from "../../core/version.ts";
import type { SwitchOutcome } from "../../telemetry/switch-metrics.ts";
import type { Fleet } from "../workers/fleet.ts";
import { Cooldown, entryAgeMs, wholeSeconds } from "./cooldown.ts";
import {
  forHistory,
  GATE_SKIPPED,
  type GateResult,
  judgeGate,
  type LastProbe,
  roundMs,
  summary,
} from "./gate.ts";
import { IdempotencyKeys, KEY_LIFE_MS, keyDigest } from "./idempotency-keys.ts";
import { type Move, refuseUnexpected, refuseUnknown, rollbackTarget } from "./move.ts";
import type { HistoryEntry, RecoveredState, StateStore } from "./state-store.ts";
import {
  alreadyActive,
  done,
  doneFromEntry,
  type SwitchAnswer,
  wouldRefuse,
  wouldSwitch,
} from "./switch-answer.ts";
import type { RollbackCall, SwitchCall } from "./switch-call.ts";
import type { SwitchLog } from "./switch-log.ts";
import { SwitchRefusal } from "./switch-refusal.ts";

export type Phase = "idle" | "prepare" | "persist" | "commit";

export type PhaseSeconds = Partial<Record<Exclude<Phase, "idle">, number>>;

export interface SwitchObserver {
  /** `phaseSeconds` has the phases that ran. */
  switchEnded(
    from: Version,
    to: Version,
    outcome: SwitchOutcome,
    trigger: HistoryEntry["trigger"],
    phaseSeconds: PhaseSeconds,
  ): void;
}

export interface CallContext {
  /** Who calls, never a secret. */
  readonly actor: string;
  readonly idempotencyKey: string | null;
  /** See `callDigest`. */
  readonly bodyDigest: string;
}

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
  /** `source`: what a start read the active version from; after a switch, what the next one will. */
  readonly state: { readonly source: RecoveredState["source"]; readonly damaged: readonly string[] };
  readonly lastProbes: ReadonlyMap<Version, LastProbe>;
}

export interface SwitcherParts {
  readonly config: Pick<Config, "activeVersion" | "backends" | "switch">;
  readonly fleet: Pick<Fleet, "workers" | "prepare" | "commit">;
  readonly store: Pick<StateStore, "append" | "damaged">;
  readonly recovered: RecoveredState;
  readonly clock: Clock;
  readonly bootId: string;
  readonly log: SwitchLog;
  readonly observe: SwitchObserver;
}

const OUTCOMES: Readonly<Partial<Record<ProxyError["code"], SwitchOutcome>>> = {
  SWITCH_IN_PROGRESS: "in_progress",
  EXPECTATION_FAILED: "expectation_failed",
  SWITCH_COOLING_DOWN: "cooling_down",
  GATE_REFUSED: "gate_refused",
  NOT_READY: "not_ready",
  STATE_WRITE_FAILED: "write_failed",
};

export class Switcher {
  readonly #parts: SwitcherParts;
  readonly #origins: ReadonlyMap<Version, string>;
  readonly #keys: IdempotencyKeys;
  readonly #cooldown: Cooldown;
  readonly #drains = new Map<Version, Drain>();
  readonly #lastProbes = new Map<Version, LastProbe>();
  #snapshot: Snapshot;
  #source: RecoveredState["source"];
  #last: HistoryEntry | null;
  #phase: Phase = "idle";
  #running: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(parts: SwitcherParts) {
    const { config, recovered, clock, bootId } = parts;
    this.#parts = parts;
    this.#origins = new Map(config.backends.map(({ version, origin }) => [version, origin]));
    this.#snapshot = Object.freeze({
      activeVersion: recovered.version ?? config.activeVersion,
      epoch: recovered.epoch,
    });
    this.#source = recovered.source;
    this.#last = recovered.entries.at(-1) ?? null;
    this.#cooldown = new Cooldown(clock, { gapMs: config.switch.minIntervalMs, last: this.#last, bootId });
    this.#keys = new IdempotencyKeys(clock);
    this.#rememberKeys(recovered.entries);
  }

  /** @throws SwitchRefusal or ProxyError with a code of the admin API; nothing has changed then. */
  async switchTo(call: SwitchCall, context: CallContext): Promise<SwitchAnswer> {
    this.#refuseWhenClosed();
    const key = call.dryRun ? null : context.idempotencyKey; // a dry run changes nothing, so it spends no key
    return this.#keys.once(key, context.bodyDigest, () => this.#switchTo(call, context));
  }

  /** Back to the version that the last switch left. @throws like `switchTo` */
  async rollback(call: RollbackCall, context: CallContext): Promise<SwitchAnswer> {
    this.#refuseWhenClosed();
    return this.#keys.once(context.idempotencyKey, context.bodyDigest, () => this.#rollback(call, context));
  }

  snapshot(): Snapshot {
    return this.#snapshot;
  }

  status(): SwitcherStatus {
    const nowMs = this.#parts.clock.nowMs();
    const target = this.#rollbackTarget();
    return {
      ...this.#snapshot,
      phase: this.#phase,
      cooldownRemainingMs: this.#cooldown.remainingMs(),
      rollbackTo: "to" in target ? target.to : null,
      drains: [...this.#drains.values()].filter(({ deadlineAtMs }) => deadlineAtMs > nowMs),
      state: { source: this.#source, damaged: this.#parts.store.damaged },
      lastProbes: this.#lastProbes,
    };
  }

  /** The daemon ends: takes no further call. Resolves when the switch that runs, if any, has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
  }

  async #switchTo(call: SwitchCall, context: CallContext): Promise<SwitchAnswer> {
    const { version, force, reason, expect, waitMs } = call;
    refuseUnknown(version, this.#origins);
    const { activeVersion: from, epoch } = this.#snapshot;
    const backend = this.#backendOf(version);
    if (version === from) return alreadyActive(version, { backend, epoch, isDryRun: call.dryRun });
    const move: Move = { from, to: version, trigger: "switch", force, reason, expect, waitMs };
    return call.dryRun ? this.#rehearse(move) : this.#carryOut(move, context);
  }

  async #rollback(call: RollbackCall, context: CallContext): Promise<SwitchAnswer> {
    const { activeVersion: from } = this.#snapshot;
    const target = this.#rollbackTarget();
    // What a running switch leaves behind is not known yet, so its 409 comes first.
    if (this.#phase === "idle" && "nothing" in target) {
      this.#parts.observe.switchEnded(from, from, "nothing_to_roll_back", "rollback", {});
      throw new SwitchRefusal("NOTHING_TO_ROLL_BACK", target.nothing);
    }
    const to = "to" in target ? target.to : from;
    return this.#carryOut({ from, to, trigger: "rollback", waitMs: 0, ...call }, context);
  }

  /** All checks and the gate, without the lock and without a trace. */
  async #rehearse(move: Move): Promise<SwitchAnswer> {
    const rehearsed = {
      version: move.to,
      backend: this.#backendOf(move.to),
      epoch: this.#snapshot.epoch,
    };
    try {
      this.#check(move);
      return wouldSwitch(rehearsed, await this.#passGate(move));
    } catch (error) {
      if (error instanceof SwitchRefusal) return wouldRefuse(rehearsed, error);
      throw error;
    }
  }

  async #carryOut(move: Move, context: CallContext): Promise<SwitchAnswer> {
    const { from, to, trigger, force } = move;
    const phaseSeconds: PhaseSeconds = {};
    const fields = { from, to, trigger, forced: force, actor: context.actor };
    let outcome: SwitchOutcome = "failed";
    try {
      this.#check(move);
      const run = this.#run(move, context, phaseSeconds); // takes the lock before it first waits
      this.#running = run.catch(() => {});
      const answer = await run;
      outcome = "done";
      this.#parts.log.info({ ...fields, epoch: this.#snapshot.epoch, reason: move.reason }, "switched");
      return answer;
    } catch (error) {
      outcome = (error instanceof ProxyError && OUTCOMES[error.code]) || "failed";
      this.#logFailure(error, fields);
      throw error;
    } finally {
      this.#parts.observe.switchEnded(from, to, outcome, trigger, phaseSeconds);
    }
  }

  async #run(move: Move, context: CallContext, phaseSeconds: PhaseSeconds): Promise<SwitchAnswer> {
    const { clock, store, fleet, config } = this.#parts;
    const startedAtMs = clock.nowMs();
    const inPhase = async <T>(phase: Exclude<Phase, "idle">, work: () => Promise<T>): Promise<T> => {
      this.#phase = phase;
      const beganAtMs = clock.nowMs();
      try {
        return await work();
      } finally {
        phaseSeconds[phase] = (clock.nowMs() - beganAtMs) / 1_000;
      }
    };
    try {
      const gate = await inPhase("prepare", () => this.#passGate(move));
      const entry = await inPhase("persist", () =>
        store.append(this.#newEntry(move, context, gate, startedAtMs)),
      );
      this.#adopt(entry);
      const { drain, commitTimeoutMs: timeoutMs } = config.switch;
      const workers = await inPhase("commit", () => fleet.commit(this.#snapshot, { timeoutMs, drain }));
      this.#startDrain(move);
      const durationMs = clock.nowMs() - startedAtMs;
      return done(entry, this.#backendOf(move.to), { durationMs, phaseSeconds, workers, gate });
    } finally {
      this.#phase = "idle";
    }
  }

  /** The checks that need no probe. @throws SwitchRefusal */
  #check(move: Move): void {
    if (this.#phase !== "idle") {
      throw new SwitchRefusal(
        "SWITCH_IN_PROGRESS",
        "another switch is running; try again when it has ended",
        {
          details: { phase: this.#phase },
        },
      );
    }
    refuseUnexpected(move.expect, this.#snapshot);
    const remainingMs = this.#cooldown.remainingMs();
    if (remainingMs > 0 && !move.force && move.trigger !== "rollback") {
      const seconds = wholeSeconds(remainingMs);
      throw new SwitchRefusal(
        "SWITCH_COOLING_DOWN",
        `the last switch was less than switch.min_interval ago; allowed again in ${seconds} s`,
        { details: { cooldown_remaining_seconds: seconds }, retryAfterSeconds: seconds },
      );
    }
  }

  async #passGate({ to, force, waitMs }: Move): Promise<GateResult> {
    const { fleet, config, clock } = this.#parts;
    if (force) {
      if (fleet.workers().some(({ state }) => state === "listening")) return GATE_SKIPPED;
      return judgeGate(to, []);
    }
    const timeoutMs = config.switch.prepareTimeoutMs + waitMs;
    const prepared = await fleet.prepare(to, { waitMs, timeoutMs });
    if (prepared.length > 0) {
      this.#lastProbes.set(to, { ...summary(prepared), at: new Date(clock.wallMs()).toISOString() });
    }
    return judgeGate(to, prepared);
  }

  #newEntry(move: Move, context: CallContext, gate: GateResult, startedAtMs: number) {
    const { clock, bootId } = this.#parts;
    const { idempotencyKey, bodyDigest, actor } = context;
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
      clock: { boot_id: bootId, monotonic_ms: Math.round(clock.nowMs()) },
      idempotency:
        idempotencyKey === null ? null : { key_sha256: keyDigest(idempotencyKey), body_sha256: bodyDigest },
    };
  }

  /** The entry is durable: from here on there is no way back but another switch. */
  #adopt(entry: HistoryEntry): void {
    this.#last = entry;
    this.#source = "version_file";
    this.#cooldown.start();
    this.#snapshot = Object.freeze({ activeVersion: entry.to, epoch: entry.epoch });
  }

  #startDrain({ from, to }: Move): void {
    const nowMs = this.#parts.clock.nowMs();
    const deadlineAtMs = nowMs + this.#parts.config.switch.drain.deadlineMs;
    this.#drains.set(from, { version: from, startedAtMs: nowMs, deadlineAtMs });
    this.#drains.delete(to);
  }

  #rollbackTarget() {
    return rollbackTarget(this.#last, this.#snapshot.activeVersion, this.#origins);
  }

  #refuseWhenClosed(): void {
    if (this.#isClosed) throw new SwitchRefusal("NOT_READY", "the daemon is ending; nothing changed");
  }

  #backendOf(version: Version): string | null {
    return this.#origins.get(version) ?? null;
  }

  /** The answers that an earlier life of this daemon gave to calls with a key. */
  #rememberKeys(entries: readonly HistoryEntry[]): void {
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

  #logFailure(error: unknown, fields: object): void {
    const { log } = this.#parts;
    if (!(error instanceof ProxyError)) log.error({ ...fields, err: error }, "switch failed");
    else if (error instanceof SwitchRefusal) {
      log.warn({ ...fields, code: error.code, detail: error.message }, "switch refused");
    } else log.error({ ...fields, code: error.code, detail: error.message }, "switch failed");
  }
}
