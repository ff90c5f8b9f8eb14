/** What a pool offers its balancer, and what becomes of backends when the members change. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type BreakerConfig, type OutlierConfig, versionOfOne } from "../../../../src/config/pool-config.ts";
import type { BackendSnapshot } from "../../../../src/config/snapshot.ts";
import type { Outcome } from "../../../../src/core/outcome.ts";
import type { Backend } from "../../../../src/data-plane/backend/backend.ts";
import type { Balancer, Candidates } from "../../../../src/data-plane/backend/candidates.ts";
import type { RunningRequest } from "../../../../src/data-plane/backend/running.ts";
import { memberOf, poolOf } from "../../../support/pools-of.ts";

/** The first available row, and everything it was told. */
class First implements Balancer {
  resets = 0;
  picks = 0;
  seen: Candidates | null = null;

  reset(candidates: Candidates): void {
    this.resets++;
    this.seen = candidates;
  }

  pick({ weights }: Candidates): number {
    this.picks++;
    return weights.findIndex((weight) => weight > 0);
  }
}

const OUTLIER: OutlierConfig = {
  window: 10,
  errorRatio: 0.5,
  minRequests: 4,
  ejectForMs: 5_000,
  maxEjectedRatio: 0.5,
  degradedRatio: 0.3,
};
const BREAKER: BreakerConfig = {
  window: 10,
  errorRatio: 0.5,
  minRequests: 4,
  consecutiveFailures: 4,
  openForMs: 5_000,
  halfOpenRequests: 2,
};

interface Setting {
  readonly outlier?: OutlierConfig;
  readonly breaker?: BreakerConfig;
  readonly slowStartMs?: number;
  readonly maxInFlight?: number;
  readonly maxRetries?: number;
  readonly whenAllUnhealthy?: "use-all" | "refuse";
}

const member = (name: string, more: Partial<BackendSnapshot> = {}) => memberOf(`http://${name}`, more);

function startPool(
  members: readonly BackendSnapshot[],
  { maxInFlight = Number.POSITIVE_INFINITY, maxRetries = Number.POSITIVE_INFINITY, ...setting }: Setting = {},
) {
  const balancer = new First();
  const clock = { nowMs: 0 };
  const told: string[] = [];
  const pool = poolOf(
    { ...versionOfOne("v1", "http://a"), ...setting },
    {
      balancer,
      maxInFlight,
      maxRetries,
      nowMs: () => clock.nowMs,
      watch: {
        onStanding: ({ name }, event) => void told.push(`${name.slice("http://".length)} ${event}`),
        onMood: (_, mood) => void told.push(mood),
      },
    },
  );
  const apply = (backends: readonly BackendSnapshot[]) => pool.apply({ version: "v1", backends });
  apply(members);
  /** So many seconds pass, with a tick in each. */
  const pass = (seconds: number): void => {
    for (let second = 0; second < seconds; second++) {
      clock.nowMs += 1_000;
      pool.tick(clock.nowMs);
    }
  };
  /** An attempt at the backend of that name. */
  const attempt = (name: string, outcome: Outcome, times = 1): void => {
    const { standing } = pool.backends.find((backend) => backend.name === `http://${name}`) as Backend;
    for (let i = 0; i < times; i++) standing.end(standing.begin(clock.nowMs), outcome, clock.nowMs);
  };
  return {
    pool,
    balancer,
    told,
    pass,
    attempt,
    apply,
    weights: () => pool.backends.map((backend) => pool.weightOf(backend)),
  };
}

const request = (): RunningRequest => ({ place: 0, cutForDrain: () => {}, checkTimeLimits: () => {} });
const names = (backends: readonly Backend[]): string[] =>
  backends.map(({ name }) => name.slice("http://".length));

test("a pool of one picks it without asking its balancer", () => {
  const { pool, balancer } = startPool([member("a")]);
  assert.equal(pool.pick(0)?.name, "http://a");
  assert.equal(balancer.picks, 0);
});

test("a pool of one whose backend is drained has none, and one that is unfit is used all the same", () => {
  const { pool, apply } = startPool([member("a", { isDrained: true })]);
  assert.equal(pool.pick(0), null);
  apply([member("a", { health: "unhealthy" })]);
  assert.deepEqual([pool.pick(0)?.name, pool.isPanicking], ["http://a", true]);
});

for (const { what, change, weight } of [
  { what: "is healthy", change: { health: "healthy" }, weight: 4 },
  { what: "is not known", change: { health: "unknown" }, weight: 4 },
  { what: "is degraded", change: { health: "degraded" }, weight: 2 },
  { what: "is unhealthy", change: { health: "unhealthy" }, weight: 0 },
  { what: "is drained", change: { isDrained: true }, weight: 0 },
  { what: "has weight 0", change: { weight: 0 }, weight: 0 },
] as const) {
  test(`a backend that ${what} counts with ${weight} of 4`, () => {
    const { weights } = startPool([member("a", { weight: 4, ...change }), member("b")]);
    assert.deepEqual(weights(), [weight, 1]);
  });
}

