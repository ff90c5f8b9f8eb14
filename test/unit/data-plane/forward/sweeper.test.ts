import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextRound } from "node:timers/promises";
import { startSweeper } from "../../../../src/data-plane/forward/sweeper.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const ONLY_INTERVALS = { apis: ["setInterval"] } as const;

test("everybody is looked at with the time of now, an eighth of the shortest limit apart", async (t) => {
  t.mock.timers.enable({ apis: [...ONLY_INTERVALS.apis] });
  const clock = new ManualClock({ nowMs: 1_000 });
  const seen: number[] = [];
  const sweeper = startSweeper(clock, [5_000, 800], (nowMs) => seen.push(nowMs));
  clock.advance(100);
  t.mock.timers.tick(99);
  await nextRound();
  assert.deepEqual(seen, []);
  t.mock.timers.tick(1);
  assert.deepEqual(seen, [], "what has come meanwhile goes first");
  await nextRound();
  assert.deepEqual(seen, [1_100]);
  sweeper.stop();
  t.mock.timers.tick(1_000);
  await nextRound();
  assert.equal(seen.length, 1);
});

test("the coarse time is never behind the real one, so that no limit passes early", async (t) => {
  t.mock.timers.enable({ apis: [...ONLY_INTERVALS.apis] });
  const clock = new ManualClock({ nowMs: 1_000 });
  const seen: number[] = [];
  const sweeper = startSweeper(clock, [800], () => seen.push(sweeper.coarse.nowMs));
  assert.equal(sweeper.coarse.nowMs, 1_100);
  clock.advance(100);
  t.mock.timers.tick(100);
  await nextRound();
  assert.deepEqual(seen, [1_200]); // of the next sweep already when everybody is looked at
  sweeper.stop();
});

test("the time between sweeps is never more than 250 ms nor less than 10 ms", async (t) => {
  t.mock.timers.enable({ apis: [...ONLY_INTERVALS.apis] });
  for (const [limitMs, tickMs] of [
    [86_400_000, 250],
    [1, 10],
    [0, 10],
  ] as const) {
    let looks = 0;
    const sweeper = startSweeper(new ManualClock(), [limitMs], () => looks++);
    t.mock.timers.tick(tickMs - 1);
    await nextRound();
    assert.equal(looks, 0);
    t.mock.timers.tick(1);
    await nextRound();
    assert.equal(looks, 1);
    sweeper.stop();
  }
});
