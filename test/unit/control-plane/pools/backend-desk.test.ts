/** Changes of backends by hand: what is refused, what is written, and when it is in force. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type VersionConfig, versionOfOne } from "../../../../src/config/pool-config.ts";
import type { PoolsSnapshot } from "../../../../src/config/snapshot.ts";
import type { DaemonEvent } from "../../../../src/control-plane/events/events.ts";
import { BackendDesk } from "../../../../src/control-plane/pools/backend-desk.ts";
import type { BackendsCall } from "../../../../src/control-plane/pools/backends-call.ts";
import {
  type ChangeInForce,
  type Changes,
  keyOf,
  NO_CHANGES,
} from "../../../../src/control-plane/pools/changes.ts";
import { MAX_BACKENDS } from "../../../../src/control-plane/pools/members.ts";
import { Pools } from "../../../../src/control-plane/pools/pools.ts";
import type { Phase } from "../../../../src/control-plane/switch/phase.ts";
import type { BackendsEntry, NewBackendsEntry } from "../../../../src/control-plane/switch/state-store.ts";
import { ProxyError } from "../../../../src/core/errors.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { ManualTimers } from "../../../support/manual-timers.ts";

const [A, B, C] = ["http://10.0.0.1:9000", "http://10.0.0.2:9000", "http://10.0.0.3:9000"];
const NAMED = "http://api.internal:9000";
const target = { weight: 1, resolve: "name", resolveEveryMs: 10_000 } as const;

const v1: VersionConfig = {
  ...versionOfOne("v1", A),
  targets: [
    { ...target, origin: A },
    { ...target, origin: B, weight: 5 },
  ],
};
const v2: VersionConfig = {
  ...versionOfOne("v2", NAMED),
  targets: [{ ...target, origin: NAMED, resolve: "all" }],
};

interface Write {
  readonly entry: NewBackendsEntry;
  end(error?: Error): void;
}

function startDesk({ changes = NO_CHANGES, isHeld = false }: { changes?: Changes; isHeld?: boolean } = {}) {
  const timers = new ManualTimers();
  const told: PoolsSnapshot[] = [];
  const events: DaemonEvent[] = [];
  const writes: Write[] = [];
  const state: { phase: Phase; isEnding: boolean; heard: Promise<void>; silent: number[] } = {
    phase: "idle",
    isEnding: false,
    heard: Promise.resolve(),
    silent: [],
  };
  const after = (ms: number, run: () => void) => timers.after(ms, run);
  const pools = new Pools({
    versions: [v1, v2],
    after,
    onCut: () => {},
    onChange: (snapshot) => void told.push(snapshot),
  });
  pools.setAddresses(() => ["10.1.0.1", "10.1.0.2"]);
  const desk = new BackendDesk({
    versions: [v1, v2],
    changes,
    pools,
    store: {
      history: () => writes.map(({ entry }) => entry as BackendsEntry).toReversed(),
      appendBackends: (entry, _write, signal) => {
        const { promise, resolve, reject } = Promise.withResolvers<BackendsEntry>();
        const end = (error?: Error) => (error ? reject(error) : resolve(entry as BackendsEntry));
        signal?.addEventListener("abort", () => reject(new ProxyError("STATE_WRITE_FAILED", "late")));
        writes.push({ entry, end });
        if (!isHeld) end();
        return promise;
      },
    },
    takenUp: async () => {
      await state.heard;
      return state.silent;
    },
    switchPhase: () => state.phase,
    isEnding: () => state.isEnding,
    clock: new ManualClock(),
    bootId: "boot-1",
    writeLimitMs: 5_000,
    after,
    events: { publish: (event) => void events.push(event) },
    log: { info: () => undefined },
  });
  const change = (action: BackendsCall["action"], backend: string | null, more: Partial<BackendsCall> = {}) =>
    desk.change(
      { version: "v1", backend, action, weight: null, reason: null, force: false, ...more },
      "loopback",
    );
  const poolOf = (version = "v1") =>
    pools
      .backendsOf(version)
      .map(({ name, weight, isDrained }) => `${name} ${weight}${isDrained ? " drained" : ""}`);
  return { desk, change, poolOf, pools, told, events, writes, state, timers };
}

const inForce = (backend: string, more: Partial<ChangeInForce> = {}): ChangeInForce => ({
  version: "v1",
  backend,
  presence: "kept",
  weight: null,
  drained: false,
  ...more,
});
const changesOf = (...list: ChangeInForce[]): Changes =>
  new Map(list.map((change) => [keyOf(change.version, change.backend), change]));

test("the answer waits until the workers go by it, and names those that do not say so", async () => {
  const { change, state, told } = startDesk();
  const { promise, resolve } = Promise.withResolvers<void>();
  Object.assign(state, { heard: promise, silent: [2] });
  let answer: { silent_workers: readonly number[] } | null = null;
  const asked = change("drain", A).then((given) => {
    answer = given;
  });
  await new Promise(setImmediate);
  assert.deepEqual([answer, told.length > 0], [null, true], "they are told before");
  resolve();
  await asked;
  assert.deepEqual((answer as { silent_workers: readonly number[] } | null)?.silent_workers, [2]);
  assert.deepEqual((await change("drain", A)).silent_workers, [], "nothing has changed: nobody is asked");
});

test("what was in force before the start is so from the start, and what the config no longer has is listed", () => {
  const { poolOf, desk } = startDesk({
    changes: changesOf(
      inForce(A, { presence: "removed" }),
      inForce(B, { weight: 2, drained: true }),
      inForce(C, { presence: "added", weight: 7 }),
      inForce("http://10.9.9.9:9000", { drained: true }),
      { ...inForce(A), version: "v9" },
    ),
  });
  assert.deepEqual(poolOf(), [`${B} 2 drained`, `${C} 7`]);
  const [pool] = desk.pools;
  assert.deepEqual(pool?.without_effect, ["http://10.9.9.9:9000"]);
  assert.deepEqual(
    pool?.backends.map(({ configured_weight }) => configured_weight),
    [5, null],
  );
});

test("what the config says anyhow is not kept as a change", async () => {
  const { change, writes } = startDesk();
  await change("weight", B, { weight: 9 });
  await change("weight", B, { weight: 5 });
  await change("remove", A);
  await change("add", A);
  assert.deepEqual(
    writes.map(({ entry }) => entry.in_force),
    [inForce(B, { weight: 9 }), null, inForce(A, { presence: "removed" }), null],
  );
});

test("nothing is in force, and nothing told, before it is written; and what could not be written never is", async () => {
  const { change, poolOf, told, events, writes } = startDesk({ isHeld: true });
  const before = told.length;
  const draining = change("drain", A);
  await Promise.resolve();
  await Promise.resolve();
  assert.deepEqual([writes.length, poolOf()[0], told.length], [1, `${A} 1`, before]);
  writes[0]?.end(new ProxyError("STATE_WRITE_FAILED", "disk full"));
  await assert.rejects(draining, { code: "STATE_WRITE_FAILED" });
  assert.deepEqual([poolOf()[0], told.length, events], [`${A} 1`, before, []]);
});

test("a change is told to the workers at once, though others were a moment ago", async () => {
  const { change, pools, told } = startDesk();
  pools.setVerdict("v1", A, "healthy");
  const before = told.length;
  await change("drain", A);
  assert.equal(told.length, before + 1);
  assert.equal(told.at(-1), pools.snapshot);
});

test("a disk that does not answer is given up after the limit, and the next call has its turn", async () => {
  const { change, timers, writes } = startDesk({ isHeld: true });
  const [first, second] = [change("drain", A), change("drain", B)];
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  timers.pass(5_000);
  await assert.rejects(first, { code: "STATE_WRITE_FAILED" });
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  assert.equal(writes.length, 2);
  writes[1]?.end();
  assert.equal((await second).changed, true);
});

/** Runs what has been promised by now. */
async function breathe(): Promise<void> {
  await new Promise(setImmediate);
}