test("a backend that takes no connection is left out until it does", () => {
  const { pool, weights } = startPool([member("a"), member("b")]);
  const [a] = pool.backends;
  a?.setReachable(false);
  assert.deepEqual([weights(), pool.pick(0)?.name], [[0, 1], "http://b"]);
  a?.setReachable(true);
  assert.deepEqual(weights(), [1, 1]);
});

test("when none is fit all are used that are not drained by hand, or none, as the config says", () => {
  const members = [
    member("a", { health: "unhealthy", weight: 3 }),
    member("b", { health: "unhealthy" }),
    member("c", { isDrained: true }),
  ];
  const using = startPool(members);
  assert.deepEqual([using.weights(), using.pool.isPanicking], [[3, 1, 0], true]);
  const refusing = startPool(members, { whenAllUnhealthy: "refuse" });
  assert.deepEqual([refusing.weights(), refusing.pool.pick(0)], [[0, 0, 0], null]);
  using.apply([member("a", { health: "unhealthy" }), member("b", { health: "healthy" })]);
  assert.deepEqual([using.weights(), using.pool.isPanicking], [[0, 1], false]);
});

test("a backend at its limit takes nothing more until one has ended, and is not unfit for it", () => {
  const { pool, weights } = startPool([member("a"), member("b")], { maxInFlight: 2 });
  const [a, b] = pool.backends;
  const running = [request(), request()];
  for (const each of running) a?.begin(each);
  assert.deepEqual(weights(), [0, 1]);
  for (const each of [request(), request()]) b?.begin(each);
  assert.deepEqual([pool.pick(0), pool.isPanicking], [null, false]);
  a?.end(running[0] as RunningRequest);
  assert.deepEqual(weights(), [1, 0]);
});

test("tunnels count as in flight too", () => {
  const { pool, balancer } = startPool([member("a"), member("b")], { maxInFlight: 1 });
  const [a] = pool.backends;
  const tunnel = { turnAtMs: 0, endForDrain: () => {}, keep: () => {}, cutForDrain: () => {} };
  a?.tunnels.add(tunnel);
  assert.deepEqual([...(balancer.seen?.inFlight ?? [])], [1, 0]);
  assert.equal(pool.pick(0)?.name, "http://b");
  a?.tunnels.delete(tunnel);
  assert.equal(pool.pick(0)?.name, "http://a");
});

test("a retry goes to another one than those that were tried, and leaves the weights as they were", () => {
  const { pool, weights } = startPool([member("a"), member("b"), member("c")]);
  const [a, b, c] = pool.backends as [Backend, Backend, Backend];
  assert.equal(pool.pickOther([a], 0), b);
  assert.equal(pool.pickOther([a, b], 0), c);
  assert.equal(pool.pickOther([a, b, c], 0), null);
  assert.equal(pool.pickOther([a, a], 0), b);
  assert.deepEqual(weights(), [1, 1, 1]);
});

test("a backend whose name stays is the same, with what runs on it; the others come and leave", () => {
  const { pool, apply, balancer } = startPool([member("a"), member("b"), member("c")]);
  const [, b] = pool.backends as [Backend, Backend, Backend];
  b.begin(request());
  pool.noteLatency(b, 8);
  const change = apply([member("d"), member("b", { weight: 7 })]);
  assert.deepEqual([names(change.came), names(change.left)], [["d"], ["a", "c"]]);
  assert.equal(pool.backends[1], b);
  assert.deepEqual(
    [[...(balancer.seen?.inFlight ?? [])], [...(balancer.seen?.latencyMs ?? [])], b.weight],
    [[0, 1], [0, 8], 7],
  );
  assert.deepEqual(
    change.left.map(({ row }) => row),
    [-1, -1],
  );
});

test("the balancer is told of new rows and weights, and not of what the probes say", () => {
  const { apply, balancer, weights } = startPool([member("a"), member("b")]);
  const told = (members: readonly BackendSnapshot[]): number => {
    const before = balancer.resets;
    apply(members);
    return balancer.resets - before;
  };
  assert.equal(told([member("a", { health: "unhealthy" }), member("b", { isDrained: true })]), 0);
  assert.deepEqual(weights(), [1, 0], "none is fit, and one is drained");
  assert.equal(told([member("a"), member("b")]), 0);
  assert.equal(told([member("a", { weight: 2 }), member("b")]), 1);
  assert.equal(told([member("b"), member("a", { weight: 2 })]), 1);
  assert.equal(told([member("b"), member("a", { weight: 2, origin: "http://elsewhere" })]), 1);
  assert.equal(told([member("b")]), 1);
});

