/** The machine alone: what each event brings about in each phase. switcher.test.ts has it with files and promises. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  BAD,
  COMMIT_MS,
  killed,
  MachineRig,
  PERSIST_MS,
  PREPARE_MS,
  rollbackOrder,
  switchOrder,
  toldTo,
} from "./machine-rig.ts";

const HOLD_MS = 2_000;

/** A switch to v2 that has come as far as `phase`. */
function runUntil(phase: "prepare" | "persist" | "hold" | "commit", rig = new MachineRig()) {
  const call = rig.call(switchOrder("v2", { holdMs: phase === "hold" ? HOLD_MS : 0 }));
  if (phase !== "prepare") rig.prepare([1, 2]);
  if (phase === "hold" || phase === "commit") rig.persist();
  assert.equal(rig.machine.status.phase, phase);
  return { rig, call };
}

describe("already active", () => {
  for (const phase of ["hold", "commit"] as const) {
    test(`is not told of a version before every worker serves it (${phase})`, () => {
      const { rig } = runUntil(phase);
      const early = rig.call(switchOrder("v2"));
      assert.equal(rig.outcome(early), "SWITCH_IN_PROGRESS");
      if (phase === "hold") rig.hold([1, 2]);
      rig.apply([1, 2]);
      assert.equal(rig.outcome(rig.call(switchOrder("v2"))), "v2 is already active");
    });
  }

  test("is told of the version that serves while another one is only being prepared", () => {
    const { rig } = runUntil("prepare");
    assert.equal(rig.outcome(rig.call(switchOrder("v1"))), "v1 is already active");
  });
});

describe("prepare", () => {
  test("a worker that dies refuses the switch, and the others are told to stop", () => {
    const { rig, call } = runUntil("prepare");
    const effects = rig.tell({ type: "worker-gone", pid: 1 });
    assert.deepEqual(toldTo(effects, "abort-prepare"), [2]);
    rig.prepare([2]);
    assert.equal(rig.outcome(call), "GATE_REFUSED");
    assert.equal(rig.machine.status.phase, "idle");
  });

  test("a worker that says nothing refuses it just before the time limit", () => {
    const { rig, call } = runUntil("prepare");
    rig.prepare([1]);
    const startMs = rig.clock.nowMs();
    assert.deepEqual(toldTo(rig.passTime(), "abort-prepare"), [2]);
    rig.passTime();
    assert.equal(rig.outcome(call), "GATE_REFUSED");
    const tookMs = rig.clock.nowMs() - startMs;
    assert.ok(
      tookMs < PREPARE_MS && tookMs >= PREPARE_MS - 50,
      `${tookMs} ms: the answer is to come in time`,
    );
    assert.equal(rig.machine.wakeAtMs, Number.POSITIVE_INFINITY);
  });

  test("a worker that is born meanwhile is not asked, and follows with the others", () => {
    const { rig } = runUntil("prepare");
    rig.tell({ type: "worker-joined", pid: 3, worker: 3 });
    rig.tell({ type: "worker-listening", pid: 3 });
    rig.prepare([1, 2]);
    assert.deepEqual(toldTo(rig.persist(), "apply-snapshot"), [1, 2, 3]);
  });

  test("without a worker that listens every kind of call is refused", () => {
    const rig = new MachineRig({ pids: [] });
    rig.tell({ type: "worker-joined", pid: 1, worker: 1 });
    for (const order of [switchOrder("v2"), switchOrder("v2", { force: true, reason: "now" })]) {
      assert.equal(rig.outcome(rig.call(order)), "NOT_READY");
      assert.equal(rig.machine.status.phase, "idle");
    }
    for (const force of [false, true]) {
      const call = rig.call(switchOrder("v2", { dryRun: true, force }));
      assert.match(rig.outcome(call) ?? "", /no worker is listening/);
    }
  });

  test("an answer to a gate that is over, or from a worker that was not asked, changes nothing", () => {
    const { rig, call } = runUntil("prepare");
    rig.tell({ type: "prepared", pid: 9, gate: 1, report: BAD });
    rig.tell({ type: "prepared", pid: 1, gate: 7, report: BAD });
    assert.equal(rig.machine.status.phase, "prepare");
    rig.prepare([1], BAD);
    rig.prepare([1, 2]);
    assert.equal(rig.outcome(call), "GATE_REFUSED");
  });
});