test("a switch waits for the change that is being written, and those behind it are refused, also when they come later", {
  timeout: 10_000,
}, async () => {
  const { change, desk, writes, poolOf, state } = startDesk({ isHeld: true });
  const refused = () => assert.rejects(change("weight", B, { weight: 2 }), { code: "SWITCH_IN_PROGRESS" });
  const draining = change("drain", A);
  const before = refused();
  await breathe();
  let hasBegun = false;
  const switching = desk.beforeSwitch(async () => {
    hasBegun = true;
    state.phase = "prepare";
    assert.equal(poolOf()[0], `${A} 1 drained`);
  });
  const later = refused();
  await breathe();
  assert.equal(hasBegun, false);
  writes[0]?.end();
  await draining;
  await breathe();
  assert.equal(writes.length, 1, "nothing is written while the switch runs");
  await Promise.all([before, later, switching]);
});

test("a switch is not kept from beginning by a change that fails, and without one it begins at once", async () => {
  const { change, desk, writes } = startDesk({ isHeld: true });
  const draining = assert.rejects(change("drain", A), { code: "STATE_WRITE_FAILED" });
  await breathe();
  const switching = desk.beforeSwitch(async () => "begun");
  writes[0]?.end(new ProxyError("STATE_WRITE_FAILED", "full"));
  assert.equal(await switching, "begun");
  await draining;
  let hasBegun = false;
  void desk.beforeSwitch(async () => {
    hasBegun = true;
  });
  assert.ok(hasBegun);
});

