/**
 * Switcher: carries out what the machine of the switch (machine.ts) says, and tells it what came of it.
 *
 * Runs in the primary. Owns the one timer and the promises of the callers; decides nothing. Time, files and workers
 * are handed in; who may call is judged before. A caller that leaves stops nothing.
 */
import type { Config } from "../../config/schema.ts";
import type { Snapshot } from "../../config/snapshot.ts";
import type { Clock } from "../../core/clock.ts";
import { ProxyError } from "../../core/errors.ts";
import { type After, afterInBackground } from "../../core/timers.ts";
import type { Version } from "../../core/version.ts";
import type { Birth, Fleet, WorkerReport } from "../workers/fleet.ts";
import { type Drain, type SwitcherStatus as MachineStatus, SwitchMachine } from "./machine.ts";
import type { RecoveredState, StateStore } from "./state-store.ts";
import type { PauseAnswer, SwitchAnswer } from "./switch-answer.ts";
import type { PauseCall, RollbackCall, SwitchCall } from "./switch-call.ts";
import type { CallContext, Order, SwitchEffect, SwitchEnd, SwitchEvent } from "./switch-event.ts";
import type { SwitchLog } from "./switch-log.ts";
import { SwitchRefusal } from "./switch-refusal.ts";

export type { CallContext, Drain };

export interface SwitcherStatus extends Omit<MachineStatus, "source"> {
  readonly state: { readonly source: RecoveredState["source"]; readonly damaged: readonly string[] };
}

/** Whoever wants to know, at once and in order. None of it may throw. */
export interface SwitchObserver {
  switchEnded(end: SwitchEnd): void;
  /** A phase has begun, somebody has paused or resumed; see switch-event.ts. */
  changed(change: SwitchEffect & { readonly type: "phase" | "paused" | "resumed" }): void;
}

export interface SwitcherParts {
  readonly config: Pick<Config, "activeVersion" | "backends" | "switch">;
  readonly fleet: Pick<Fleet, "tell" | "kill">;
  readonly store: Pick<StateStore, "append" | "damaged">;
  readonly recovered: RecoveredState;
  readonly clock: Clock;
  readonly after?: After;
  readonly bootId: string;
  readonly describe?: (version: Version) => string;
  readonly log: SwitchLog;
  readonly observe: SwitchObserver;
}

interface Caller {
  answer(answer: SwitchAnswer | PauseAnswer): void;
  refuse(error: unknown): void;
}

/** What setTimeout can wait; the machine is asked again then. */
const LONGEST_WAIT_MS = 60_000;

export class Switcher {
  readonly #parts: SwitcherParts;
  readonly #machine: SwitchMachine;
  readonly #callers = new Map<number, Caller>();
  readonly #waiting: SwitchEvent[] = [];
  readonly #after: After;
  #isFeeding = false;
  #lastCall = 0;
  #stopTimer = (): void => {};
  /** What the timer is set for; Infinity: for nothing. */
  #timerForMs = Number.POSITIVE_INFINITY;
  #abandon = new AbortController();
  #whenIdle: (() => void)[] = [];

  constructor(parts: SwitcherParts) {
    this.#parts = parts;
    this.#after = parts.after ?? afterMessages;
    this.#machine = new SwitchMachine(parts);
  }

  /** @throws SwitchRefusal or ProxyError with a code of the admin API; nothing has changed then. */
  switchTo(call: SwitchCall, context: CallContext): Promise<SwitchAnswer> {
    return this.#call({ kind: "switch", call, context });
  }

  /** Back to the version that the last switch left. @throws like `switchTo` */
  rollback(call: RollbackCall, context: CallContext): Promise<SwitchAnswer> {
    return this.#call({ kind: "rollback", call, context });
  }

  /** Whether `version` lives: every worker probes it once. Answered like a dry run. */
  probe(version: Version): Promise<SwitchAnswer> {
    return this.#call({ kind: "probe", version });
  }

  /** The daemon leaves a dead version by itself. @throws like `switchTo` */
  failOver(to: Version, reason: string): Promise<SwitchAnswer> {
    return this.#call({ kind: "fail-over", to, reason });
  }

  /** All new requests wait, bounded. @throws like `switchTo` */
  pause(call: PauseCall, actor: string): Promise<PauseAnswer> {
    return this.#call({ kind: "pause", call, actor });
  }

  resume(actor: string): Promise<PauseAnswer> {
    return this.#call({ kind: "resume", actor });
  }

  snapshot(): Snapshot {
    return this.#machine.snapshot;
  }

