import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ErrorSums,
  MOST_KINDS,
  REPORT_EVERY_COUNT,
  REPORT_EVERY_MS,
} from "../../../src/telemetry/error-sums.ts";
import { ManualClock } from "../../support/manual-clock.ts";

function startSums() {
  const clock = new ManualClock();
  return { sums: new ErrorSums(clock, ["v1", "v2"]), clock };
}

test("the first failure of each kind is reported at once", () => {
  const { sums } = startSums();
  const first = { code: "BACKEND_CLOSED", version: "v1", backend: null, count: 1, total: 1, last: "a" };
  assert.deepEqual(sums.add("BACKEND_CLOSED", "v1", "a"), first);
  assert.equal(sums.add("BACKEND_CLOSED", "v1", "b"), null);
  assert.equal(sums.add("BACKEND_CLOSED", "v2", "c")?.count, 1);
  assert.equal(sums.add("POOL_EXHAUSTED", "v1", "d")?.count, 1);
});

test("then a sum is reported with every 1,000th", () => {
  const { sums } = startSums();
  sums.add("BACKEND_CLOSED", "v1", "first");
  for (let i = 1; i < REPORT_EVERY_COUNT; i++) assert.equal(sums.add("BACKEND_CLOSED", "v1", "x"), null);
  assert.deepEqual(sums.add("BACKEND_CLOSED", "v1", "last"), {
    code: "BACKEND_CLOSED",
    version: "v1",
    backend: null,
    count: 1_000,
    total: 1_001,
    last: "last",
  });
});

test("or after 10 s, by the next failure or by due(), whichever comes first; never twice", () => {
  const { sums, clock } = startSums();
  sums.add("BACKEND_CLOSED", "v1", "a");
  sums.add("BACKEND_CLOSED", "v1", "b");
  clock.advance(REPORT_EVERY_MS - 1);
  assert.deepEqual(sums.due(), []);
  clock.advance(1);
  assert.deepEqual(
    sums.due().map(({ count, total }) => [count, total]),
    [[1, 2]],
  );
  assert.deepEqual(sums.due(), []);
  clock.advance(REPORT_EVERY_MS);
  assert.equal(sums.add("BACKEND_CLOSED", "v1", "c")?.total, 3);
});

test("flush gives what was not reported yet, and nothing when all was", () => {
  const { sums } = startSums();
  sums.add("BACKEND_CLOSED", "v1", "a");
  assert.deepEqual(sums.flush(), []);
  sums.add("BACKEND_CLOSED", "v1", "b");
  assert.deepEqual(sums.flush(), [
    { code: "BACKEND_CLOSED", version: "v1", backend: null, count: 1, total: 2, last: "b" },
  ]);
  assert.deepEqual(sums.flush(), []);
});

test("a version that is not configured makes no kind of its own", () => {
  const { sums } = startSums();
  assert.equal(sums.add("MALFORMED_REQUEST", "anything-1", "a")?.version, null);
  assert.equal(sums.add("MALFORMED_REQUEST", "anything-2", "a"), null);
  assert.equal(sums.add("MALFORMED_REQUEST", null, "a"), null);
});

test("each backend of a version is a kind of its own, and is named", () => {
  const { sums } = startSums();
  assert.equal(sums.add("BACKEND_CLOSED", "v1", "a", "http://a")?.backend, "http://a");
  assert.equal(sums.add("BACKEND_CLOSED", "v1", "b", "http://b")?.backend, "http://b");
  assert.equal(sums.add("BACKEND_CLOSED", "v1", "c", "http://a"), null);
});

test("kinds of backends are bounded: beyond that they are summed by code and version", () => {
  const { sums } = startSums();
  for (let i = 0; i < MOST_KINDS; i++) sums.add("BACKEND_CLOSED", "v1", "x", `http://${i}`);
  assert.equal(sums.add("BACKEND_CLOSED", "v1", "x", "http://one-more")?.backend, null);
  assert.equal(sums.add("BACKEND_CLOSED", "v1", "x", "http://another"), null);
  assert.equal(sums.flush().length, 1);
});

test("a backend that has not failed for 10 s makes room for another one", () => {
  const { sums, clock } = startSums();
  for (let i = 0; i < MOST_KINDS; i++) sums.add("BACKEND_CLOSED", "v1", "x", `http://${i}`);
  clock.advance(REPORT_EVERY_MS);
  assert.equal(sums.add("BACKEND_CLOSED", "v1", "x", "http://new")?.backend, "http://new");
});
