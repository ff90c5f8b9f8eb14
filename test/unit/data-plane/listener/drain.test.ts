/**
 * Drain: who is told to end when, by a clock that a test moves, with members that only note what they are told.
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Backend } from "../../../../src/data-plane/backend/backend.ts";
import type { LongRunning } from "../../../../src/data-plane/backend/running.ts";
import { Drains } from "../../../../src/data-plane/listener/drain.ts";
import { backendOf } from "../../../support/backend-of.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const STEP_MS = 5;

interface Scene {
  readonly backend: Backend;
  readonly drains: Drains;
  /** What members were told, with the time since the start. */
  readonly told: { readonly who: string; readonly atMs: number }[];
  addRequest(): void;
  /** @param isStubborn it does not end when it is told to. */
  add(kind: "tunnel" | "stream", isStubborn?: boolean): LongRunning;
  pass(ms: number): void;
}

function startScene(t: TestContext, random: () => number = () => 0.5): Scene {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const clock = new ManualClock();
  const startMs = clock.nowMs();
  const backend = backendOf("v1", "http://h:1", 0);
  const told: { who: string; atMs: number }[] = [];
  const tell = (who: string): void => void told.push({ who, atMs: clock.nowMs() - startMs });
  let count = 0;
  return {
    backend,
    told,
    drains: new Drains(clock, random),
    addRequest: () =>
      backend.requests.add({ place: 0, cutForDrain: () => tell("cut request"), checkTimeLimits: () => {} }),
    add: (kind, isStubborn = false) => {
      const members = kind === "tunnel" ? backend.tunnels : backend.streams;
      const name = `${kind} ${count++}`;
      let isTold = false;
      const member: LongRunning = {
        turnAtMs: 0,
        endForDrain: () => {
          if (!isTold) tell(`end ${name}`);
          isTold = true;
          if (!isStubborn) members.delete(member);
        },
        keep: () => tell(`keep ${name}`),
        cutForDrain: () => tell(`cut ${name}`),
      };
      members.add(member);
      return member;
    },
    pass: (ms) => {
      for (let passed = 0; passed < ms; passed += STEP_MS) {
        clock.advance(STEP_MS);
        t.mock.timers.tick(STEP_MS);
      }
    },
  };
}

/** The most that were told within any second. */
function peakPerSecond(timesMs: readonly number[]): number {
  const sorted = timesMs.toSorted((a, b) => a - b);
  let peak = 0;
  let first = 0;
  sorted.forEach((atMs, i) => {
    while (atMs - (sorted[first] ?? 0) >= 1_000) first++;
    peak = Math.max(peak, i - first + 1);
  });
  return peak;
}

test("requests run until the deadline; tunnels and streams end one by one over their window", (t) => {
  const scene = startScene(t);
  scene.addRequest();
  for (let i = 0; i < 4; i++) scene.add("tunnel");
  for (let i = 0; i < 2; i++) scene.add("stream");
  scene.drains.start(scene.backend, { deadlineMs: 1_000, websocketWindowMs: 400 });
  scene.pass(2_000);
  assert.deepEqual(scene.told, [
    { who: "end tunnel 0", atMs: 50 },
    { who: "end stream 4", atMs: 100 },
    { who: "end tunnel 1", atMs: 150 },
    { who: "end tunnel 2", atMs: 250 },
    { who: "end stream 5", atMs: 300 },
    { who: "end tunnel 3", atMs: 350 },
    { who: "cut request", atMs: 1_000 },
  ]);
});

for (const [chance, random] of [
  ["as chance has it", Math.random],
  [
    "when chance puts them as close together as it can",
    (() => {
      let turn = 0;
      return () => (turn++ % 2 === 0 ? 0.999 : 0);
    })(),
  ],
] as const) {
  test(`5,000 over 30 s: no second has more than twice the even rate (${chance})`, (t) => {
    const scene = startScene(t, random);
    for (let i = 0; i < 5_000; i++) scene.add("tunnel");
    scene.drains.start(scene.backend, { deadlineMs: 60_000, websocketWindowMs: 30_000 });
    scene.pass(31_000);
    const timesMs = scene.told.map(({ atMs }) => atMs);
    assert.equal(timesMs.length, 5_000);
    assert.ok(Math.max(...timesMs) <= 30_100 && Math.max(...timesMs) > 29_000);
    const peak = peakPerSecond(timesMs);
    t.diagnostic(`even: ${Math.round(5_000 / 30)} per second, peak: ${peak}`);
    assert.ok(peak <= (2 * 5_000) / 30, `${peak} within one second`);
  });
}

