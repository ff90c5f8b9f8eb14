/** Readiness: one reason at a time, the one that rules out most first. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readiness } from "../../../src/control-plane/readiness.ts";

const WHY = "v2 of the state does not answer";
const worker = (id: number, state: "starting" | "listening") => ({ id, pid: id, state, epoch: 0 });
const BOTH = { size: 2, workers: () => [worker(1, "listening"), worker(2, "listening")] };
const ONE = { size: 2, workers: () => [worker(1, "listening"), worker(2, "starting")] };

test("it is ready when every worker listens and the start is safe", () => {
  assert.deepEqual(readiness("running", BOTH, { why: "" }), { ready: true, why: "" });
  assert.deepEqual(readiness("running", BOTH, { why: WHY }), { ready: false, why: WHY });
});

test("a missing worker is told first, and the end of the daemon before everything", () => {
  assert.equal(readiness("running", ONE, { why: WHY }).why, "1 of 2 workers listen");
  assert.equal(readiness("ending", ONE, { why: WHY }).why, "the daemon is ending");
  assert.equal(readiness("ending", BOTH, { why: "" }).ready, false);
});
