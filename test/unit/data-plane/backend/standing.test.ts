/** Standing: everything known of a backend becomes one factor and one name. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { BreakerConfig, OutlierConfig } from "../../../../src/config/pool-config.ts";
import type { HealthVerdict } from "../../../../src/config/snapshot.ts";
import type { Outcome } from "../../../../src/core/outcome.ts";
import {
  type Facts,
  type Pass,
  Standing,
  type StandingOptions,
} from "../../../../src/data-plane/backend/standing.ts";

const OUTLIER: OutlierConfig = {
  window: 100,
  errorRatio: 0.5,
  minRequests: 20,
  ejectForMs: 30_000,
  maxEjectedRatio: 0.5,
  degradedRatio: 0.3,
};
const BREAKER: BreakerConfig = {
  window: 100,
  errorRatio: 0.9,
  minRequests: 50,
  consecutiveFailures: 30,
  openForMs: 10_000,
  halfOpenRequests: 2,
};
const WELL: Facts = { health: "healthy", isDrained: false, isReachable: true };

interface Scene {
  readonly standing: Standing;
  /** What was told, in order; a dot: the factor may have changed. */
  readonly told: string[];
}

function scene(config: Partial<StandingOptions["config"]> = {}, facts: Facts = WELL): Scene {
  const told: string[] = [];
  const standing = new Standing(
    {
      config: { outlier: OUTLIER, breaker: null, slowStartMs: 0, ...config },
      mayEject: () => true,
      onChange: () => void told.push("."),
      onEvent: (event) => void told.push(event),
    },
    facts,
  );
  return { standing, told };
}

/** `S` good, `F` failed. */
function noteAll(standing: Standing, outcomes: string, nowMs = 0): void {
  for (const outcome of outcomes)
    standing.end(standing.begin(nowMs), outcome === "F" ? "failed" : "good", nowMs);
}

/** Its factor and its name. */
function look(standing: Standing, nowMs = 0): [number, string] {
  return [Number(standing.factor(nowMs).toFixed(3)), standing.name(nowMs)];
}

test("the probes' verdict, a drain and reachability each say how much of the weight counts", () => {
  const seen = (facts: Partial<Facts>): [number, string] => look(scene({}, { ...WELL, ...facts }).standing);
  assert.deepEqual(seen({}), [1, "healthy"]);
  assert.deepEqual(seen({ health: "unknown" }), [1, "unknown"]);
  assert.deepEqual(seen({ health: "degraded" }), [0.5, "degraded"]);
  assert.deepEqual(seen({ health: "unhealthy" }), [0, "unhealthy"]);
  assert.deepEqual(seen({ isReachable: false }), [0, "unhealthy"]);
  assert.deepEqual(seen({ isDrained: true }), [0, "healthy"]);
});

// The guide's graded answer, row by row.
test("healthy to degraded: more than degraded_ratio fails, or a probe failed", () => {
  const { standing, told } = scene();
  noteAll(standing, `${"S".repeat(14)}${"F".repeat(6)}`);
  assert.deepEqual(look(standing), [0.5, "degraded"]);
  assert.deepEqual(told, [".", "degraded"]);
  const probed = scene();
  probed.standing.learn({ ...WELL, health: "degraded" }, 0);
  assert.deepEqual(look(probed.standing), [0.5, "degraded"]);
});

test("degraded by the probes and by its answers at once is not halved twice", () => {
  const { standing } = scene({}, { ...WELL, health: "degraded" });
  noteAll(standing, `${"S".repeat(14)}${"F".repeat(6)}`);
  assert.deepEqual(look(standing), [0.5, "degraded"]);
});

test("degraded to unhealthy: too many fail, or the probes say so", () => {
  const { standing, told } = scene();
  noteAll(standing, `${"S".repeat(14)}${"F".repeat(10)}`);
  assert.deepEqual(look(standing), [0, "ejected"]);
  assert.deepEqual(told, [".", "degraded", ".", "ejected"]);
  standing.learn({ ...WELL, health: "unhealthy" }, 0);
  assert.deepEqual(look(standing), [0, "unhealthy"]);
});

test("unhealthy to degraded to healthy: as the probes pass, and nothing of before is held against it", () => {
  const { standing } = scene({}, { ...WELL, health: "unhealthy" });
  noteAll(standing, "F".repeat(20)); // the last requests that ran on it
  standing.learn({ ...WELL, health: "degraded" }, 0);
  assert.deepEqual(look(standing), [0.5, "degraded"]);
  standing.learn(WELL, 0);
  assert.deepEqual(look(standing), [1, "healthy"]);
});