  status(): SwitcherStatus {
    const { source, ...status } = this.#machine.status;
    return { ...status, state: { source, damaged: this.#parts.store.damaged } };
  }

  /** A worker is there and is given this now. */
  workerBorn(pid: number, worker: number): Birth {
    const { birth } = this.#machine;
    this.#feed({ type: "worker-joined", pid, worker });
    return birth;
  }

  /** Something that a worker says or that becomes of it. */
  onWorker(report: WorkerReport): void {
    this.#feed(report);
  }

  /** The daemon ends: takes no further call. Resolves when the switch that runs, if any, has ended. */
  async close(): Promise<void> {
    this.#feed({ type: "close" });
    if (this.#machine.status.phase === "idle") return;
    await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  #call<Answer extends SwitchAnswer | PauseAnswer>(order: Order): Promise<Answer> {
    this.#lastCall++;
    const call = this.#lastCall;
    return new Promise((resolve, reject) => {
      // An order of one kind is answered with the answers of its kind.
      this.#callers.set(call, { answer: (answer) => resolve(answer as Answer), refuse: reject });
      this.#feed({ type: "call", call, order });
    });
  }

  /** One event after the other, whatever its effects bring about. */
  #feed(event: SwitchEvent): void {
    this.#waiting.push(event);
    if (this.#isFeeding) return;
    this.#isFeeding = true;
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
        for (const effect of this.#machine.handle(next)) this.#tryToCarryOut(effect);
      }
    } finally {
      this.#isFeeding = false;
    }
    this.#armTimer();
    if (this.#machine.status.phase === "idle") for (const done of this.#whenIdle.splice(0)) done();
  }

  /** What fails is one order or one report; the callers are still to be answered. */
  #tryToCarryOut(effect: SwitchEffect): void {
    try {
      this.#carryOut(effect);
    } catch (error) {
      this.#parts.log.error({ effect: effect.type, err: error }, "a step of the switch failed; it goes on");
    }
  }

  #carryOut(effect: SwitchEffect): void {
    const { fleet, observe } = this.#parts;
    switch (effect.type) {
      case "tell":
        return fleet.tell(effect.pid, effect.order);
      case "kill":
        return fleet.kill(effect.pid, effect.phase);
      case "persist":
        return this.#persist(effect);
      case "abandon-persist":
        return this.#abandon.abort();
      case "answer":
        this.#callers.get(effect.call)?.answer(effect.answer);
        this.#callers.delete(effect.call);
        return;
      case "refuse":
        this.#callers.get(effect.call)?.refuse(effect.error);
        this.#callers.delete(effect.call);
        return;
      case "ended":
        this.#log(effect.end);
        return observe.switchEnded(effect.end);
      case "paused":
        this.#parts.log.info({ reason: effect.reason, actor: effect.actor }, "paused: new requests wait");
        return observe.changed(effect);
      case "resumed":
        this.#parts.log.info({ actor: effect.actor }, "resumed");
        return observe.changed(effect);
      case "phase":
        return observe.changed(effect);
    }
  }

  #persist({ entry }: SwitchEffect & { type: "persist" }): void {
    this.#abandon = new AbortController();
    void this.#parts.store.append(entry, this.#abandon.signal).then(
      (sealed) => this.#feed({ type: "persisted", entry: sealed }),
      (error: unknown) => this.#feed({ type: "persist-failed", error }),
    );
  }

  /** One that is set for the right time is left alone: calls that keep coming would put it off for ever. */
  #armTimer(): void {
    const { wakeAtMs } = this.#machine;
    if (wakeAtMs === this.#timerForMs) return;
    this.#stopTimer();
    this.#stopTimer = () => {};
    this.#timerForMs = wakeAtMs;
    if (wakeAtMs === Number.POSITIVE_INFINITY) return;
    const leftMs = wakeAtMs - this.#parts.clock.nowMs();
    const waitMs = Math.min(Math.max(1, Math.ceil(leftMs)), LONGEST_WAIT_MS);
    this.#stopTimer = this.#after(waitMs, () => {
      this.#timerForMs = Number.POSITIVE_INFINITY;
      this.#feed({ type: "time" });
    });
  }

  #log({ from, to, trigger, forced, actor, reason, epoch, outcome, error }: SwitchEnd): void {
    const { log } = this.#parts;
    const fields = { from, to, trigger, forced, actor };
    if (outcome === "done") log.info({ ...fields, epoch, reason }, "switched");
    else if (!(error instanceof ProxyError)) log.error({ ...fields, err: error }, "switch failed");
    else if (error instanceof SwitchRefusal) {
      log.warn({ ...fields, code: error.code, detail: error.message }, "switch refused");
    } else log.error({ ...fields, code: error.code, detail: error.message }, "switch failed");
  }
}

/**
 * After the time, and after what the workers have said by then: a primary that stood still would else take those for
 * silent whose answers it has not read yet. Messages are read between a timer and the setImmediate after it.
 */
function afterMessages(ms: number, run: () => void): () => void {
  let isOff = false;
  const runUnlessOff = (): void => {
    if (!isOff) run();
  };
  const callOff = afterInBackground(ms, () => setImmediate(() => setImmediate(runUnlessOff)));
  return () => {
    isOff = true;
    callOff();
  };
}
