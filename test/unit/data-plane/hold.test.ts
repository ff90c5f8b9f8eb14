/** Hold: when requests wait, how they are let go, and its bounds; every timer and round of the event loop by hand. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { HeldRequest, Way } from "../../../src/data-plane/held-request.ts";
import { Hold, type HoldLimits, type Pace } from "../../../src/data-plane/hold.ts";
import type { ClientConnection } from "../../../src/data-plane/listener/client-connection.ts";
import { requestHead } from "../../support/heads.ts";
import { ManualTimers } from "../../support/manual-timers.ts";

function startHold(limits: Partial<HoldLimits> = {}, pace?: Pace) {
  const timers = new ManualTimers();
  const hold = new Hold({ maxRequests: 100_000, maxBytes: 100_000_000, ...limits }, timers, pace);
  /** Targets of those that went on, with how they did. */
  const went: string[] = [];
  const refused: string[] = [];
  const gone: string[] = [];
  const onGoing = { do: (_target: string): void => {} };
  const way: Way = {
    goOn: (_, head) => {
      went.push(head.target);
      onGoing.do(head.target);
    },
    refuse: (_, method, code) => refused.push(`${method} ${code}`),
    onGone: (method) => gone.push(method),
  };
  /** A request comes. @returns what its connection has been told to tell; null when it was refused. */
  const take = (target: string, method = "GET"): HeldRequest | null => {
    let events: HeldRequest | null = null;
    const client = { run: (given: HeldRequest) => (events = given) } as unknown as ClientConnection;
    hold.take(client, requestHead(`${method} ${target} HTTP/1.1`, ["Host: h"]), way);
    return events;
  };
  const rounds = (): number => {
    let count = 0;
    while (timers.round()) count++;
    return count;
  };
  return { hold, timers, went, refused, gone, onGoing, take, rounds };
}

const targets = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `/${from + i}`);

test("nothing waits before a hold begins; then all wait until the last of them has ended", () => {
  const { hold, timers, went, take, rounds } = startHold();
  assert.equal(hold.isOn, false);
  hold.begin(1, 1_000);
  hold.begin(2, 9_000);
  take("/a");
  hold.release(1);
  rounds();
  assert.deepEqual([hold.isOn, hold.held, went], [true, 1, []]);
  hold.release(2);
  rounds();
  assert.deepEqual([hold.isOn, hold.held, went], [false, 0, ["/a"]]);
  assert.equal(timers.pending, 0);
});

test("a hold for which nobody came is over at once", () => {
  const { hold } = startHold();
  hold.begin(7, 1_000);
  hold.release(7);
  assert.equal(hold.isOn, false);
});

test("a hold ends by itself, each after its own time", () => {
  const { hold, timers, went, take, rounds } = startHold();
  hold.begin(1, 1_000);
  hold.begin(2, 2_000);
  take("/a");
  timers.pass(1_999);
  rounds();
  assert.deepEqual([hold.isOn, went], [true, []]);
  timers.pass(1);
  rounds();
  assert.deepEqual([hold.isOn, went], [false, ["/a"]]);
});

test("a hold that is begun again counts from then", () => {
  const { hold, timers } = startHold();
  hold.begin(1, 1_000);
  timers.pass(900);
  hold.begin(1, 1_000);
  assert.equal(timers.pending, 1);
  timers.pass(900);
  assert.equal(hold.isOn, true);
  timers.pass(100);
  assert.equal(hold.isOn, false);
});

test("the end of a hold that is not on changes nothing", () => {
  const { hold } = startHold();
  hold.release(1);
  assert.equal(hold.isOn, false);
  hold.begin(2, 1_000);
  hold.release(1);
  hold.release(3);
  assert.equal(hold.isOn, true);
});

test("10,000 go on in their order and in small batches, and what comes meanwhile goes behind them", () => {
  const { hold, timers, went, onGoing, take, rounds } = startHold();
  hold.begin(1, 1_000);
  for (const target of targets(0, 10_000)) take(target);
  hold.release(1);
  assert.equal(went.length, 0, "not within the message");
  const batches: number[] = [];
  let before = 0;
  onGoing.do = (target) => {
    assert.equal(hold.isOn, true, "new ones wait as long as somebody does");
    if (target === "/5000") take("/late");
  };
  while (timers.round()) {
    batches.push(went.length - before);
    before = went.length;
  }
  assert.deepEqual(went, [...targets(0, 10_000), "/late"]);
  assert.deepEqual([hold.isOn, hold.held, rounds()], [false, 0, 0]);
  assert.equal(batches[0], 64);
  assert.ok(Math.max(...batches) < 750, `${Math.max(...batches)} at once`);
});

test("although as many come as go, the queue is empty after a while", () => {
  const { hold, timers, went, take } = startHold();
  hold.begin(1, 1_000);
  for (const target of targets(0, 1_000)) take(target);
  hold.release(1);
  let seen = 0;
  for (let round = 0; round < 200 && timers.round(); round++) {
    for (const target of went.slice(seen)) if (hold.isOn) take(target);
    seen = went.length;
  }
  assert.equal(hold.isOn, false);
});

test("a hold that begins while others are let go keeps those that are left, in their order", () => {
  const { hold, timers, went, take, rounds } = startHold();
  hold.begin(1, 1_000);
  for (const target of targets(0, 200)) take(target);
  hold.release(1);
  timers.round();
  const first = went.length;
  hold.begin(2, 1_000);
  rounds();
  take("/200");
  assert.deepEqual([went.length, hold.held], [first, 201 - first]);
  hold.release(2);
  rounds();
  assert.deepEqual(went, targets(0, 201));
});

