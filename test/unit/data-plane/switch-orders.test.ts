/** A worker's side of the switch: what it does, and in which order, when it is told to. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { versionOfOne } from "../../../src/config/pool-config.ts";
import type { Config } from "../../../src/config/schema.ts";
import { Hold } from "../../../src/data-plane/hold.ts";
import { SwitchOrders } from "../../../src/data-plane/switch-orders.ts";
import type { PrepareReport, SnapshotOrder, SwitchOrder } from "../../../src/ipc/messages.ts";
import { ManualTimers } from "../../support/manual-timers.ts";
import { servingOf } from "../../support/pools-of.ts";

const CONFIG = {
  backends: ["v1", "v2", "v3"].map((version) => versionOfOne(version, "http://127.0.0.1:9")),
} as unknown as Config;
const drain = { deadlineMs: 30_000, websocketWindowMs: 10_000 };
const PASSED: PrepareReport = {
  passed: true,
  probes: [],
  warm: 0,
  backends: { asked: 1, needed: 1, good: [], bad: [] },
};

const to = (activeVersion: string, epoch: number): SnapshotOrder => ({
  snapshot: { activeVersion, epoch },
  drain,
});
const apply = (activeVersion: string, epoch: number, release: number | null = null): SwitchOrder => ({
  type: "apply-snapshot",
  release,
  ...to(activeVersion, epoch),
});

/** A worker that serves v1; `done` is what it did to others, in its order. */
function startOrders() {
  const done: string[] = [];
  const serving = servingOf(CONFIG.backends, { activeVersion: "v1", epoch: 0 });
  const timers = new ManualTimers();
  const hold = new Hold({ maxRequests: 10, maxBytes: 1_000 }, timers);
  const gates: { signal: AbortSignal; finish(): void }[] = [];
  const orders = new SwitchOrders({
    serving,
    hold,
    drains: {
      start: ({ version }) => void done.push(`drain ${version}`),
      cancel: ({ version }) => void done.push(`no drain of ${version}`),
    },
    keepWarm: {
      start: ({ version }) => void done.push(`keep ${version} warm`),
      stop: ({ version }) => void done.push(`no longer keep ${version} warm`),
      end: () => void done.push("keep nothing warm"),
    },
    prepare: (_order, signal) =>
      new Promise((resolve) => gates.push({ signal, finish: () => resolve(PASSED) })),
    answer: (answer) =>
      void done.push(
        answer.type === "applied"
          ? `applied ${answer.epoch}, ${serving.current.active.version}`
          : answer.type,
      ),
  });
  return { orders, serving, hold, timers, gates, done };
}

test("a switch is in force before it is acknowledged, and drains and keeps what it leaves", () => {
  const { orders, done } = startOrders();
  orders.obey(apply("v2", 1));
  assert.deepEqual(done, [
    "drain v1",
    "keep v1 warm",
    "no drain of v2",
    "no longer keep v2 warm",
    "applied 1, v2",
  ]);
});

test("a switch to a third version leaves the drain of the first alone", () => {
  const { orders, done } = startOrders();
  orders.obey(apply("v2", 1));
  done.length = 0;
  orders.obey(apply("v3", 2));
  assert.deepEqual(
    done.filter((each) => each.includes("v1")),
    [],
  );
  assert.ok(done.includes("drain v2"));
});

test("an order that is older than what is served changes nothing, and tells what is served", () => {
  const { orders, done, serving } = startOrders();
  orders.obey(apply("v2", 2));
  done.length = 0;
  orders.obey(apply("v1", 1));
  assert.deepEqual(done, ["applied 2, v2"]);
  assert.equal(serving.current.active.version, "v2");
});

test("a hold whose time ends goes on to the version that was decided, and drains once", () => {
  const { orders, done, serving, hold, timers } = startOrders();
  orders.obey({ type: "hold", hold: 7, holdMs: 2_000, next: to("v2", 1) });
  assert.deepEqual([hold.isOn, serving.current.active.version], [true, "v1"]);
  timers.pass(2_000);
  assert.deepEqual([hold.isOn, serving.current.active.version], [false, "v2"]);
  orders.obey(apply("v2", 1, 7)); // late
  assert.equal(done.filter((each) => each === "drain v1").length, 1);
  assert.equal(done.at(-1), "applied 1, v2");
});

test("a commit ends the hold of its switch and no other", () => {
  const { orders, hold } = startOrders();
  orders.obey({ type: "hold", hold: 1, holdMs: 60_000, next: null }); // a pause
  orders.obey({ type: "hold", hold: 2, holdMs: 2_000, next: to("v2", 1) });
  orders.obey(apply("v2", 1, 2));
  assert.equal(hold.isOn, true);
  orders.obey({ type: "release", hold: 1 });
  assert.equal(hold.isOn, false);
});

test("a gate that is called off is told so; one that has ended, or never was, is left alone", async () => {
  const { orders, gates, done } = startOrders();
  orders.obey({ type: "prepare", gate: 1, version: "v2", waitMs: 0, isBrief: false });
  orders.obey({ type: "abort-prepare", gate: 2 });
  assert.equal(gates[0]?.signal.aborted, false);
  orders.obey({ type: "abort-prepare", gate: 1 });
  assert.equal(gates[0]?.signal.aborted, true);
  gates[0]?.finish();
  await Promise.resolve();
  assert.deepEqual(done, ["prepared"]);
  orders.obey({ type: "abort-prepare", gate: 1 });
});

test("a switch that is committed while the worker ends takes none of the drains of the end away", () => {
  const { orders, hold, done } = startOrders();
  orders.obey({ type: "hold", hold: 1, holdMs: 60_000, next: to("v2", 1) });
  orders.end(30_000);
  assert.equal(hold.isOn, false, "nothing waits for an end");
  done.length = 0;
  orders.obey(apply("v2", 1, 1));
  assert.deepEqual(done, ["applied 1, v2"]);
});

test("a worker that ends while it holds goes on to the version that the switch has decided", () => {
  const { orders, serving, hold } = startOrders();
  orders.obey({ type: "hold", hold: 1, holdMs: 5_000, next: to("v2", 1) });
  orders.end(1_000);
  assert.deepEqual([hold.isOn, serving.current.active.version], [false, "v2"]);
});