test("degraded to healthy: only when both its answers and its probes are good again", () => {
  const { standing, told } = scene({}, { ...WELL, health: "degraded" });
  noteAll(standing, `${"S".repeat(14)}${"F".repeat(6)}${"S".repeat(100)}`);
  for (let second = 1; second <= 5; second++) standing.tick(second * 1_000);
  assert.equal(told.at(-1), "recovered");
  assert.deepEqual(look(standing), [0.5, "degraded"]);
  standing.learn(WELL, 6_000);
  assert.deepEqual(look(standing), [1, "healthy"]);
});

test("a backend that comes back climbs, whatever it was away for; one that was there from the start does not", () => {
  for (const away of [{ health: "unhealthy" }, { isReachable: false }, { isDrained: true }] as const) {
    const { standing, told } = scene({ slowStartMs: 10_000 });
    assert.deepEqual(look(standing), [1, "healthy"]);
    standing.learn({ ...WELL, ...away }, 1_000);
    standing.learn(WELL, 2_000);
    assert.deepEqual(look(standing, 2_000), [0.1, "warming"]);
    told.length = 0;
    for (let second = 3; second <= 20; second++) standing.tick(second * 1_000);
    assert.equal(told.length, 10, "the pool is told while it climbs, and once when it is up");
    assert.deepEqual(look(standing, 7_000), [0.55, "warming"]);
    assert.deepEqual(look(standing, 12_000), [1, "healthy"]);
  }
  const fresh = scene({ slowStartMs: 10_000 }, { ...WELL, health: "unknown" });
  fresh.standing.learn(WELL, 100);
  assert.deepEqual(look(fresh.standing, 100), [1, "healthy"]);
});

test("ejected, tried one request at a time, restored, and up again", () => {
  const { standing, told } = scene({ slowStartMs: 10_000 });
  noteAll(standing, "F".repeat(20));
  told.length = 0;
  standing.tick(30_000);
  assert.deepEqual(look(standing, 30_000), [1, "ejected"]);
  const pass = standing.begin(30_000);
  assert.deepEqual(look(standing, 30_000), [0, "ejected"]);
  standing.end(pass, "good", 30_000);
  assert.deepEqual(look(standing, 30_000), [1, "ejected"]);
  noteAll(standing, "SS", 31_000);
  assert.deepEqual(look(standing, 31_000), [0.1, "warming"]);
  assert.deepEqual(told, [".", "on trial", ".", ".", ".", ".", ".", ".", "restored"]);
});

test("a breaker that opened takes everything away, lets a few through, and closes", () => {
  const { standing, told } = scene({ outlier: null, breaker: BREAKER, slowStartMs: 10_000 });
  noteAll(standing, "F".repeat(30));
  assert.deepEqual([standing.factor(0), standing.breakerState, standing.isLastResort], [0, "open", false]);
  standing.tick(10_000);
  const passes = [standing.begin(10_000), standing.begin(10_000)];
  assert.deepEqual(
    [standing.factor(10_000), standing.breakerState, standing.isLastResort],
    [0, "half-open", false],
  );
  for (const pass of passes) standing.end(pass, "good", 10_000);
  assert.deepEqual([look(standing, 10_000), standing.breakerState], [[0.1, "warming"], "closed"]);
  assert.deepEqual(
    told.filter((each) => each !== "."),
    ["breaker open", "breaker half-open", "breaker closed"],
  );
});

test("both at once: the breaker may be half-open for as long as it is ejected, and the trial closes it too", () => {
  const { standing } = scene({ breaker: { ...BREAKER, consecutiveFailures: 10 } });
  noteAll(standing, "F".repeat(20));
  assert.deepEqual([standing.breakerState, standing.isEjected], ["open", true]);
  for (let second = 1; second <= 30; second++) standing.tick(second * 1_000);
  assert.deepEqual(
    [standing.breakerState, standing.isEjected, standing.factor(30_000)],
    ["half-open", true, 1],
  );
  noteAll(standing, "SSS", 30_000);
  assert.deepEqual([standing.breakerState, look(standing, 30_000)], ["closed", [1, "healthy"]]);
});

test("as a last resort it is used whatever its health, but not when it is drained or its breaker is open", () => {
  const { standing } = scene({ breaker: BREAKER }, { ...WELL, health: "unhealthy" });
  noteAll(standing, "F".repeat(20));
  assert.deepEqual([standing.factor(0), standing.isEjected, standing.isLastResort], [0, true, true]);
  standing.learn({ ...WELL, isDrained: true }, 0);
  assert.equal(standing.isLastResort, false);
});