test("two holds that end in one round of the event loop let go one batch a round", () => {
  const { hold, timers, went, take } = startHold();
  hold.begin(1, 1_000);
  for (const target of targets(0, 200)) take(target);
  hold.release(1);
  hold.begin(2, 1_000);
  hold.release(2);
  timers.round();
  assert.equal(went.length, 64);
});

test("no more go on than there is room for; the others look again, and nobody overtakes them", () => {
  const pace = { free: 3, room: () => pace.free, limitMs: 1_000 };
  const { hold, timers, went, onGoing, take, rounds } = startHold({}, pace);
  onGoing.do = () => void pace.free--;
  hold.begin(1, 60_000);
  for (const target of targets(0, 5)) take(target);
  hold.release(1);
  rounds();
  assert.deepEqual([went, hold.isOn], [targets(0, 3), true]);
  take("/5");
  pace.free = 2;
  timers.pass(5);
  rounds();
  assert.deepEqual([went, hold.isOn], [targets(0, 5), true]);
  pace.free = 2;
  timers.pass(5);
  rounds();
  assert.deepEqual([went, hold.isOn, timers.pending], [targets(0, 6), false, 0]);
});

test("where no room comes they all go on after the time limit, in small batches", () => {
  const { hold, timers, went, take, rounds } = startHold({}, { room: () => 0, limitMs: 1_000 });
  hold.begin(1, 60_000);
  for (const target of targets(0, 200)) take(target);
  hold.release(1);
  for (let ms = 5; ms < 1_000; ms += 5) {
    timers.pass(5);
    rounds();
  }
  assert.equal(went.length, 0);
  timers.pass(5);
  assert.equal(went.length, 64);
  rounds();
  assert.deepEqual([went, hold.isOn, timers.pending], [targets(0, 200), false, 0]);
});

test("a hold that begins while others look for room keeps them, and lets them look as long again", () => {
  const { hold, timers, went, take, rounds } = startHold({}, { room: () => 0, limitMs: 10 });
  hold.begin(1, 60_000);
  take("/a");
  hold.release(1);
  timers.pass(5);
  hold.begin(2, 60_000);
  timers.pass(5);
  rounds();
  assert.deepEqual([went, timers.pending], [[], 1]);
  hold.release(2);
  timers.pass(5);
  assert.deepEqual(went, []);
  timers.pass(5);
  rounds();
  assert.deepEqual([went, hold.isOn, timers.pending], [["/a"], false, 0]);
});

test("a worker that ends lets all go on, and begins no hold any more", () => {
  const { hold, timers, went, take, rounds } = startHold();
  hold.begin(1, 1_000);
  hold.begin(2, 1_000);
  take("/a");
  hold.close(30_000);
  hold.begin(3, 1_000);
  rounds();
  assert.deepEqual([hold.isOn, went, timers.pending], [false, ["/a"], 0]);
});

test("a worker that ends lets those go on who look for room, half its grace before its end at the latest", () => {
  const { hold, timers, went, take, rounds } = startHold({}, { room: () => 0, limitMs: 5_000 });
  hold.begin(1, 60_000);
  take("/a");
  hold.release(1); // looks for the first time
  hold.begin(2, 60_000);
  hold.close(20);
  timers.pass(5);
  timers.pass(5);
  assert.deepEqual(went, []);
  timers.pass(5);
  rounds();
  assert.deepEqual([went, hold.isOn, timers.pending], [["/a"], false, 0]);
});

test("one more than may wait is refused, also while others are let go", () => {
  const { hold, timers, went, refused, take, rounds } = startHold({ maxRequests: 100 });
  hold.begin(1, 1_000);
  for (const target of targets(0, 100)) take(target);
  assert.equal(take("/100", "PUT"), null);
  hold.release(1);
  timers.round();
  for (const target of targets(101, 101 + 64)) take(target);
  assert.equal(take("/165", "POST"), null);
  rounds();
  assert.deepEqual(refused, ["PUT HOLD_FULL", "POST HOLD_FULL"]);
  assert.deepEqual(went, [...targets(0, 100), ...targets(101, 165)]);
});

test("one whose head is more than there is room for is refused; one that left makes room", () => {
  const size = "GET /0 HTTP/1.1\r\nHost: h\r\n\r\n".length;
  const { hold, refused, gone, take } = startHold({ maxBytes: 2 * size });
  hold.begin(1, 1_000);
  take("/0");
  const second = take("/1");
  assert.equal(take("/2"), null);
  second?.onClientGone();
  assert.notEqual(take("/3"), null);
  assert.deepEqual([refused, gone, hold.held], [["GET HOLD_FULL"], ["GET"], 2]);
});

test("what is read of a body counts; the one that is too much is refused and makes room", () => {
  const { hold, went, refused, take, rounds } = startHold({ maxBytes: 1_000 });
  hold.begin(1, 1_000);
  const growing = take("/growing", "POST");
  const second = take("/second", "PUT");
  growing?.onReadAhead(400);
  growing?.onReadAhead(600); // of all that was read, not of what came since
  second?.onReadAhead(400);
  assert.deepEqual([refused, hold.held], [["PUT HOLD_FULL"], 1]);
  assert.notEqual(take("/third"), null);
  hold.release(1);
  rounds();
  assert.deepEqual(went, ["/growing", "/third"]);
});

test("one that left is forgotten, also when it was the last", () => {
  const { hold, went, gone, take, rounds } = startHold();
  hold.begin(1, 1_000);
  const left = take("/a");
  hold.release(1);
  left?.onClientGone();
  rounds();
  assert.deepEqual([went, gone, hold.held, hold.isOn], [[], ["GET"], 0, false]);
});
