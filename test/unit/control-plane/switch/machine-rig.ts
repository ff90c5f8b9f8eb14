/** The machine of the switch with nothing around it: events in, effects out, time by hand. */
import { versionOfOne } from "../../../../src/config/pool-config.ts";
import type { Config } from "../../../../src/config/schema.ts";
import { SwitchMachine } from "../../../../src/control-plane/switch/machine.ts";
import type { RecoveredState, SwitchEntry } from "../../../../src/control-plane/switch/state-store.ts";
import type { PauseAnswer, SwitchAnswer } from "../../../../src/control-plane/switch/switch-answer.ts";
import type { RollbackCall, SwitchCall } from "../../../../src/control-plane/switch/switch-call.ts";
import type {
  CallContext,
  Order,
  SwitchEffect,
  SwitchEvent,
} from "../../../../src/control-plane/switch/switch-event.ts";
import { ProxyError } from "../../../../src/core/errors.ts";
import type { PrepareReport, SwitchOrder } from "../../../../src/ipc/messages.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

export const PREPARE_MS = 10_000;
export const PERSIST_MS = 5_000;
export const COMMIT_MS = 2_000;

const backends = { asked: 1, needed: 1 };
export const GOOD: PrepareReport = {
  passed: true,
  probes: [],
  warm: 1,
  backends: { ...backends, good: ["http://v2"], bad: [] },
};
export const BAD: PrepareReport = {
  passed: false,
  probes: [],
  warm: 0,
  backends: { ...backends, good: [], bad: ["http://v2"] },
};

export function machineConfig(minIntervalMs = 0): Pick<Config, "activeVersion" | "backends" | "switch"> {
  const limits = {
    minIntervalMs,
    prepareTimeoutMs: PREPARE_MS,
    persistTimeoutMs: PERSIST_MS,
    commitTimeoutMs: COMMIT_MS,
    drain: { deadlineMs: 30_000, websocketWindowMs: 10_000 },
  };
  return {
    activeVersion: "v1",
    backends: ["v1", "v2", "v3"].map((version) => versionOfOne(version, `http://${version}`)),
    switch: limits as unknown as Config["switch"],
  };
}

export const FRESH: RecoveredState = { version: null, epoch: 0, source: "config", damaged: [], entries: [] };

export function switchOrder(
  version: string,
  { context, ...call }: Partial<SwitchCall> & { context?: Partial<CallContext> } = {},
): Order {
  return {
    kind: "switch",
    call: { version, force: false, dryRun: false, reason: null, expect: null, waitMs: 0, holdMs: 0, ...call },
    context: { actor: "loopback", idempotencyKey: null, bodyDigest: "body", ...context },
  };
}

export function rollbackOrder(call: Partial<RollbackCall> = {}): Order {
  return {
    kind: "rollback",
    call: { reason: null, force: false, expect: null, holdMs: 0, ...call },
    context: { actor: "loopback", idempotencyKey: null, bodyDigest: "rollback" },
  };
}

export class MachineRig {
  readonly clock = new ManualClock();
  readonly machine: SwitchMachine;
  /** By call, every answer that it got. */
  readonly answers = new Map<number, (SwitchAnswer | PauseAnswer | ProxyError)[]>();
  readonly effects: SwitchEffect[] = [];
  #lastCall = 0;

  /** @param pids of workers that listen from the start. */
  constructor({
    pids = [1, 2],
    minIntervalMs = 0,
  }: { pids?: readonly number[]; minIntervalMs?: number } = {}) {
    const config = machineConfig(minIntervalMs);
    this.machine = new SwitchMachine({ config, recovered: FRESH, clock: this.clock, bootId: "boot" });
    for (const pid of pids) {
      this.tell({ type: "worker-joined", pid, worker: pid });
      this.tell({ type: "worker-listening", pid });
    }
  }

  /** @returns what came of this event alone. */
  tell(event: SwitchEvent): readonly SwitchEffect[] {
    const effects = this.machine.handle(event);
    for (const effect of effects) {
      if (effect.type === "answer") this.#note(effect.call, effect.answer);
      if (effect.type === "refuse") this.#note(effect.call, effect.error as ProxyError);
    }
    this.effects.push(...effects);
    return effects;
  }

  /** @returns its number. */
  call(order: Order): number {
    this.#lastCall++;
    this.tell({ type: "call", call: this.#lastCall, order });
    return this.#lastCall;
  }

  /** Time passes until the machine wants to be told of it. */
  passTime(): readonly SwitchEffect[] {
    this.clock.advance(Math.max(0, this.machine.wakeAtMs - this.clock.nowMs()));
    return this.tell({ type: "time" });
  }

  /** Every worker of `pids` passes the gate that is open. */
  prepare(pids: readonly number[], report: PrepareReport = GOOD): void {
    const { gate } = this.lastOrder("prepare");
    for (const pid of pids) this.tell({ type: "prepared", pid, gate, report });
  }

  /** What is being persisted is durable. */
  persist(): readonly SwitchEffect[] {
    const wanted = this.effects.findLast(({ type }) => type === "persist");
    if (wanted?.type !== "persist") throw new Error("nothing is being persisted");
    const entry: SwitchEntry = { ...wanted.entry, prev: "", hash: String(wanted.entry.epoch) };
    return this.tell({ type: "persisted", entry });
  }

  /** Every worker of `pids` does what it was told last. */
  hold(pids: readonly number[]): void {
    const { hold } = this.lastOrder("hold");
    for (const pid of pids) this.tell({ type: "held", pid, hold });
  }

  apply(pids: readonly number[]): void {
    const { epoch } = this.lastOrder("apply-snapshot").snapshot;
    for (const pid of pids) this.tell({ type: "applied", pid, epoch });
  }

  lastOrder<Type extends SwitchOrder["type"]>(type: Type): SwitchOrder & { type: Type } {
    const told = this.effects.findLast((effect) => effect.type === "tell" && effect.order.type === type);
    if (told?.type !== "tell") throw new Error(`nobody was told to ${type}`);
    return told.order as SwitchOrder & { type: Type };
  }

  /** `200` and its body's message, or the code of the refusal; undefined while it waits. */
  outcome(call: number): string | undefined {
    const [first, second] = this.answers.get(call) ?? [];
    if (second !== undefined) return "answered twice";
    if (first === undefined) return undefined;
    return first instanceof ProxyError ? first.code : first.message;
  }

  #note(call: number, answer: SwitchAnswer | PauseAnswer | ProxyError): void {
    this.answers.set(call, [...(this.answers.get(call) ?? []), answer]);
  }
}

/** Process ids that were told something of this type. */
export function toldTo(effects: readonly SwitchEffect[], type: SwitchOrder["type"]): readonly number[] {
  return effects.flatMap((effect) =>
    effect.type === "tell" && effect.order.type === type ? [effect.pid] : [],
  );
}

export function killed(effects: readonly SwitchEffect[]): readonly number[] {
  return effects.flatMap((effect) => (effect.type === "kill" ? [effect.pid] : []));
}
