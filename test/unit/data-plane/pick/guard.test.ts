/** Guard: whatever a balancer of the operator does, a request gets an available backend. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Balancer } from "../../../../src/data-plane/pick/balancer.ts";
import { guarded } from "../../../../src/data-plane/pick/guard.ts";
import { candidatesOf, equalCandidates, setAvailable } from "../../../support/candidates.ts";
import { createBalancer, pickedNames } from "./picks.ts";

/** Guards `balancer`; `told` is what is said of it. */
function guard(balancer: Partial<Balancer>): { kind: ReturnType<typeof guarded>; told: string[] } {
  const told: string[] = [];
  const create = (): Balancer => ({ reset: () => undefined, pick: () => 0, ...balancer });
  const kind = guarded({ needsKey: true, needsLatency: false, create }, (what, cause) =>
    told.push(cause === undefined ? what : `${what}: ${cause}`),
  );
  return { kind, told };
}

const BAD_PICKS: Readonly<Record<string, unknown>> = {
  "a row that is too high": 3,
  "a row below 0": -2,
  "half a row": 0.5,
  "no number": Number.NaN,
  infinity: Number.POSITIVE_INFINITY,
  nothing: undefined,
  null: null,
  "a text": "0",
  "a promise": Promise.resolve(0),
  "a row that is not available": 1,
  "nobody, although somebody is available": -1,
};

for (const [what, given] of Object.entries(BAD_PICKS)) {
  test(`${what} is answered in turn by the available ones, and said once`, () => {
    const { kind, told } = guard({ pick: () => given as number });
    const candidates = candidatesOf({ A: 1, B: 0, C: 1 });
    assert.equal(pickedNames(createBalancer(kind, candidates), candidates, 4), "ACAC");
    assert.equal(told.length, 1);
    assert.match(told[0] ?? "", /^pick gave .*, which is no row whose weight is above 0$/);
  });
}

test("a pick that throws is answered in turn, and what it threw is said once", () => {
  const pick = (): number => {
    throw new TypeError("no idea");
  };
  const { kind, told } = guard({ pick });
  const candidates = candidatesOf({ A: 1, B: 1 });
  assert.equal(pickedNames(createBalancer(kind, candidates), candidates, 3), "ABA");
  assert.deepEqual(told, ["pick threw: TypeError: no idea"]);
});

test("an async pick that rejects ends nothing", async () => {
  const { kind, told } = guard({ pick: (async () => Promise.reject(new Error("later"))) as never });
  const candidates = candidatesOf({ A: 1, B: 1 });
  assert.equal(pickedNames(createBalancer(kind, candidates), candidates, 2), "AB");
  await new Promise(setImmediate); // where a rejection that nobody has taken fails the test
  assert.equal(told.length, 1);
});

test("one bad pick does not end the balancer: the next good one counts", () => {
  let turn = 0;
  const { kind } = guard({ pick: () => (turn++ === 0 ? 99 : 2) });
  const candidates = candidatesOf({ A: 1, B: 1, C: 1 });
  assert.equal(pickedNames(createBalancer(kind, candidates), candidates, 3), "ACC");
});

test("a reset that throws is asked for no pick until one goes well", () => {
  let isBroken = true;
  const reset = (): void => {
    if (isBroken) throw new TypeError("no memory");
  };
  const { kind, told } = guard({ reset, pick: () => 2 });
  const candidates = candidatesOf({ A: 1, B: 1, C: 1 });
  const balancer = createBalancer(kind, candidates);
  assert.equal(pickedNames(balancer, candidates, 2), "AB");
  isBroken = false;
  balancer.reset(candidates);
  assert.equal(pickedNames(balancer, candidates, 2), "CC");
  assert.deepEqual(told, ["reset threw: TypeError: no memory"]);
});

test("nobody, when nobody is available, is no mistake", () => {
  const { kind, told } = guard({ pick: () => -1 });
  const candidates = equalCandidates(2);
  for (const row of [0, 1]) setAvailable(candidates, row, false);
  assert.equal(pickedNames(createBalancer(kind, candidates), candidates, 2), "--");
  assert.deepEqual(told, []);
});
