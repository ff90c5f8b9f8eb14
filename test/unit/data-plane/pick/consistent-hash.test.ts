/** Consistent hash: keys stay where they are, shares are fair, loads are bounded. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Balancer, Candidates } from "../../../../src/data-plane/pick/balancer.ts";
import { consistentHash } from "../../../../src/data-plane/pick/consistent-hash.ts";
import { candidatesOf, equalCandidates, setAvailable } from "../../../support/candidates.ts";
import { countsOf, createBalancer, picks, share, someKey } from "./picks.ts";

const KEYS = 20_000;

/** The name of each key's backend. */
function ownersOf(
  candidates: Candidates,
  balancer: Balancer = createBalancer(consistentHash, candidates),
): string[] {
  return picks(balancer, candidates, KEYS).map((row) => candidates.names[row] ?? "none");
}

function movedShare(before: readonly string[], after: readonly string[]): number {
  return before.filter((owner, key) => owner !== after[key]).length / before.length;
}

test("the same key goes to the same backend, in every worker and after a restart", () => {
  const candidates = equalCandidates(5);
  const owners = ownersOf(candidates);
  for (const options of [{ seed: 2 }, { seed: 3, worker: 1, workers: 2 }]) {
    assert.deepEqual(ownersOf(candidates, createBalancer(consistentHash, candidates, options)), owners);
  }
});

test("the order of the backends does not matter", () => {
  const [one, other] = [candidatesOf({ a: 1, b: 2, c: 1 }), candidatesOf({ c: 1, a: 1, b: 2 })];
  assert.deepEqual(ownersOf(one), ownersOf(other));
});

for (const rows of [1, 2, 3, 10, 50]) {
  test(`one more beside ${rows} moves at most 1/${rows + 1} + 5 % of the keys, and each of them to the new one`, () => {
    const before = ownersOf(equalCandidates(rows));
    const after = ownersOf(equalCandidates(rows + 1));
    const moved = movedShare(before, after);
    assert.ok(moved > 0 && moved <= 1 / (rows + 1) + 0.05, `${moved}`);
    for (const [key, owner] of after.entries()) assert.ok(owner === before[key] || owner === `b${rows}`);
  });
}

test("one that leaves gives its keys away, to all the others; nobody else's move", () => {
  const candidates = equalCandidates(10);
  const balancer = createBalancer(consistentHash, candidates);
  const before = ownersOf(candidates, balancer);
  setAvailable(candidates, 4, false);
  const after = ownersOf(candidates, balancer);
  const heirs = new Set(after.filter((_, key) => before[key] === "b4"));
  assert.equal(heirs.size, 9);
  assert.ok(before.every((owner, key) => owner === "b4" || owner === after[key]));
  setAvailable(candidates, 4, true);
  assert.deepEqual(ownersOf(candidates, balancer), before);
});

test("a backend that starts slowly keeps its keys: the ring knows the configured weights alone", () => {
  const candidates = equalCandidates(4);
  const balancer = createBalancer(consistentHash, candidates);
  const before = ownersOf(candidates, balancer);
  candidates.weights[2] = 0.05;
  assert.deepEqual(ownersOf(candidates, balancer), before);
});

test("shares of the keys are in proportion to the weights", () => {
  for (const [pool, fair] of [
    [{ a: 1, b: 1, c: 1, d: 1 }, [1 / 4, 1 / 4, 1 / 4, 1 / 4]],
    [{ a: 5, b: 2, c: 1 }, [5 / 8, 2 / 8, 1 / 8]],
    [{ a: 0.5, b: 0.25 }, [2 / 3, 1 / 3]],
  ] as const) {
    const candidates = candidatesOf(pool);
    const picked = picks(createBalancer(consistentHash, candidates), candidates, KEYS);
    for (const [row, part] of fair.entries()) {
      const error = share(picked, row) / part - 1;
      assert.ok(Math.abs(error) < 0.2, `row ${row} of ${JSON.stringify(pool)}: ${error}`);
    }
  }
});

test("even if all requests have one key, nobody runs more than 1.25 times its fair part", () => {
  const row = fc.record({ configured: fc.constantFrom(1, 2, 5), grade: fc.constantFrom(0, 0.5, 1) });
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 20 }), fc.nat(1_000), (rows, key) => {
      const candidates = candidatesOf(
        Object.fromEntries(rows.map(({ configured }, i) => [`b${i}`, configured])),
      );
      candidates.weights.set(rows.map(({ configured, grade }) => configured * grade));
      const total = candidates.weights.reduce((all, weight) => all + weight, 0);
      if (total === 0) return;
      const balancer = createBalancer(consistentHash, candidates);
      for (let running = 1; running <= 100; running++) {
        const picked = balancer.pick(candidates, someKey(key));
        const now = (candidates.inFlight[picked] ?? 0) + 1;
        candidates.inFlight[picked] = now;
        const fair = (running * (candidates.weights[picked] ?? 0)) / total;
        assert.ok(now <= Math.ceil(1.25 * fair), `${now} of ${running} on row ${picked}`);
      }
    }),
  );
});

test("what runs over the bound goes to the next on the ring, and comes back when there is room", () => {
  const candidates = equalCandidates(3);
  const balancer = createBalancer(consistentHash, candidates);
  const own = balancer.pick(candidates, someKey(1));
  candidates.inFlight[own] = 2; // of 3 with the new one, 1.25 are allowed
  const next = balancer.pick(candidates, someKey(1));
  assert.notEqual(next, own);
  candidates.inFlight[own] = 0;
  assert.equal(balancer.pick(candidates, someKey(1)), own);
});

test("1,000 backends, 950 of them away: keys are spread over the rest", () => {
  const candidates = equalCandidates(1_000);
  const balancer = createBalancer(consistentHash, candidates);
  candidates.weights.fill(0);
  for (let row = 0; row < 1_000; row += 20) candidates.weights[row] = 1;
  const counts = countsOf(picks(balancer, candidates, KEYS), 1_000).filter((_, row) => row % 20 === 0);
  assert.ok(Math.min(...counts) > 200 && Math.max(...counts) < 700, String(counts));
});
