import assert from "node:assert/strict";
import { test } from "node:test";
import {
  EventLog,
  type LoggedEvent,
  MOST_OF_BACKENDS,
  RING_SIZE,
} from "../../../../src/control-plane/events/event-log.ts";
import type { DaemonEvent } from "../../../../src/control-plane/events/events.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

function startLog(startId = "a1b2") {
  const clock = new ManualClock({ wallMs: Date.UTC(2030, 0, 1) });
  const faults: unknown[] = [];
  const log = new EventLog(clock, { startId, onFault: (error) => void faults.push(error) });
  return { log, clock, faults };
}

const gone = (pid: number): DaemonEvent => ({ type: "worker", worker: 1, pid, state: "gone" });

function drain(version: string, in_flight: number): DaemonEvent {
  return {
    type: "drain",
    version,
    in_flight,
    streams: 0,
    upgraded: 0,
    deadline_at: "2030-01-01T00:00:30.000Z",
  };
}

const numbers = (logged: readonly LoggedEvent[]): number[] => logged.map(({ number }) => number);
const ignore = (): void => {};

test("events are numbered from 1, stamped with the wall clock, and reach every listener in order", () => {
  const { log, clock } = startLog();
  const seen: LoggedEvent[][] = [[], []];
  for (const each of seen) log.subscribe((logged) => void each.push(logged), null);
  log.publish(gone(7));
  clock.advance(1_500);
  log.publish(gone(8));
  assert.deepEqual(seen[0], [
    { number: 1, id: "a1b2-1", at: "2030-01-01T00:00:00.000Z", event: gone(7) },
    { number: 2, id: "a1b2-2", at: "2030-01-01T00:00:01.500Z", event: gone(8) },
  ]);
  assert.deepEqual(seen[1], seen[0]);
});

test("who unsubscribes hears nothing more", () => {
  const { log } = startLog();
  const seen: LoggedEvent[] = [];
  const { unsubscribe } = log.subscribe((logged) => void seen.push(logged), null);
  log.publish(gone(1));
  unsubscribe();
  log.publish(gone(2));
  assert.deepEqual(numbers(seen), [1]);
});

test("without an id there is nothing to repeat and nothing missed", () => {
  const { log } = startLog();
  log.publish(gone(1));
  const { replay, isMissed, positionId } = log.subscribe(ignore, null);
  assert.deepEqual([replay, isMissed, positionId], [[], false, "a1b2-1"]);
});

test("with the id of an event that is kept, everything after it is repeated", () => {
  const { log } = startLog();
  for (let pid = 1; pid <= 5; pid++) log.publish(gone(pid));
  const { replay, isMissed, positionId } = log.subscribe(ignore, "a1b2-3");
  assert.deepEqual([numbers(replay), isMissed, positionId], [[4, 5], false, "a1b2-3"]);
  assert.deepEqual(numbers(log.subscribe(ignore, "a1b2-0").replay), [1, 2, 3, 4, 5]);
  assert.deepEqual(log.subscribe(ignore, "a1b2-5").replay, []);
});

test("the last 256 are kept; who has seen less is told that it missed some, and gets those", () => {
  const { log } = startLog();
  for (let pid = 1; pid <= RING_SIZE + 10; pid++) log.publish(gone(pid));
  assert.equal(RING_SIZE, 256);
  const late = log.subscribe(ignore, "a1b2-9");
  assert.deepEqual([late.replay.length, late.replay[0]?.number, late.isMissed], [256, 11, true]);
  assert.equal(late.positionId, "a1b2-10");
  const justInTime = log.subscribe(ignore, "a1b2-10");
  assert.deepEqual([justInTime.replay.length, justInTime.isMissed], [256, false]);
});

const FOREIGN = ["ffff-1", "a1b2-3", "a1b2-01", "a1b2--1", "a1b2-", "a1b2", "", "1", "a1b2-1e0", "a1b2-1 "];

for (const id of FOREIGN) {
  test(`the id "${id}", which this start has not given, repeats nothing and says that something was missed`, () => {
    const { log } = startLog();
    log.publish(gone(1));
    log.publish(gone(2));
    const { replay, isMissed, positionId } = log.subscribe(ignore, id);
    assert.deepEqual([replay, isMissed, positionId], [[], true, "a1b2-2"]);
  });
}

test("of a drain only the newest figures are kept, so that a long one pushes nothing out", () => {
  const { log } = startLog();
  log.publish(gone(1));
  log.publish(drain("v2", 9));
  for (let n = 0; n < 2 * RING_SIZE; n++) log.publish(drain("v1", n));
  const { replay, isMissed } = log.subscribe(ignore, "a1b2-0");
  assert.equal(isMissed, false);
  assert.deepEqual(
    replay.map(({ event }) => event),
    [gone(1), drain("v2", 9), drain("v1", 2 * RING_SIZE - 1)],
  );
});

test("a listener that throws harms neither who publishes nor the others, and is not called again", () => {
  const { log, faults } = startLog();
  const fault = new TypeError("broken reader");
  let calls = 0;
  log.subscribe(() => {
    calls++;
    throw fault;
  }, null);
  const seen: LoggedEvent[] = [];
  log.subscribe((logged) => void seen.push(logged), null);
  log.publish(gone(1));
  log.publish(gone(2));
  assert.deepEqual([calls, faults, numbers(seen)], [1, [fault], [1, 2]]);
});

test("backends that come and go do not push the other events out", () => {
  const { log } = startLog();
  log.publish(gone(1));
  const { positionId } = log.subscribe(ignore, null);
  log.publish(gone(2));
  for (let i = 0; i < 1_000; i++)
    log.publish({ type: "backend", version: "v1", backend: `http://${i}`, state: "unhealthy", why: "503" });
  const { replay, isMissed } = log.subscribe(ignore, positionId);
  assert.equal(isMissed, false);
  assert.deepEqual(replay[0]?.event, gone(2));
  const backends = replay.flatMap(({ event }) => (event.type === "backend" ? [event.backend] : []));
  assert.equal(backends.length, MOST_OF_BACKENDS);
  assert.equal(backends.at(-1), "http://999");
});
