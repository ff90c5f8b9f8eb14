/** The switcher as the machine's hands: its one timer, and effects that fail. Nothing behind it but stubs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Switcher, type SwitcherParts } from "../../../../src/control-plane/switch/switcher.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { FRESH, GOOD, machineConfig, switchOrder } from "./machine-rig.ts";

interface Timer {
  readonly ms: number;
  readonly done: () => void;
  isOff: boolean;
}

function start(change: Partial<SwitcherParts> = {}) {
  const timers: Timer[] = [];
  const logged: string[] = [];
  const note = (_fields: object, sentence: string): void => void logged.push(sentence);
  const clock = new ManualClock();
  const switcher = new Switcher({
    config: machineConfig(),
    fleet: { tell: () => {}, kill: () => {} },
    store: { append: () => new Promise(() => {}), damaged: [] },
    recovered: FRESH,
    clock,
    after: (ms, done) => {
      const timer = { ms, done, isOff: false };
      timers.push(timer);
      return () => {
        timer.isOff = true;
      };
    },
    bootId: "boot",
    log: { info: note, warn: note, error: note },
    observe: { switchEnded: () => {}, changed: () => {} },
    ...change,
  });
  switcher.workerBorn(1, 1);
  switcher.onWorker({ type: "worker-listening", pid: 1 });
  return { switcher, timers, logged, clock };
}

function call(switcher: Switcher, version: string): Promise<string> {
  const order = switchOrder(version);
  if (order.kind !== "switch") throw new Error("not a switch");
  const answered = switcher.switchTo(order.call, order.context);
  return answered
    .then(({ message }) => message)
    .catch((error: { code?: string }) => error.code ?? String(error));
}

test("calls that keep coming do not put off a time limit", async () => {
  const { switcher, timers, clock } = start();
  const first = call(switcher, "v2");
  const [timer] = timers;
  assert.ok(timer !== undefined && !timer.isOff);
  clock.advance(60_000);
  for (let i = 0; i < 100; i++) assert.equal(await call(switcher, "v3"), "SWITCH_IN_PROGRESS");
  assert.equal(timer.isOff, false, "a timer that is due is set anew by every call");
  assert.equal(timers.length, 1);
  timer.done();
  assert.equal(await first, "GATE_REFUSED");
  assert.equal(timers.filter(({ isOff }) => !isOff).length, 1, "nothing is waited for any more");
});

test("the timer is set anew when something earlier comes up, and called off when nothing is left", async () => {
  const { switcher, timers } = start();
  const first = call(switcher, "v2");
  const paused = switcher.pause({ forMs: 1_000, reason: null }, "loopback");
  assert.deepEqual(
    timers.map(({ isOff }) => isOff),
    [true, false],
  );
  switcher.onWorker({ type: "held", pid: 1, hold: 2 });
  await paused;
  await switcher.resume("loopback");
  switcher.onWorker({ type: "worker-gone", pid: 1 });
  assert.equal(await first, "GATE_REFUSED");
  assert.ok(timers.every(({ isOff }) => isOff));
});

test("an effect that fails is logged, and the machine goes on", async () => {
  let failures = 0;
  const fail = (): never => {
    failures++;
    throw new TypeError("broken");
  };
  const { switcher, logged } = start({
    fleet: { tell: fail, kill: () => {} },
    observe: { switchEnded: fail, changed: fail },
  });
  const first = call(switcher, "v2");
  assert.equal(await call(switcher, "v3"), "SWITCH_IN_PROGRESS");
  switcher.onWorker({ type: "prepared", pid: 1, gate: 1, report: { ...GOOD, passed: false } });
  assert.equal(await first, "GATE_REFUSED");
  assert.ok(failures >= 4);
  assert.equal(
    logged.filter((sentence) => sentence.startsWith("a step of the switch failed")).length,
    failures,
  );
});
