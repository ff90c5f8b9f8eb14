/** Changes of backends in few lines, however many there are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChangeSums, MOST_CHANGES, TELL_EVERY_MS } from "../../../src/telemetry/change-sums.ts";
import { ManualClock } from "../../support/manual-clock.ts";

function startSums() {
  const clock = new ManualClock();
  return { clock, sums: new ChangeSums<"up" | "down">(clock) };
}

test("the first change of a backend is told at once, and each kind of change by itself", () => {
  const { sums } = startSums();
  const first = { version: "v1", backend: "http://a", change: "down", count: 1 };
  assert.deepEqual(sums.add("v1", "http://a", "down"), first);
  assert.equal(sums.add("v1", "http://a", "up")?.change, "up");
  assert.equal(sums.add("v1", "http://b", "down")?.backend, "http://b");
  assert.equal(sums.add("v2", "http://a", "down")?.version, "v2");
});

test("one that flaps is told as a sum, once in 10 s, and when it rests anew at once", () => {
  const { sums, clock } = startSums();
  sums.add("v1", "http://a", "down");
  for (let i = 0; i < 500; i++) assert.equal(sums.add("v1", "http://a", "down"), null);
  clock.advance(TELL_EVERY_MS - 1);
  assert.deepEqual(sums.due(), []);
  clock.advance(1);
  assert.deepEqual(
    sums.due().map(({ count }) => count),
    [500],
  );
  assert.equal(sums.add("v1", "http://a", "down"), null, "it was told a moment ago");
  clock.advance(TELL_EVERY_MS);
  assert.equal(sums.due().length, 1);
  clock.advance(TELL_EVERY_MS);
  assert.deepEqual(sums.due(), []);
  assert.equal(sums.add("v1", "http://a", "down")?.count, 1);
});

test("a thousand backends at once are a few lines and a number", () => {
  const { sums, clock } = startSums();
  let told = 0;
  for (let i = 0; i < 1_000; i++) if (sums.add("v1", `http://${i}`, "down") !== null) told++;
  assert.equal(told, MOST_CHANGES);
  assert.equal(sums.takeUntold(), 1_000 - MOST_CHANGES);
  assert.equal(sums.takeUntold(), 0);
  clock.advance(TELL_EVERY_MS);
  sums.due();
  assert.notEqual(sums.add("v1", "http://1000", "down"), null, "those at rest have made room");
});
