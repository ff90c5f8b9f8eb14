/** Breaker: closed, open, half-open, and never stuck in one of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { BreakerConfig } from "../../../../src/config/pool-config.ts";
import { Breaker } from "../../../../src/data-plane/backend/breaker.ts";
import type { TrialPlace } from "../../../../src/data-plane/backend/trial.ts";

const CONFIG: BreakerConfig = {
  window: 20,
  errorRatio: 0.5,
  minRequests: 10,
  consecutiveFailures: 5,
  openForMs: 10_000,
  halfOpenRequests: 3,
};

function noteAll(breaker: Breaker, outcomes: string, nowMs = 0): void {
  for (const outcome of outcomes) breaker.note(outcome === "F", nowMs);
}

function enter(breaker: Breaker, nowMs: number): TrialPlace {
  const place = breaker.enter(nowMs);
  assert.ok(place !== null, "half-open lets one through");
  return place;
}

/** Half-open at 10 s. */
function halfOpen(): Breaker {
  const breaker = new Breaker(CONFIG);
  noteAll(breaker, "FFFFF");
  breaker.tick(10_000);
  assert.equal(breaker.state, "half-open");
  return breaker;
}

test("it opens after so many failures in a row, and a good one between them begins anew", () => {
  const breaker = new Breaker(CONFIG);
  noteAll(breaker, "SSSSSSSSSSFFFFSFFFF");
  assert.deepEqual([breaker.state, breaker.isPassable], ["closed", true]);
  assert.equal(breaker.note(true, 0), true);
  assert.deepEqual([breaker.state, breaker.isPassable], ["open", false]);
});

test("it opens when the ratio of the window is reached, of no fewer than min_requests", () => {
  const breaker = new Breaker(CONFIG);
  noteAll(breaker, "FSFSFSFSF"); // 5 of 9
  assert.equal(breaker.state, "closed");
  noteAll(breaker, "F"); // 6 of 10
  assert.equal(breaker.state, "open");
});

test("after open_for it lets half_open_requests through at once, and as many good ones close it", () => {
  const breaker = new Breaker(CONFIG);
  noteAll(breaker, "FFFFF", 500);
  assert.equal(breaker.openUntilMs, 10_500);
  assert.deepEqual([breaker.tick(10_499), breaker.enter(10_499)], [false, null]);
  assert.deepEqual([breaker.tick(10_500), breaker.state, breaker.isPassable], [true, "half-open", true]);
  const places = [1, 2, 3].map(() => enter(breaker, 10_500));
  assert.deepEqual([breaker.isPassable, breaker.enter(10_500)], [false, null]);
  for (const place of places) {
    assert.equal(breaker.state, "half-open");
    assert.equal(breaker.leave(place, "good", 10_600), true);
  }
  assert.deepEqual([breaker.state, breaker.isPassable], ["closed", true]);
  noteAll(breaker, "FFFF", 10_700);
  assert.equal(breaker.state, "closed", "the row is forgotten");
  noteAll(breaker, "SFSFS", 10_700);
  assert.equal(breaker.state, "closed", "the window is forgotten");
});

test("one bad request opens it again, for twice as long each time and at most ten times; closed, it begins anew", () => {
  const breaker = halfOpen();
  let nowMs = 10_000;
  const times: number[] = [];
  for (let i = 0; i < 6; i++) {
    const [first, second] = [enter(breaker, nowMs), enter(breaker, nowMs)];
    breaker.leave(first, "good", nowMs);
    breaker.leave(second, "failed", nowMs);
    times.push((breaker.openUntilMs - nowMs) / CONFIG.openForMs);
    nowMs = breaker.openUntilMs;
    breaker.tick(nowMs);
  }
  assert.deepEqual(times, [2, 4, 8, 10, 10, 10]);
  for (let i = 0; i < 3; i++) breaker.leave(enter(breaker, nowMs), "good", nowMs);
  assert.equal(breaker.state, "closed");
  noteAll(breaker, "FFFFF", nowMs);
  assert.equal(breaker.openUntilMs, nowMs + CONFIG.openForMs);
});

test("a request of half-open whose client left gives its place back, whether it ever ends or not", () => {
  const breaker = halfOpen();
  for (let i = 0; i < 10; i++) breaker.leave(enter(breaker, 10_000), "none", 10_000);
  const stuck = [1, 2, 3].map(() => enter(breaker, 10_000));
  assert.equal(breaker.isPassable, false);
  breaker.tick(20_000);
  assert.equal(breaker.isPassable, true);
  for (let i = 0; i < 2; i++) breaker.leave(enter(breaker, 20_000), "good", 20_000);
  for (const place of stuck) breaker.leave(place, "none", 20_000);
  assert.equal(breaker.state, "half-open");
  breaker.leave(enter(breaker, 20_000), "good", 20_000);
  assert.equal(breaker.state, "closed");
});

test("what began before it opened neither closes it nor keeps it open for longer", () => {
  const breaker = halfOpen();
  noteAll(breaker, "FFFFFFSSSSSS", 10_000);
  assert.equal(breaker.state, "half-open");
  const early = enter(breaker, 10_000);
  breaker.leave(enter(breaker, 10_000), "failed", 10_000);
  breaker.leave(early, "failed", 10_100);
  assert.deepEqual([breaker.state, breaker.openUntilMs], ["open", 30_000]);
  breaker.tick(30_000);
  breaker.leave(early, "failed", 30_000);
  assert.equal(breaker.state, "half-open");
});

test("whatever happens, it closes once all is good", () => {
  const event = fc.record({
    what: fc.constantFrom("F", "S", "enter", "good", "failed", "none", "tick"),
    times: fc.integer({ min: 1, max: 20 }),
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.array(event, { maxLength: 200 }),
      (halfOpenRequests, events) => {
        const breaker = new Breaker({ ...CONFIG, halfOpenRequests });
        const held: TrialPlace[] = [];
        let nowMs = 0;
        for (const { what, times } of events) {
          if (what === "tick") {
            nowMs += times * 500;
            breaker.tick(nowMs);
          } else if (what === "F" || what === "S") noteAll(breaker, what.repeat(times), nowMs);
          else if (what === "enter") {
            const place = breaker.enter(nowMs);
            if (place !== null) held.push(place);
          } else {
            const place = held.pop();
            if (place !== undefined) breaker.leave(place, what as "good" | "failed" | "none", nowMs);
          }
          assert.ok(breaker.openUntilMs - nowMs <= 10 * CONFIG.openForMs);
        }
        // Those that still hold a place never end.
        for (let second = 1; second <= 120; second++) {
          breaker.tick(nowMs + second * 1_000);
          const place = breaker.enter(nowMs + second * 1_000);
          if (place !== null) breaker.leave(place, "good", nowMs + second * 1_000);
          else breaker.note(false, nowMs + second * 1_000);
        }
        assert.equal(breaker.state, "closed");
      },
    ),
    { numRuns: 300 },
  );
});
