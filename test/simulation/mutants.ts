/** Mutants of the switch that the simulation must find out, naming the promise that each breaks. */
import type { Mutant } from "../support/mutated-tree.ts";
import { INVARIANTS } from "./truth.ts";

const SWITCH = "control-plane/switch";
export const MUTANTS: readonly Mutant[] = [
  {
    breaks: INVARIANTS.allOrNone,
    how: "one worker that passes the gate is enough",
    file: `${SWITCH}/gate`,
    from: "if (workers.every(({ passed }) => passed))",
    to: "if (workers.some(({ passed }) => passed))",
  },
  {
    breaks: INVARIANTS.allOrNone,
    how: "workers are told before the disk has it",
    file: `${SWITCH}/machine`,
    from: 'return this.#stage.emit({ type: "persist", entry });',
    to: `const snapshot = { activeVersion: run.move.to, epoch: this.#snapshot.epoch + 1 };
         const order = { type: "apply-snapshot", snapshot, drain: this.#stage.limits.drain, release: null };
         this.#stage.tell(this.#stage.workers.keys(), order);
         return this.#stage.emit({ type: "persist", entry });`,
  },
  {
    breaks: INVARIANTS.allOrNone,
    how: "a daemon that is told to end does not wait for its switch",
    file: `${SWITCH}/switcher`,
    from: "this.#whenIdle.push(resolve)",
    to: "resolve()",
  },
  {
    breaks: INVARIANTS.afterAnswer,
    how: "the answer does not wait for every acknowledgement",
    file: `${SWITCH}/switch-run`,
    from: "if (this.#acks?.isComplete !== true)",
    to: 'if (this.#phase !== "commit" && this.#acks?.isComplete !== true)',
  },
  {
    breaks: INVARIANTS.noLoss,
    how: "a worker that is merely not done yet is killed",
    file: `${SWITCH}/switch-run`,
    from: "this.#ask(this.#stage.limits.commitTimeoutMs);",
    to: "this.#ask(0);",
  },
  {
    breaks: INVARIANTS.noLoss,
    how: "time is looked at before what has come in time is read",
    file: `${SWITCH}/machine`,
    from: "return this.#stage.takeEffects();",
    to: "this.#passTime(); return this.#stage.takeEffects();",
  },
  {
    breaks: INVARIANTS.noLoss,
    how: "a version that is switched back to is still drained",
    file: "data-plane/switch-orders",
    from: "drains.cancel(serving.current.active);",
    to: "",
  },
  {
    breaks: INVARIANTS.recovery,
    how: "the entry is not synced",
    file: `${SWITCH}/history-file`,
    from: "await handle.sync();",
    to: "",
    places: 3,
  },
  {
    breaks: INVARIANTS.coolDown,
    how: "after a restart it is measured by the wall clock",
    file: `${SWITCH}/cooldown`,
    from: "entry.clock.boot_id === bootId && bootId !== UNKNOWN_BOOT",
    to: "false",
  },
  {
    breaks: INVARIANTS.coolDown,
    how: "it refuses rollbacks",
    file: `${SWITCH}/machine`,
    from: 'if (remainingMs > 0 && !move.force && move.trigger === "switch")',
    to: "if (remainingMs > 0 && !move.force)",
  },
  {
    breaks: INVARIANTS.idempotency,
    how: "keys do not outlive a restart",
    file: `${SWITCH}/machine`,
    from: "this.#rememberKeys(recovered.entries);",
    to: "",
  },
  {
    breaks: INVARIANTS.idempotency,
    how: "an expectation is not looked at",
    file: `${SWITCH}/move`,
    from: "if (isMet)",
    to: "if (true)",
  },
  {
    breaks: INVARIANTS.history,
    how: "a write that failed is not taken back",
    file: `${SWITCH}/state-writer`,
    from: "this.#undo = () => this.#takeBack(task);",
    to: "this.#undo = async () => {};",
  },
  {
    breaks: INVARIANTS.history,
    how: "entries are not tied to the one before",
    file: `${SWITCH}/history-entry`,
    from: 'prev: previous?.hash ?? ""',
    to: 'prev: ""',
  },
  {
    breaks: INVARIANTS.history,
    how: "a changed line is not looked for",
    file: `${SWITCH}/history-entry`,
    from: "if (hashOf(rest) !== hash)",
    to: "if (hash === rest)",
  },
  {
    breaks: INVARIANTS.hold,
    how: "the commit does not wait until every worker holds",
    file: `${SWITCH}/switch-run`,
    from: "if (this.#acks?.isComplete !== true)",
    to: 'if (this.#phase !== "hold" && this.#acks?.isComplete !== true)',
  },
  {
    breaks: INVARIANTS.hold,
    how: "a worker whose hold runs out goes back to the old version",
    file: "data-plane/switch-orders",
    from: "hold.begin(order.hold, order.holdMs, () => this.#takeUp(order.next));",
    to: "hold.begin(order.hold, order.holdMs);",
  },
  {
    breaks: INVARIANTS.changes,
    how: "a change of backends is answered before it is written",
    file: "control-plane/pools/backend-desk",
    from: "await this.#write(this.#entry(call, actor, step.inForce), after);",
    to: "void this.#write(this.#entry(call, actor, step.inForce), after).catch(() => {});",
  },
  {
    breaks: INVARIANTS.changes,
    how: "a change that failed half way is not taken back",
    file: `${SWITCH}/backends-writer`,
    from: "if (!(await saysBefore()))",
    to: "if (false)",
  },
  {
    breaks: INVARIANTS.changes,
    how: "a switch does not wait for the change that is being written",
    file: "control-plane/pools/backend-desk",
    from: "await this.#last;",
    to: "",
  },
  {
    breaks: INVARIANTS.changes,
    how: "a change comes between the one that a switch waited for and the switch",
    file: "control-plane/pools/backend-desk",
    from: "await this.#last;",
    to: "await this.#last.then(() => this.#switchesWaiting--).then(() => this.#switchesWaiting++);",
  },
];
