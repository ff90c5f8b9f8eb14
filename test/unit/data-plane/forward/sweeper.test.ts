import assert from "node:assert/strict";
import { test } from "node:test";
import { Backend } from "../../../../src/data-plane/backend/backend.ts";
import type { RunningRequest } from "../../../../src/data-plane/backend/running-requests.ts";
import { startSweeper } from "../../../../src/data-plane/forward/sweeper.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

function requestStub(seen: number[]): RunningRequest {
  return { place: 0, checkTimeLimits: (nowMs) => seen.push(nowMs), cutForDrain: () => {} };
}

test("every running request of every backend is told the time, a quarter of the shortest limit apart", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const clock = new ManualClock({ nowMs: 1_000 });
  const backends = [new Backend("v1", "http://h:1", 0), new Backend("v2", "http://h:2", 1)];
  const seen: number[] = [];
  for (const { requests } of backends) requests.add(requestStub(seen));
  const sweeper = startSweeper(backends, clock, [400, 5_000]);
  assert.equal(sweeper.coarse.nowMs, 1_000);
  clock.advance(100);
  t.mock.timers.tick(99);
  assert.deepEqual(seen, []);
  t.mock.timers.tick(1);
  assert.deepEqual(seen, [1_100, 1_100]);
  assert.equal(sweeper.coarse.nowMs, 1_100);
  sweeper.stop();
  t.mock.timers.tick(1_000);
  assert.equal(seen.length, 2);
});

test("the time between sweeps is never more than 250 ms nor less than 10 ms", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  for (const [limitMs, tickMs] of [
    [86_400_000, 250],
    [1, 10],
  ] as const) {
    const backend = new Backend("v1", "http://h:1", 0);
    const seen: number[] = [];
    backend.requests.add(requestStub(seen));
    const sweeper = startSweeper([backend], new ManualClock(), [limitMs]);
    t.mock.timers.tick(tickMs - 1);
    assert.equal(seen.length, 0);
    t.mock.timers.tick(1);
    assert.equal(seen.length, 1);
    sweeper.stop();
  }
});

test("a request that ends while it is looked at does not disturb the others", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const backend = new Backend("v1", "http://h:1", 0);
  const seen: number[] = [];
  const leaving: RunningRequest = {
    place: 0,
    checkTimeLimits: () => backend.requests.delete(leaving),
    cutForDrain: () => {},
  };
  backend.requests.add(leaving);
  backend.requests.add(requestStub(seen));
  const sweeper = startSweeper([backend], new ManualClock(), [100]);
  t.mock.timers.tick(25);
  assert.equal(seen.length, 1);
  assert.equal(backend.requests.size, 1);
  sweeper.stop();
});