test("what still runs on a backend that has left is no load of the one in its row now", () => {
  const { pool, apply, balancer } = startPool([member("a"), member("b")]);
  const [a] = pool.backends as [Backend, Backend];
  const last = request();
  a.begin(last);
  apply([member("b"), member("c")]);
  a.begin(request());
  a.end(last);
  a.setReachable(false);
  pool.noteLatency(a, 100);
  assert.deepEqual([...(balancer.seen?.inFlight ?? [])], [0, 0]);
  assert.deepEqual([...(balancer.seen?.latencyMs ?? [])], [0, 0]);
  assert.deepEqual([...(balancer.seen?.weights ?? [])], [1, 1]);
});

test("being drained by hand, and no longer, is told; a new origin under a known name is another backend", () => {
  const { pool, apply } = startPool([member("a"), member("b")]);
  assert.deepEqual(names(apply([member("a", { isDrained: true }), member("b")]).drained), ["a"]);
  assert.deepEqual(names(apply([member("a"), member("b")]).enabled), ["a"]);
  const [before] = pool.backends;
  const change = apply([member("a", { origin: "http://elsewhere" }), member("b")]);
  assert.deepEqual([names(change.came), change.left], [["a"], [before]]);
});

test("newer answers count more in the latency, and none is forgotten at once", () => {
  const { pool, balancer } = startPool([member("a"), member("b")]);
  const [a] = pool.backends as [Backend, Backend];
  pool.noteLatency(a, 10);
  assert.equal(balancer.seen?.latencyMs[0], 10);
  pool.noteLatency(a, 110);
  assert.equal(balancer.seen?.latencyMs[0], 20);
  for (let i = 0; i < 60; i++) pool.noteLatency(a, 110);
  assert.ok((balancer.seen?.latencyMs[0] ?? 0) > 109);
});

test("an ejected backend takes nothing until its trial, then one request at a time, then all of its weight", () => {
  const { pool, weights, attempt, pass, told } = startPool([member("a", { weight: 4 }), member("b")], {
    outlier: OUTLIER,
  });
  attempt("a", "failed", 4);
  assert.deepEqual(weights(), [0, 1]);
  pass(4);
  assert.deepEqual(weights(), [0, 1]);
  pass(1);
  assert.deepEqual(weights(), [4, 1]);
  const [a] = pool.backends as [Backend, Backend];
  const trial = a.standing.begin(5_000);
  assert.deepEqual(weights(), [0, 1]);
  a.standing.end(trial, "good", 5_000);
  attempt("a", "good", 2);
  assert.deepEqual(
    [weights(), told],
    [
      [4, 1],
      ["a ejected", "a on trial", "a restored"],
    ],
  );
});

test("no more are ejected than max_ejected_ratio of those that take traffic", () => {
  const members = ["a", "b", "c", "d"].map((name) => member(name));
  for (const idle of [{ isDrained: true }, { weight: 0 }]) {
    const others = ["e", "f"].map((name) => member(name, idle));
    const { weights, attempt } = startPool([...members, ...others], { outlier: OUTLIER });
    for (const { name } of members) attempt(name.slice("http://".length), "failed", 4);
    assert.deepEqual(weights(), [0, 0, 0.1, 0.1, 0, 0]);
  }
});

test("when a pool becomes smaller, those come back that it can no longer spare: whose time is over first", () => {
  const members = ["a", "b", "c", "d"].map((name) => member(name));
  const { apply, weights, attempt, pass, told } = startPool(members, { outlier: OUTLIER });
  attempt("b", "failed", 4);
  pass(1);
  attempt("a", "failed", 4);
  apply(members.slice(0, 3));
  assert.deepEqual([weights(), told.at(-1)], [[0, 1, 1], "b restored"]);
});

test("a pool of one is never ejected, and its breaker opens all the same", () => {
  const one = startPool([member("a")], { outlier: OUTLIER });
  one.attempt("a", "failed", 100);
  assert.equal(one.pool.pick(0)?.name, "http://a");
  const broken = startPool([member("a")], { breaker: BREAKER });
  broken.attempt("a", "failed", 4);
  assert.deepEqual([broken.pool.pick(0), broken.pool.isPanicking], [null, false]);
  broken.pass(5);
  const moods = broken.told.filter((each) => /^(shut|serving|panicking)$/.test(each));
  assert.deepEqual(moods, ["shut", "serving"]);
  assert.equal(broken.pool.pick(0)?.name, "http://a");
  broken.attempt("a", "good", 2);
  assert.deepEqual([broken.pool.pick(0)?.name, broken.balancer.picks], ["http://a", 1]);
});

