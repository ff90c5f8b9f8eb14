/**
 * Every schedule of a small world: two workers, a disk, an operator with a few calls, one death and one close, in any
 * order, with time passing at any point. Depth first; a state that was seen before is not looked into again.
 *
 * Holds against each state what no schedule may break: a call is answered once, what it is told is true of every
 * worker, nobody is killed who had no time, and in the end the machine is idle and nothing is held.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Order, SwitchEffect } from "../../../../src/control-plane/switch/switch-event.ts";
import { ProxyError } from "../../../../src/core/errors.ts";
import type { SwitchOrder } from "../../../../src/ipc/messages.ts";
import { BAD, GOOD, MachineRig, rollbackOrder, switchOrder } from "./machine-rig.ts";

interface SimpleWorker {
  readonly slot: number;
  /** Told, and not obeyed yet, with the moment it was told. */
  readonly inbox: { readonly order: SwitchOrder; readonly toldAtMs: number }[];
  epoch: number;
  version: string;
  /** By number, when it ends, and what is in force then. */
  readonly holds: Map<number, number>;
  isListening: boolean;
}

interface Plan {
  readonly calls: readonly Order[];
  readonly deaths: number;
  readonly closes: number;
  readonly failures: number;
}

/** A worker may be killed for silence only after this. */
const LEAST_MS = 500;
/** No schedule of a few calls is longer. */
const MOST_STEPS = 80;

class Small {
  readonly rig = new MachineRig({ pids: [] });
  readonly workers = new Map<number, SimpleWorker>();
  readonly #plan: Plan;
  #callsMade = 0;
  #deaths = 0;
  #closes = 0;
  #failures = 0;
  #lastPid = 0;
  #isPersisting = false;
  #epochPersisted = 0;

  constructor(plan: Plan) {
    this.#plan = plan;
    for (const slot of [1, 2]) {
      this.#birth(slot);
      this.#listen(slot);
    }
  }