for (const phase of ["prepare", "persist", "hold", "commit"] as const) {
  test(`in the ${phase} of a switch a change is refused, and nothing written`, async () => {
    const { change, state, writes } = startDesk();
    state.phase = phase;
    await assert.rejects(change("drain", A), { code: "SWITCH_IN_PROGRESS", details: { phase } });
    assert.deepEqual(writes, []);
  });
}

test("a daemon that is ending takes none", async () => {
  const { change, state } = startDesk();
  state.isEnding = true;
  await assert.rejects(change("drain", A), { code: "NOT_READY" });
});

test("a hundred changes wait; one more is refused at once", async () => {
  const { change, writes } = startDesk({ isHeld: true });
  const first = Array.from({ length: 100 }, (_, count) => change("weight", A, { weight: count + 2 }));
  await assert.rejects(change("drain", A), { code: "TOO_MANY_CALLS", retryAfterSeconds: 1 });
  for (let done = 0; done < first.length; done++) {
    for (let turn = 0; writes.length <= done && turn < 20; turn++) await Promise.resolve();
    writes[done]?.end();
    await first[done];
  }
  assert.equal(writes.length, 100);
});

test("an unhealthy backend is none that could take traffic", async () => {
  const { change, pools } = startDesk();
  pools.setVerdict("v1", A, "unhealthy");
  await assert.rejects(change("drain", B), { code: "LAST_BACKEND" });
  assert.equal((await change("drain", B, { force: true, reason: "both" })).changed, true);
});

test("a reset that leaves nobody to take traffic is refused, too", async () => {
  const { change } = startDesk({
    changes: changesOf(
      inForce(A, { presence: "removed" }),
      inForce(B, { presence: "removed" }),
      inForce(C, { presence: "added", weight: 1 }),
    ),
  });
  await assert.rejects(change("reset", C), { code: "LAST_BACKEND", message: /very|last backend of v1/ });
  assert.equal((await change("reset", null)).backends.length, 2);
});

test("an address of a name is drained and weighted, but neither removed nor added as a name", async () => {
  const { change, poolOf } = startDesk();
  const [one, two] = ["http://10.1.0.1:9000", "http://10.1.0.2:9000"];
  const ofV2 = { version: "v2" };
  await change("drain", one, ofV2);
  await change("weight", two, { ...ofV2, weight: 3 });
  assert.deepEqual(poolOf("v2"), [`${one} 1 drained`, `${two} 3`]);
  await assert.rejects(change("remove", one, ofV2), {
    code: "BACKEND_OF_A_NAME",
    message: /drain it or give it/,
  });
  await assert.rejects(change("add", NAMED, ofV2), { code: "BACKEND_OF_A_NAME" });
});

test("an unknown backend is told with up to 8 that are known, and a removed one with what to do", async () => {
  const { change } = startDesk();
  for (let port = 1; port <= 9; port++) await change("add", `http://10.0.1.1:${port}`);
  await assert.rejects(change("drain", "http://10.9.9.9:9000"), {
    code: "UNKNOWN_BACKEND",
    message: /^v1 has no backend http:\/\/10\.9\.9\.9:9000; known are .*10\.0\.1\.1:6 and 3 more$/,
  });
  await change("remove", A);
  await assert.rejects(change("enable", A), {
    code: "UNKNOWN_BACKEND",
    message: /removed by hand; add it again/,
  });
  await assert.rejects(change("drain", A, { version: "v7" }), { code: "UNKNOWN_VERSION" });
});

test("a version has no more than a thousand backends", async () => {
  const many = Array.from({ length: MAX_BACKENDS - 2 }, (_, index) =>
    inForce(`http://10.0.1.1:${index + 1}`, { presence: "added", weight: 1 }),
  );
  const { change, poolOf } = startDesk({ changes: changesOf(...many) });
  assert.equal(poolOf().length, MAX_BACKENDS);
  await assert.rejects(change("add", C), { code: "TOO_MANY_BACKENDS" });
  assert.equal((await change("drain", A)).changed, true);
});
