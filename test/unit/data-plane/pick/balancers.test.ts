/**
 * What every balancer promises, whatever its algorithm: one set of cases for all of them, the guard included.
 *
 * What each promises besides is in the file of its name.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Balancer, BalancerKind, Candidates } from "../../../../src/data-plane/pick/balancer.ts";
import { guarded } from "../../../../src/data-plane/pick/guard.ts";
import { BALANCERS } from "../../../../src/data-plane/pick/registry.ts";
import { candidatesOf, equalCandidates, setAvailable } from "../../../support/candidates.ts";
import { createBalancer, picks, share, someKey } from "./picks.ts";

const ALL: readonly (readonly [name: string, kind: BalancerKind])[] = [
  ...Object.entries(BALANCERS),
  ["a guarded one", guarded(BALANCERS.random, (what) => assert.fail(what))],
];

/** Pools in any state: weights of 0 among them, rows busy and slow. */
const anyPool: fc.Arbitrary<Candidates> = fc
  .array(
    fc.record({
      configured: fc.oneof(fc.integer({ min: 1, max: 1_000 }), fc.constant(0)),
      grade: fc.constantFrom(0, 0, 0.05, 0.5, 1),
      inFlight: fc.nat(100),
      latencyMs: fc.oneof(fc.constant(0), fc.double({ min: 0.01, max: 10_000, noNaN: true })),
    }),
    { maxLength: 40 },
  )
  .map((rows) => ({
    names: rows.map((_, row) => `b${row}`),
    configuredWeights: Float64Array.from(rows, ({ configured }) => configured),
    weights: Float64Array.from(rows, ({ configured, grade }) => configured * grade),
    inFlight: Float64Array.from(rows, ({ inFlight }) => inFlight),
    latencyMs: Float64Array.from(rows, ({ latencyMs }) => latencyMs),
  }));

function assertSoundPick(candidates: Candidates, row: number): void {
  if (row === -1) assert.ok(candidates.weights.every((weight) => weight === 0));
  else assert.ok((candidates.weights[row] ?? 0) > 0, `row ${row}`);
}

for (const [name, kind] of ALL) {
  const create = (candidates: Candidates, seed = 1): Balancer => createBalancer(kind, candidates, { seed });

  test(`${name}: nobody is picked of a pool that is empty`, () => {
    const candidates = candidatesOf({});
    assert.deepEqual(picks(create(candidates), candidates, 3), [-1, -1, -1]);
  });

  test(`${name}: nobody is picked when nobody is available, and somebody as soon as one is again`, () => {
    const candidates = equalCandidates(3);
    const balancer = create(candidates);
    for (const row of [0, 1, 2]) setAvailable(candidates, row, false);
    assert.deepEqual(picks(balancer, candidates, 3), [-1, -1, -1]);
    setAvailable(candidates, 1, true);
    assert.deepEqual(picks(balancer, candidates, 3), [1, 1, 1]);
  });

  test(`${name}: a backend that is alone gets everything`, () => {
    const candidates = equalCandidates(1);
    assert.deepEqual(picks(create(candidates), candidates, 3), [0, 0, 0]);
  });

  test(`${name}: whatever state a pool is in, only an available backend is picked, and one when there is any`, () => {
    fc.assert(
      fc.property(anyPool, fc.nat(), (candidates, seed) => {
        const balancer = create(candidates, seed);
        for (const row of picks(balancer, candidates, 20)) assertSoundPick(candidates, row);
      }),
    );
  });

  test(`${name}: the only available one of many is found wherever it stands`, () => {
    const candidates = equalCandidates(300);
    const balancer = create(candidates);
    candidates.weights.fill(0);
    for (const row of [0, 1, 150, 298, 299]) {
      setAvailable(candidates, row, true);
      candidates.inFlight[row] = 1_000;
      assert.deepEqual(picks(balancer, candidates, 3), [row, row, row]);
      setAvailable(candidates, row, false);
    }
  });

  test(`${name}: backends of the same weight, idle, get about the same`, () => {
    const candidates = equalCandidates(4);
    const picked = picks(create(candidates), candidates, 4_000);
    for (const row of [0, 1, 2, 3]) {
      assert.ok(Math.abs(share(picked, row) - 0.25) < 0.06, `row ${row}: ${share(picked, row)}`);
    }
  });

  test(`${name}: one that is not available gets nothing, and its part again when it is back`, () => {
    const candidates = equalCandidates(3);
    const balancer = create(candidates);
    picks(balancer, candidates, 5);
    setAvailable(candidates, 1, false);
    assert.equal(share(picks(balancer, candidates, 1_000), 1), 0);
    setAvailable(candidates, 1, true);
    assert.ok(share(picks(balancer, candidates, 1_000), 1) > 0.2);
  });

  test(`${name}: a weight of 0 in the config takes nothing`, () => {
    const candidates = candidatesOf({ a: 1, b: 0, c: 1 });
    const picked = picks(create(candidates), candidates, 1_000);
    assert.equal(share(picked, 1), 0);
    assert.ok(share(picked, 2) > 0.05);
  });

  test(`${name}: a backend that comes gets its part, one that leaves is never picked again`, () => {
    const before = candidatesOf({ a: 1, b: 1, c: 1 });
    const balancer = create(before);
    picks(balancer, before, 7);
    const more = candidatesOf({ a: 1, b: 1, c: 1, d: 1 });
    balancer.reset(more);
    assert.ok(share(picks(balancer, more, 1_000), 3) > 0.15);
    const less = candidatesOf({ d: 1, a: 1 });
    balancer.reset(less);
    const picked = picks(balancer, less, 1_000);
    assert.ok(share(picked, 0) > 0.35 && share(picked, 1) > 0.35);
    assert.equal(share(picked, 0) + share(picked, 1), 1);
  });

  test(`${name}: the rows may change in any way between any picks`, () => {
    fc.assert(
      fc.property(fc.array(anyPool, { minLength: 1, maxLength: 8 }), ([first, ...others]) => {
        const balancer = create(first ?? candidatesOf({}));
        for (const candidates of others) {
          balancer.reset(candidates);
          for (const row of picks(balancer, candidates, 5)) assertSoundPick(candidates, row);
        }
      }),
    );
  });

  test(`${name}: with the same seed it picks the same`, () => {
    const candidates = candidatesOf({ a: 3, b: 2, c: 1 });
    const [one, other] = [create(candidates, 42), create(candidates, 42)];
    assert.deepEqual(picks(one, candidates, 200), picks(other, candidates, 200));
  });

  test(`${name}: several workers share evenly in sum, few requests too`, () => {
    const workers = 4;
    const candidates = equalCandidates(4);
    const picked = Array.from({ length: workers }, (_, worker) => {
      const balancer = createBalancer(kind, candidates, { worker, workers });
      return picks(balancer, candidates, 100, someKey(worker));
    }).flat();
    for (const row of [0, 1, 2, 3]) assert.ok(Math.abs(share(picked, row) - 0.25) < 0.08, `row ${row}`);
  });

  test(`${name}: a pick changes nothing in the pool`, () => {
    const candidates = candidatesOf({ a: 3, b: 2, c: 0 });
    const before = structuredClone(candidates);
    picks(create(candidates), candidates, 50);
    assert.deepEqual(candidates, before);
  });
}