test("when none is fit, those that take no connection or whose breaker is open are not used, as long as others are left", () => {
  const members = ["a", "b", "c"].map((name) => member(name, { health: "unhealthy" }));
  const { pool, weights, attempt } = startPool(members, { breaker: BREAKER });
  assert.deepEqual([weights(), pool.isPanicking], [[1, 1, 1], true]);
  pool.backends[0]?.setReachable(false);
  assert.deepEqual(weights(), [0, 1, 1]);
  attempt("b", "failed", 4);
  assert.deepEqual(weights(), [0, 0, 1]);
  pool.backends[2]?.setReachable(false);
  assert.deepEqual(weights(), [1, 0, 1]);
});

test("that all are used is told once, and that it is over, at most once a second", () => {
  const { apply, pass, told } = startPool([member("a"), member("b")]);
  const [ill, well] = ["unhealthy", "healthy"].map((health) => [
    member("a", { health: health as "healthy" }),
    member("b", { health: "unhealthy" }),
  ]) as [BackendSnapshot[], BackendSnapshot[]];
  apply(ill);
  assert.deepEqual(told, []);
  pass(3);
  assert.deepEqual(told, ["panicking"]);
  apply(well);
  apply(ill);
  pass(1);
  assert.deepEqual(told, ["panicking"]);
  apply(well);
  pass(2);
  assert.deepEqual(told, ["panicking", "serving"]);
});

test("a backend that comes later climbs over slow_start, beside those that stay", () => {
  const { apply, weights, pass } = startPool([member("a")], { slowStartMs: 10_000 });
  apply([member("a"), member("b")]);
  assert.deepEqual(weights(), [1, 0.1]);
  pass(10);
  assert.deepEqual(weights(), [1, 1]);
});

test("a backend that comes back climbs over slow_start, one that is there from the start does not", () => {
  const { pool, apply, weights, pass } = startPool([member("a", { weight: 10 }), member("b")], {
    slowStartMs: 10_000,
  });
  assert.deepEqual(weights(), [10, 1]);
  apply([member("a", { weight: 10, isDrained: true }), member("b")]);
  apply([member("a", { weight: 10 }), member("b")]);
  assert.deepEqual(weights(), [1, 1]);
  pass(10);
  pool.backends[0]?.setReachable(false);
  pool.backends[0]?.setReachable(true);
  assert.deepEqual(weights(), [1, 1]);
  pass(5);
  assert.deepEqual(weights(), [5.5, 1]);
  pass(5);
  assert.deepEqual(weights(), [10, 1]);
});

test("one that has left and still fails ejects nobody, and says nothing", () => {
  const { pool, apply, weights, told } = startPool([member("a"), member("b")], { outlier: OUTLIER });
  const [a] = pool.backends as [Backend, Backend];
  apply([member("b"), member("c")]);
  for (let i = 0; i < 10; i++) a.standing.end(null, "failed", 0);
  assert.deepEqual([weights(), told], [[1, 1], []]);
});

test("where none is used in need, one that is merely in doubt goes on being used when there is no other", () => {
  const { pool, weights } = startPool([member("a"), member("b")], { whenAllUnhealthy: "refuse" });
  const [a, b] = pool.backends;
  a?.doubt();
  assert.deepEqual(weights(), [0, 1]);
  b?.doubt();
  assert.deepEqual([weights(), pool.isPanicking], [[1, 1], false]);
  a?.setReachable(false);
  assert.deepEqual(weights(), [0, 1]);
  b?.setReachable(false);
  assert.deepEqual(weights(), [0, 0]);
});

test("a backend has room up to its limit, and none while it takes nothing", () => {
  const { pool } = startPool([member("a"), member("b", { isDrained: true })], { maxInFlight: 3 });
  const [a, b] = pool.backends as [Backend, Backend];
  a.begin(request());
  assert.deepEqual([pool.roomOf(a), pool.roomOf(b)], [2, 0]);
  const { pool: unlimited } = startPool([member("a")]);
  assert.equal(unlimited.roomOf(unlimited.backends[0] as Backend), Number.POSITIVE_INFINITY);
});

test("a verdict that comes while a backend is in doubt does not make it one that comes back", () => {
  const { pool, apply, weights, told } = startPool([member("a"), member("b")], { slowStartMs: 10_000 });
  const [a] = pool.backends;
  a?.doubt();
  apply([member("a", { health: "healthy" }), member("b")]);
  assert.deepEqual(weights(), [0, 1]);
  a?.setReachable(true);
  assert.deepEqual([weights(), told], [[1, 1], []]);
});