test("each ends at a moment of its own: two drains of the same tunnels are not in step", (t) => {
  const scene = startScene(t, Math.random);
  const turns = (): number[] => {
    scene.drains.start(scene.backend, { deadlineMs: 60_000, websocketWindowMs: 30_000 });
    return [...scene.backend.tunnels].map(({ turnAtMs }) => turnAtMs);
  };
  for (let i = 0; i < 50; i++) scene.add("tunnel");
  assert.notDeepEqual(turns(), turns());
});

test("what became a tunnel or a stream after the drain began ends within the window too, or at once after it", (t) => {
  const scene = startScene(t);
  scene.drains.start(scene.backend, { deadlineMs: 1_000, websocketWindowMs: 400 });
  scene.pass(190);
  scene.add("tunnel");
  scene.pass(10);
  scene.add("stream");
  scene.pass(200);
  assert.deepEqual(
    scene.told.map(({ who }) => who),
    ["end tunnel 0", "end stream 1"],
  );
  assert.ok(scene.told.every(({ atMs }) => atMs > 250 && atMs < 350));
  scene.add("tunnel");
  scene.pass(10);
  assert.equal(scene.told[2]?.who, "end tunnel 2");
});

test("what has not ended by the deadline is cut then, and no later look follows", (t) => {
  const scene = startScene(t);
  scene.add("tunnel", true);
  scene.drains.start(scene.backend, { deadlineMs: 200, websocketWindowMs: 100 });
  scene.pass(500);
  assert.deepEqual(
    scene.told.map(({ who }) => who),
    ["end tunnel 0", "cut tunnel 0"],
  );
});

test("the last ones have time to answer when the window is as long as the deadline", (t) => {
  const scene = startScene(t, () => 0.999);
  for (let i = 0; i < 10; i++) scene.add("tunnel");
  scene.drains.start(scene.backend, { deadlineMs: 10_000, websocketWindowMs: 10_000 });
  scene.pass(10_000);
  assert.equal(scene.told.length, 10);
  assert.ok(scene.told.every(({ atMs }) => atMs < 9_100));
});

test("a drain that is called off keeps what is left and cuts nothing; one started over counts from then", (t) => {
  const scene = startScene(t);
  scene.addRequest();
  scene.add("tunnel", true);
  const stream = scene.add("stream");
  scene.drains.start(scene.backend, { deadlineMs: 100, websocketWindowMs: 100 });
  scene.pass(30);
  scene.drains.cancel(scene.backend);
  scene.drains.cancel(scene.backend);
  assert.equal(stream.turnAtMs, 0);
  scene.pass(1_000);
  assert.deepEqual(
    scene.told.map(({ who }) => who),
    ["keep tunnel 0", "keep stream 1"],
  );
  scene.drains.start(scene.backend, { deadlineMs: 100, websocketWindowMs: 100 });
  scene.pass(90);
  assert.deepEqual(
    scene.told.slice(2).map(({ who }) => who),
    ["end tunnel 0", "end stream 1"],
  );
  scene.pass(10);
  assert.deepEqual(
    scene.told.slice(4).map(({ who }) => who),
    ["cut request", "cut tunnel 0"],
  );
});

test("a deadline of 0 ends and cuts at once", (t) => {
  const scene = startScene(t);
  scene.addRequest();
  scene.add("tunnel", true);
  scene.drains.start(scene.backend, { deadlineMs: 0, websocketWindowMs: 0 });
  scene.pass(10);
  assert.deepEqual(
    scene.told.map(({ who }) => who),
    ["end tunnel 0", "cut request", "cut tunnel 0"],
  );
});

test("a drain that is started over while it runs, as at SIGTERM, has one deadline: the new one", (t) => {
  const scene = startScene(t);
  scene.addRequest();
  scene.drains.start(scene.backend, { deadlineMs: 1_000, websocketWindowMs: 400 });
  scene.pass(800);
  scene.drains.start(scene.backend, { deadlineMs: 600, websocketWindowMs: 400 });
  scene.pass(1_000);
  assert.deepEqual(scene.told, [{ who: "cut request", atMs: 1_400 }]);
});

test("a backend that comes while its version drains is drained with it, one that leaves is to the end", (t) => {
  const scene = startScene(t);
  const other = backendOf("v1", "http://h:2", 0);
  const version = { backends: [scene.backend] };
  scene.drains.start(version, { deadlineMs: 1_000, websocketWindowMs: 400 });
  scene.pass(500);
  version.backends = [other];
  scene.addRequest();
  let isCut = false;
  other.requests.add({ place: 0, cutForDrain: () => (isCut = true), checkTimeLimits: () => {} });
  scene.pass(1_000);
  assert.deepEqual([scene.told, isCut], [[{ who: "cut request", atMs: 1_000 }], true]);
});
