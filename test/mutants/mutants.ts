/**
 * Mutants that integration tests over real processes must find out: for each the tests of one file that are run, the
 * last of which must fail. The others are there because that one goes on from where they end.
 */
import { INVARIANTS } from "../simulation/truth.ts";
import type { Mutant } from "../support/mutated-tree.ts";

export interface CaughtMutant extends Mutant {
  readonly by: {
    /** Under test/integration, without ".test" and its extension. */
    readonly file: string;
    readonly tests: readonly string[];
  };
}

const SWITCH = "control-plane/switch";
const A_RESTART = "a restart finds the switched version, whatever active_version says";

export const MUTANTS: readonly CaughtMutant[] = [
  {
    breaks: INVARIANTS.allOrNone,
    how: "one worker that passes the gate is enough",
    file: `${SWITCH}/gate`,
    from: "if (workers.every(({ passed }) => passed))",
    to: "if (workers.some(({ passed }) => passed))",
    by: {
      file: "switch/gate",
      tests: ["a target that proves itself to one worker only is refused for both"],
    },
  },
  {
    breaks: INVARIANTS.allOrNone,
    how: "one bad backend of a pool passes the gate",
    file: "data-plane/prepare-pool",
    from: "Math.ceil(Number((readyRatio * asked).toFixed(6)))",
    to: "Math.ceil(readyRatio * asked) - 1",
    by: {
      file: "switch/pool-gate",
      tests: ["a dead backend refuses a pool of which all must pass, in a real call and in a rehearsal"],
    },
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
    by: {
      file: "switch/state-folder",
      tests: ["a history that cannot be written refuses the switch and leaves no entry"],
    },
  },
  {
    breaks: INVARIANTS.afterAnswer,
    how: "the answer does not wait for every acknowledgement",
    file: `${SWITCH}/switch-run`,
    from: "if (this.#acks?.isComplete !== true)",
    to: 'if (this.#phase !== "commit" && this.#acks?.isComplete !== true)',
    by: { file: "switch/standing-still", tests: ["the answer waits until the last worker has changed over"] },
  },
  {
    breaks: INVARIANTS.afterAnswer,
    how: "a worker that replaces a dead one is given the version of the config",
    file: `${SWITCH}/machine`,
    from: "holds: [...this.#maintenance.holdsLeft, ...(hold === null ? [] : [hold])],",
    to: `holds: [], snapshot: { activeVersion: this.#parts.config.activeVersion, epoch: this.#snapshot.epoch },`,
    by: {
      file: "workers/crash",
      tests: ["a replacement serves the version that was switched to, not the one of the config"],
    },
  },
  {
    breaks: INVARIANTS.noLoss,
    how: "time is looked at before what has come in time is read",
    file: `${SWITCH}/switcher`,
    from: "setImmediate(() => setImmediate(runUnlessOff))",
    to: "runUnlessOff()",
    by: {
      file: "switch/standing-still",
      tests: ["a primary that stands still for longer than commit_timeout kills no worker that has answered"],
    },
  },
  {
    breaks: INVARIANTS.noLoss,
    how: "a worker that is merely not done yet is killed",
    file: `${SWITCH}/switch-run`,
    from: "this.#ask(this.#stage.limits.commitTimeoutMs);",
    to: "this.#ask(0);",
    by: { file: "switch/standing-still", tests: ["the answer waits until the last worker has changed over"] },
  },
  {
    breaks: INVARIANTS.noLoss,
    how: "what runs on the old version is cut at the switch",
    file: "data-plane/switch-orders",
    from: "drains.start(left, drain);",
    to: "left.requests.each((request) => request.cutForDrain());",
    by: {
      file: "switch/traffic",
      tests: ["a request in flight during a switch ends on the version it started on"],
    },
  },
  {
    breaks: INVARIANTS.recovery,
    how: "after a crash .version alone says what serves",
    file: `${SWITCH}/recovery`,
    from: "if (last !== null && last.to !== named && versions.has(last.to))",
    to: "if (named === null && last !== null && versions.has(last.to))",
    by: {
      file: "switch/state",
      tests: [
        A_RESTART,
        "a crash between the history's line and .version: the entry serves and .version is mended",
      ],
    },
  },
  {
    breaks: INVARIANTS.recovery,
    how: "half a line is left behind by a start",
    file: `${SWITCH}/history-file`,
    from: "await handle.truncate(cutAt);",
    to: "void cutAt;",
    by: {
      file: "switch/state",
      tests: [A_RESTART, "a history whose last line was torn by a crash is repaired, and stays one chain"],
    },
  },
  {
    breaks: INVARIANTS.coolDown,
    how: "after a restart it is measured by the wall clock",
    file: `${SWITCH}/cooldown`,
    from: "entry.clock.boot_id === bootId && bootId !== UNKNOWN_BOOT",
    to: "false",
    by: {
      file: "switch/cooldown",
      tests: ["the cool-down is not moved by a wall clock that is set, nor over a restart"],
    },
  },
  {
    breaks: INVARIANTS.coolDown,
    how: "it refuses rollbacks",
    file: `${SWITCH}/machine`,
    from: 'if (remainingMs > 0 && !move.force && move.trigger === "switch")',
    to: "if (remainingMs > 0 && !move.force)",
    by: {
      file: "switch/cooldown",
      tests: [
        "a second switch within min_interval is 429 with Retry-After, and /status counts the seconds",
        "a rollback is never refused by the cool-down, and starts one",
      ],
    },
  },
  {
    breaks: INVARIANTS.idempotency,
    how: "keys do not outlive a restart",
    file: `${SWITCH}/machine`,
    from: "this.#rememberKeys(recovered.entries);",
    to: "",
    by: {
      file: "switch/parallel-calls",
      tests: ["a key is remembered over a restart: the replay switches nothing"],
    },
  },
  {
    breaks: INVARIANTS.idempotency,
    how: "a call does not wait for the one that runs with its key",
    file: `${SWITCH}/idempotency-keys`,
    from: 'return { kind: "waits" };',
    to: 'return { kind: "first" };',
    by: {
      file: "switch/parallel-calls",
      tests: ["parallel calls with one key wait for the one that runs and get its answer"],
    },
  },
  {
    breaks: INVARIANTS.idempotency,
    how: "an expectation is not looked at",
    file: `${SWITCH}/move`,
    from: "if (isMet)",
    to: "if (true)",
    by: { file: "switch/calls", tests: ["a wrong expectation is 412, names what is, and changes nothing"] },
  },
  {
    breaks: INVARIANTS.history,
    how: "entries are not tied to the one before",
    file: `${SWITCH}/history-entry`,
    from: 'prev: previous?.hash ?? ""',
    to: 'prev: ""',
    by: { file: "switch/state", tests: [A_RESTART] },
  },
  {
    breaks: INVARIANTS.history,
    how: "a changed line is not looked for",
    file: `${SWITCH}/history-entry`,
    from: "if (hashOf(rest) !== hash)",
    to: "if (hash === rest)",
    by: {
      file: "switch/state",
      tests: [
        A_RESTART,
        "a changed line of the history is found and named; .version serves, and switching goes on",
      ],
    },
  },
  {
    breaks: INVARIANTS.hold,
    how: "the commit does not wait until every worker holds",
    file: `${SWITCH}/switch-run`,
    from: "if (this.#acks?.isComplete !== true)",
    to: 'if (this.#phase !== "hold" && this.#acks?.isComplete !== true)',
    by: {
      file: "switch/hold",
      tests: ["with hold no worker serves the new version before every worker holds"],
    },
  },
  {
    breaks: INVARIANTS.hold,
    how: "a worker whose hold runs out goes back to the old version",
    file: "data-plane/switch-orders",
    from: "hold.begin(order.hold, order.holdMs, () => this.#takeUp(order.next));",
    to: "hold.begin(order.hold, order.holdMs);",
    by: {
      file: "switch/standing-still",
      tests: [
        "a primary that stands still for longer than a hold: all go on to the new version, none back, none is killed",
      ],
    },
  },
  {
    breaks: INVARIANTS.changes,
    how: "a change of backends is answered before it is written",
    file: "control-plane/pools/backend-desk",
    from: "await this.#write(this.#entry(call, actor, step.inForce), after);",
    to: "void this.#write(this.#entry(call, actor, step.inForce), after).catch(() => {});",
    by: {
      file: "switch/backends-state",
      tests: [
        "a change of backends that the history cannot take is refused, over kill -9 too, and one that was answered is kept",
      ],
    },
  },
];