describe("persist", () => {
  test("a disk that does not answer is given up once, and the switch refused", () => {
    const { rig, call } = runUntil("persist");
    const startMs = rig.clock.nowMs();
    assert.deepEqual(rig.passTime(), [{ type: "abandon-persist" }]);
    assert.equal(rig.clock.nowMs() - startMs, PERSIST_MS);
    assert.deepEqual(rig.tell({ type: "time" }), []);
    rig.tell({ type: "persist-failed", error: new Error("EIO") });
    assert.equal(rig.answers.get(call)?.length, 1);
    assert.equal(rig.machine.status.phase, "idle");
    assert.equal(rig.machine.snapshot.epoch, 0);
  });

  test("a durable entry that came before the limit was looked at is a switch", () => {
    const { rig, call } = runUntil("persist");
    rig.clock.advance(PERSIST_MS * 2);
    rig.persist();
    assert.deepEqual(rig.tell({ type: "time" }), []);
    rig.apply([1, 2]);
    assert.equal(rig.outcome(call), "switched from v1 to v2");
  });

  test("with every worker gone meanwhile it is done at once, and who is born serves the new version", () => {
    const { rig, call } = runUntil("persist");
    for (const pid of [1, 2]) rig.tell({ type: "worker-gone", pid });
    rig.persist();
    assert.equal(rig.outcome(call), "switched from v1 to v2");
    assert.deepEqual(rig.machine.birth, { snapshot: { activeVersion: "v2", epoch: 1 }, holds: [] });
  });
});

describe("hold and commit", () => {
  for (const phase of ["hold", "commit"] as const) {
    test(`${phase}: who does not acknowledge is killed once, and the answer waits until it is gone`, () => {
      const { rig, call } = runUntil(phase);
      if (phase === "hold") rig.hold([1]);
      else rig.apply([1]);
      const startMs = rig.clock.nowMs();
      assert.deepEqual(killed(rig.passTime()), [2]);
      assert.equal(rig.clock.nowMs() - startMs, phase === "hold" ? HOLD_MS / 2 : COMMIT_MS);
      assert.deepEqual(killed(rig.tell({ type: "time" })), []);
      assert.equal(rig.outcome(call), undefined);
      rig.tell({ type: "worker-gone", pid: 2 });
      if (phase === "hold") rig.apply([1]);
      assert.equal(rig.outcome(call), "switched from v1 to v2");
      assert.equal(rig.machine.wakeAtMs, Number.POSITIVE_INFINITY);
    });
  }

  test("an acknowledgement of another epoch, or of another hold, counts for nothing", () => {
    const { rig } = runUntil("hold");
    for (const pid of [1, 2]) rig.tell({ type: "held", pid, hold: 77 });
    for (const pid of [1, 2]) rig.tell({ type: "applied", pid, epoch: 1 });
    assert.equal(rig.machine.status.phase, "hold");
    rig.hold([1, 2]);
    for (const pid of [1, 2]) rig.tell({ type: "applied", pid, epoch: 0 });
    assert.equal(rig.machine.status.phase, "commit");
  });

  test("a worker that is born while the others hold is born holding, and let go with them", () => {
    const { rig, call } = runUntil("hold");
    rig.clock.advance(300);
    const { hold } = rig.lastOrder("hold");
    assert.deepEqual(rig.machine.birth, {
      snapshot: { activeVersion: "v2", epoch: 1 },
      holds: [{ hold, holdMs: HOLD_MS - 300 }],
    });
    rig.hold([1, 2]);
    rig.tell({ type: "worker-joined", pid: 3, worker: 3 });
    rig.apply([1]);
    const before = rig.effects.length;
    rig.apply([2]);
    assert.deepEqual(toldTo(rig.effects.slice(before), "release"), [1, 2, 3]);
    assert.equal(rig.outcome(call), "switched from v1 to v2");
  });

  test("a worker that died and its replacement in the commit: one is gone, the other needs no order", () => {
    const { rig, call } = runUntil("commit");
    rig.tell({ type: "worker-gone", pid: 1 });
    assert.equal(rig.machine.birth.snapshot.epoch, 1);
    rig.tell({ type: "worker-joined", pid: 3, worker: 1 });
    rig.apply([2]);
    assert.equal(rig.outcome(call), "switched from v1 to v2");
  });
});

describe("close", () => {
  for (const phase of ["prepare", "persist", "hold", "commit"] as const) {
    test(`in ${phase}: no further call is taken, and the switch that runs ends`, () => {
      const { rig, call } = runUntil(phase);
      rig.tell({ type: "close" });
      for (const order of [switchOrder("v3"), rollbackOrder(), { kind: "resume", actor: "a" } as const]) {
        assert.equal(rig.outcome(rig.call(order)), "NOT_READY");
      }
      for (const pid of [1, 2]) rig.tell({ type: "worker-gone", pid });
      if (phase === "persist") rig.persist();
      assert.equal(rig.outcome(call), phase === "prepare" ? "GATE_REFUSED" : "switched from v1 to v2");
      assert.equal(rig.machine.status.phase, "idle");
    });
  }
});