test("probes that pass again restore an ejected backend; a connection that opens again does not", () => {
  const { standing } = scene();
  noteAll(standing, "F".repeat(20));
  standing.learn({ ...WELL, isReachable: false }, 0);
  standing.learn(WELL, 0);
  assert.equal(standing.isEjected, true);
  standing.learn({ ...WELL, health: "unhealthy" }, 0);
  standing.learn(WELL, 0);
  assert.equal(standing.isEjected, false);
});

test("one that was away and takes connections again is tried at once, and nothing is forgiven", () => {
  const { standing, told } = scene({ breaker: BREAKER });
  noteAll(standing, "F".repeat(30));
  standing.learn({ ...WELL, isReachable: false }, 1_000);
  assert.deepEqual([standing.isEjected, standing.breakerState], [true, "open"]);
  standing.learn(WELL, 2_000);
  assert.deepEqual(told.slice(-3), ["on trial", "breaker half-open", "reachable"]);
  assert.notEqual(look(standing, 2_000)[0], 0, "the first of the trial may come");
  noteAll(standing, "F");
  assert.deepEqual([look(standing, 2_000)[0], standing.isEjected, standing.breakerState], [0, true, "open"]);
});

test("one whose breaker is open is called so", () => {
  const { standing } = scene({ outlier: null, breaker: BREAKER });
  noteAll(standing, "F".repeat(30));
  assert.deepEqual(look(standing), [0, "breaker-open"]);
});

test("what says nothing of the backend changes nothing", () => {
  const { standing, told } = scene({ breaker: BREAKER });
  for (let i = 0; i < 100; i++) standing.end(standing.begin(0), "none", 0);
  noteAll(standing, "F".repeat(19));
  assert.deepEqual([look(standing), told], [[1, "healthy"], []]);
});

test("whatever happens, the factor is in range, it is told of each change, and good outcomes bring all of it back", () => {
  const verdicts: HealthVerdict[] = ["unknown", "healthy", "degraded", "unhealthy"];
  const event = fc.record({
    what: fc.constantFrom("begin", "end", "learn", "tick", "fail"),
    outcome: fc.constantFrom<Outcome>("good", "failed", "failed", "none"),
    health: fc.constantFrom(...verdicts),
    isDrained: fc.boolean(),
    isReachable: fc.boolean(),
    times: fc.integer({ min: 1, max: 20 }),
  });
  const outlier = { ...OUTLIER, window: 10, minRequests: 4, ejectForMs: 2_000 };
  const breaker = { ...BREAKER, window: 10, minRequests: 5, consecutiveFailures: 4, openForMs: 1_000 };
  const config = fc.constantFrom(
    { outlier, breaker, slowStartMs: 5_000 },
    { outlier: null, breaker, slowStartMs: 0 },
    { outlier, breaker: null, slowStartMs: 5_000 },
  );
  fc.assert(
    fc.property(config, fc.array(event, { maxLength: 150 }), (chosen, events) => {
      const { standing, told } = scene(chosen);
      const running: (Pass | null)[] = [];
      let nowMs = 0;
      let lastFactor = standing.factor(0);
      for (const { what, outcome, health, isDrained, isReachable, times } of events) {
        told.length = 0;
        if (what === "begin") running.push(standing.begin(nowMs));
        else if (what === "end") standing.end(running.pop() ?? null, outcome, nowMs);
        else if (what === "learn") standing.learn({ health, isDrained, isReachable }, nowMs);
        else if (what === "fail") noteAll(standing, "F".repeat(times), nowMs);
        else {
          nowMs += times * 100;
          standing.tick(nowMs);
        }
        const factor = standing.factor(nowMs);
        assert.ok(factor >= 0 && factor <= 1 && (factor === 0 || factor >= 0.01), `${factor}`);
        assert.ok(
          factor === lastFactor || told.length > 0,
          `${what}: ${lastFactor} became ${factor} in silence`,
        );
        lastFactor = factor;
      }
      standing.learn(WELL, nowMs);
      for (let second = 1; second <= 90; second++) {
        standing.tick(nowMs + second * 1_000);
        if (standing.factor(nowMs + second * 1_000) > 0) noteAll(standing, "SSSSS", nowMs + second * 1_000);
      }
      assert.deepEqual([look(standing, nowMs + 90_000), standing.breakerState], [[1, "healthy"], "closed"]);
    }),
    { numRuns: 300 },
  );
});

test("one that cannot be reached, and can again, is told once each; of another fact nothing", () => {
  const { standing, told } = scene();
  standing.learn({ ...WELL, isReachable: false }, 0);
  standing.learn({ ...WELL, isReachable: false, isDrained: true }, 1);
  standing.learn(WELL, 2);
  assert.deepEqual(
    told.filter((event) => event !== "."),
    ["unreachable", "reachable"],
  );
});