  /** What may happen now, by name. */
  get steps(): Map<string, () => void> {
    const steps = new Map<string, () => void>();
    const { calls, deaths, closes, failures } = this.#plan;
    const order = calls[this.#callsMade];
    if (order !== undefined) steps.set("call", () => this.#call(order));
    for (const [pid, worker] of this.workers) {
      if (worker.inbox.length > 0) steps.set(`obey ${pid}`, () => this.#obey(pid, worker, true));
      if (worker.inbox[0]?.order.type === "prepare" && this.#failures < failures) {
        steps.set(`fail ${pid}`, () => this.#obey(pid, worker, false));
      }
      if (!worker.isListening) steps.set(`listen ${pid}`, () => this.#listen(pid));
      if (this.#deaths < deaths && this.#callsMade > 0) steps.set(`die ${pid}`, () => this.#die(pid));
    }
    for (const slot of [1, 2]) {
      const isThere = [...this.workers.values()].some((worker) => worker.slot === slot);
      if (!isThere) steps.set(`birth ${slot}`, () => this.#birth(slot));
    }
    if (this.#isPersisting) {
      steps.set("persisted", () => this.#persisted());
      if (this.#failures < failures) steps.set("persist fails", () => this.#persistFails());
    }
    if (this.#closes < closes && this.#callsMade > 0) steps.set("close", () => this.#close());
    if (Number.isFinite(this.rig.machine.wakeAtMs)) steps.set("time", () => this.#time());
    return steps;
  }

  /** All that decides what can come of it. */
  get state(): string {
    const { machine, clock, answers } = this.rig;
    const nowMs = clock.nowMs();
    const { phase, activeVersion, epoch, rollbackTo, pause } = machine.status;
    const workers = [...this.workers].map(([pid, { inbox, holds, ...rest }]) => [
      pid,
      { ...rest, inbox: inbox.map(({ order, toldAtMs }) => [order, nowMs - toldAtMs]) },
      [...holds].map(([hold, endsAtMs]) => [hold, endsAtMs - nowMs]),
    ]);
    const outcomes = [...answers.keys()].map((call) => [call, this.rig.outcome(call)]);
    const budget = [this.#callsMade, this.#deaths, this.#closes, this.#failures, this.#isPersisting];
    const own = [phase, activeVersion, epoch, rollbackTo, pause === null ? null : pause.endsAtMs - nowMs];
    return JSON.stringify([own, machine.wakeAtMs - nowMs, machine.birth.holds, workers, outcomes, budget]);
  }

  lookAtTheEnd(): void {
    const { machine, answers } = this.rig;
    assert.equal(machine.status.phase, "idle");
    assert.equal(machine.wakeAtMs, Number.POSITIVE_INFINITY);
    assert.deepEqual(machine.birth.holds, []);
    for (let call = 1; call <= this.#callsMade; call++)
      assert.equal(answers.get(call)?.length, 1, `call ${call}`);
    for (const { epoch, version, holds } of this.workers.values()) {
      assert.deepEqual([epoch, version], [machine.snapshot.epoch, machine.snapshot.activeVersion]);
      assert.deepEqual([...holds.keys()], []);
    }
  }

  // ── what happens ────────────────────────────────────────────────────────────────────────────────

  #call(order: Order): void {
    this.#callsMade++;
    this.#carryOut(this.rig.tell({ type: "call", call: this.#callsMade, order }));
  }

  #birth(slot: number): void {
    this.#lastPid++;
    const { snapshot, holds } = this.rig.machine.birth;
    const nowMs = this.rig.clock.nowMs();
    this.workers.set(this.#lastPid, {
      slot,
      inbox: [],
      epoch: snapshot.epoch,
      version: snapshot.activeVersion,
      holds: new Map(holds.map(({ hold, holdMs }) => [hold, nowMs + holdMs])),
      isListening: false,
    });
    this.#carryOut(this.rig.tell({ type: "worker-joined", pid: this.#lastPid, worker: slot }));
  }

  #listen(pid: number): void {
    const worker = this.workers.get(pid);
    if (worker !== undefined) worker.isListening = true;
    this.#carryOut(this.rig.tell({ type: "worker-listening", pid }));
  }

  #die(pid: number): void {
    this.#deaths++;
    this.#end(pid);
  }

  #end(pid: number): void {
    this.workers.delete(pid);
    this.#carryOut(this.rig.tell({ type: "worker-gone", pid }));
  }

  #obey(pid: number, worker: SimpleWorker, isGood: boolean): void {
    const order = worker.inbox.shift()?.order;
    if (order?.type === "prepare") {
      const report = isGood ? GOOD : BAD;
      this.#carryOut(this.rig.tell({ type: "prepared", pid, gate: order.gate, report }));
    } else if (order?.type === "hold") {
      worker.holds.set(order.hold, this.rig.clock.nowMs() + order.holdMs);
      this.#carryOut(this.rig.tell({ type: "held", pid, hold: order.hold }));
    } else if (order?.type === "release") worker.holds.delete(order.hold);
    else if (order?.type === "apply-snapshot") {
      worker.epoch = order.snapshot.epoch;
      worker.version = order.snapshot.activeVersion;
      if (order.release !== null) worker.holds.delete(order.release);
      this.#carryOut(this.rig.tell({ type: "applied", pid, epoch: worker.epoch }));
    }
  }

  #persisted(): void {
    this.#isPersisting = false;
    this.#epochPersisted++;
    this.#carryOut(this.rig.persist());
  }

  #persistFails(): void {
    this.#failures++;
    this.#giveUp();
  }

  #giveUp(): void {
    this.#isPersisting = false;
    const error = new ProxyError("STATE_WRITE_FAILED", "EIO");
    this.#carryOut(this.rig.tell({ type: "persist-failed", error }));
  }

  #close(): void {
    this.#closes++;
    this.#carryOut(this.rig.tell({ type: "close" }));
  }

  #time(): void {
    const effects = this.rig.passTime();
    for (const { holds } of this.workers.values()) {
      for (const [hold, endsAtMs] of holds) if (endsAtMs <= this.rig.clock.nowMs()) holds.delete(hold);
    }
    this.#carryOut(effects);
  }

  // ── what is done, and whether it may be ─────────────────────────────────────────────────────────

  #carryOut(effects: readonly SwitchEffect[]): void {
    const killed: number[] = [];
    let isGivenUp = false;
    for (const effect of effects) {
      if (effect.type === "tell") this.#tell(effect.pid, effect.order);
      else if (effect.type === "kill") killed.push(effect.pid);
      else if (effect.type === "persist") {
        assert.equal(this.#isPersisting, false, "two writes at once");
        assert.equal(effect.entry.epoch, this.#epochPersisted + 1, "an epoch is skipped");
        this.#isPersisting = true;
      } else if (effect.type === "abandon-persist") isGivenUp = true;
      else if (effect.type === "answer") this.#lookAtAnswer(effect);
    }
    for (const answers of this.rig.answers.values()) assert.equal(answers.length, 1, "answered twice");
    if (isGivenUp) this.#giveUp();
    for (const pid of killed) this.#kill(pid);
  }

  #tell(pid: number, order: SwitchOrder): void {
    const worker = this.workers.get(pid);
    assert.ok(worker !== undefined, `worker ${pid} is not there and is told to ${order.type}`);
    worker.inbox.push({ order, toldAtMs: this.rig.clock.nowMs() });
  }

  #kill(pid: number): void {
    const worker = this.workers.get(pid);
    assert.ok(worker !== undefined, `worker ${pid} is killed twice`);
    const owed = worker.inbox.filter(({ order }) => order.type === "hold" || order.type === "apply-snapshot");
    const [first] = owed;
    assert.ok(first !== undefined, `worker ${pid} is killed and has done all it was told`);
    assert.ok(this.rig.clock.nowMs() - first.toldAtMs >= LEAST_MS, `worker ${pid} had no time`);
    this.#end(pid);
  }