describe("fail-over", () => {
  test("is no matter of the cool-down, and is told as what it is", () => {
    const { rig, call } = runUntil("commit", new MachineRig({ minIntervalMs: 600_000 }));
    rig.apply([1, 2]);
    assert.equal(rig.outcome(call), "switched from v1 to v2");
    const failOver = rig.call({ kind: "fail-over", to: "v3", reason: "v2 is dead" });
    rig.prepare([1, 2]);
    rig.persist();
    rig.apply([1, 2]);
    assert.equal(rig.outcome(failOver), "failed over from v2 to v3");
  });
});

describe("pause", () => {
  const pause = (forMs: number) =>
    ({ kind: "pause", call: { forMs, reason: null }, actor: "loopback" }) as const;

  test("a worker that does not take it up in time calls it off; nobody is killed", () => {
    const rig = new MachineRig();
    const call = rig.call(pause(30_000));
    rig.hold([1]);
    const effects = rig.passTime();
    assert.deepEqual(toldTo(effects, "release"), [1, 2]);
    assert.deepEqual(killed(effects), []);
    assert.equal(rig.outcome(call), "NOT_READY");
    assert.deepEqual(rig.machine.birth.holds, []);
    assert.equal(rig.machine.wakeAtMs, Number.POSITIVE_INFINITY);
  });

  test("is never said to be on when its time is up already", () => {
    const rig = new MachineRig();
    const call = rig.call(pause(1_000));
    rig.hold([1]);
    rig.passTime();
    assert.ok(rig.clock.nowMs() < 1_001_000, "some of it is left for whoever is told that it is on");
    rig.hold([2]);
    assert.equal(rig.outcome(call), "NOT_READY");
  });

  test("ends by itself, in every worker that is there then", () => {
    const rig = new MachineRig();
    rig.call(pause(30_000));
    rig.tell({ type: "worker-gone", pid: 2 });
    assert.equal(rig.machine.birth.holds.length, 1);
    rig.tell({ type: "worker-joined", pid: 3, worker: 2 });
    rig.hold([1]);
    assert.ok(rig.machine.status.pause !== null);
    assert.deepEqual(toldTo(rig.passTime(), "release"), [1, 3]);
    assert.equal(rig.machine.status.pause, null);
  });

  test("a switch in the middle of it leaves it on", () => {
    const rig = new MachineRig();
    rig.call(pause(30_000));
    rig.hold([1, 2]);
    const paused = rig.lastOrder("hold").hold;
    runUntil("hold", rig).rig.hold([1, 2]);
    rig.apply([1, 2]);
    const ended = rig.effects.filter((effect) => effect.type === "tell" && effect.order.type === "release");
    assert.ok(
      ended.every(
        (effect) => effect.type === "tell" && "hold" in effect.order && effect.order.hold !== paused,
      ),
    );
    assert.deepEqual(
      rig.machine.birth.holds.map(({ hold }) => hold),
      [paused],
    );
  });
});

describe("crowds", () => {
  test("eight dry runs probe at a time; one more is refused, and a real switch is not", () => {
    const rig = new MachineRig();
    const dry = () => rig.call(switchOrder("v2", { dryRun: true, waitMs: 600_000 }));
    const running = Array.from({ length: 8 }, dry);
    assert.equal(rig.outcome(dry()), "TOO_MANY_CALLS");
    assert.equal(rig.outcome(rig.call(switchOrder("v2"))), undefined);
    for (const pid of [1, 2]) rig.tell({ type: "worker-gone", pid });
    rig.passTime();
    for (const call of running) assert.match(rig.outcome(call) ?? "", /did not pass/);
    assert.equal(rig.outcome(dry())?.startsWith("no worker"), true);
  });

  test("a hundred calls wait for the first with their key; one more is refused, the others answered with it", () => {
    const rig = new MachineRig();
    const keyed = () => rig.call(switchOrder("v2", { context: { idempotencyKey: "k" } }));
    const calls = Array.from({ length: 101 }, keyed);
    assert.equal(rig.outcome(keyed()), "TOO_MANY_CALLS");
    rig.prepare([1, 2]);
    rig.persist();
    rig.apply([1, 2]);
    for (const call of calls) assert.equal(rig.outcome(call), "switched from v1 to v2");
    assert.equal(rig.outcome(keyed()), "switched from v1 to v2");
  });

  test("a thousand calls that change nothing do not make the key of a switch forgotten", () => {
    const rig = new MachineRig();
    const keyed = (version: string, key: string) =>
      rig.call(switchOrder(version, { context: { idempotencyKey: key } }));
    keyed("v2", "release");
    rig.prepare([1, 2]);
    rig.persist();
    rig.apply([1, 2]);
    for (let i = 0; i < 1_200; i++) keyed("v2", `again ${i}`);
    assert.equal(rig.outcome(keyed("v2", "release")), "switched from v1 to v2");
  });
});