  /** A 200 is true of every worker that is there. */
  #lookAtAnswer({ answer }: SwitchEffect & { type: "answer" }): void {
    if ("paused_until" in answer) {
      if (answer.paused_until === null) return;
      for (const [pid, { holds }] of this.workers)
        assert.ok(holds.size > 0, `paused, but worker ${pid} is not`);
      return;
    }
    if ("dry_run" in answer && answer.dry_run === true) return;
    const { version, epoch } = answer as { version: string; epoch: number };
    for (const [pid, worker] of this.workers) {
      const seen = `worker ${pid} serves ${worker.version} at ${worker.epoch}, told was ${answer.message}`;
      assert.ok(worker.version === version && worker.epoch >= epoch, seen);
    }
  }
}

/** @returns how many different states there are. */
function explore(plan: Plan): number {
  const seen = new Set<string>();
  const paths: string[][] = [[]];
  for (let path = paths.pop(); path !== undefined; path = paths.pop()) {
    try {
      const small = new Small(plan);
      for (const name of path) small.steps.get(name)?.();
      const { state } = small;
      if (seen.has(state)) continue;
      seen.add(state);
      assert.ok(path.length < MOST_STEPS, "it never ends");
      const names = [...small.steps.keys()];
      if (names.length === 0) small.lookAtTheEnd();
      for (const name of names) paths.push([...path, name]);
    } catch (error) {
      throw new Error(`after ${path.join(", ")}`, { cause: error });
    }
  }
  return seen.size;
}

const key = { idempotencyKey: "k" };
const pause: Order = { kind: "pause", call: { forMs: 4_000, reason: null }, actor: "a" };
const resume: Order = { kind: "resume", actor: "a" };
const PLANS: Readonly<Record<string, Plan>> = {
  "a switch, the same again with its key, and to where it leads": {
    calls: [switchOrder("v2", { context: key }), switchOrder("v2", { context: key }), switchOrder("v2")],
    deaths: 1,
    closes: 0,
    failures: 0,
  },
  "a switch that is cut short": {
    calls: [switchOrder("v2", { context: key }), switchOrder("v2", { context: key })],
    deaths: 1,
    closes: 1,
    failures: 1,
  },
  "a switch that holds, and a rollback": {
    calls: [switchOrder("v2", { holdMs: 1_000 }), rollbackOrder()],
    deaths: 1,
    closes: 0,
    failures: 0,
  },
  "a pause, a switch in the middle of it, and its end": {
    calls: [pause, switchOrder("v2"), resume],
    deaths: 0,
    closes: 0,
    failures: 0,
  },
  "a dry run beside a forced switch": {
    calls: [switchOrder("v2", { dryRun: true }), switchOrder("v2", { force: true, reason: "now" })],
    deaths: 1,
    closes: 0,
    failures: 1,
  },
};

for (const [name, plan] of Object.entries(PLANS)) {
  test(`no schedule breaks ${name}`, (t) => {
    const states = explore(plan);
    t.diagnostic(`${states} states`);
    assert.ok(states > 500, `only ${states} states`);
  });
}
