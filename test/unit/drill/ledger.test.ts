/** What counts as lost, what the killed worker and the drain account for, and the verdict. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KINDS, type Kind } from "../../../src/drill/kinds.ts";
import { Ledger } from "../../../src/drill/ledger.ts";
import { summary } from "../../../src/drill/report.ts";
import { resultOf } from "../../../src/drill/result.ts";
import { Timeline } from "../../../src/drill/timeline.ts";

const KILL_AT_MS = 20_000;

/** v2 is active since 10 s, and a worker that held port 5000 was killed at 20 s. */
function ledgerAt(ms: number, ports: ReadonlySet<number> | null = new Set([5_000])) {
  const time = { ms };
  const timeline = new Timeline("v1", 0);
  timeline.call({ to: "v2", isHeld: false }, 9_000);
  timeline.answer(10_000);
  const ledger = new Ledger(timeline, () => time.ms);
  ledger.killed({ pid: 1, atMs: KILL_AT_MS, ports });
  return { ledger, time };
}

function countsOf(ledger: Ledger, kind: Kind): Record<string, number> {
  const { lost, cutByKill, endedByDrain } = ledger.kinds[kind];
  return { lost, cutByKill, endedByDrain };
}

const NONE = { lost: 0, cutByKill: 0, endedByDrain: 0 };

test("a connection of the killed worker that breaks is its loss, once", () => {
  const { ledger } = ledgerAt(KILL_AT_MS + 4_900);
  for (let i = 0; i < 2; i++) ledger.cut("short", { why: "reset", localPort: 5_000, version: null });
  assert.deepEqual(countsOf(ledger, "short"), { ...NONE, cutByKill: 1, lost: 1 });
});

for (const [says, { localPort, afterMs }] of [
  ["a connection of another worker that breaks at the same time", { localPort: 5_001, afterMs: 1 }],
  ["a connection that was never made", { localPort: null, afterMs: 1 }],
  ["one on a port that the killed worker had, later", { localPort: 5_000, afterMs: 5_001 }],
] as const) {
  test(`${says} is lost`, () => {
    const { ledger } = ledgerAt(KILL_AT_MS + afterMs);
    ledger.cut("upload", { why: "reset", localPort, version: null });
    assert.deepEqual(countsOf(ledger, "upload"), { ...NONE, lost: 1 });
    assert.deepEqual(ledger.losses, [{ atMs: KILL_AT_MS + afterMs, kind: "upload", why: "reset" }]);
  });
}

test("where the system does not tell who held what, the time alone decides", () => {
  const { ledger, time } = ledgerAt(KILL_AT_MS + 500, null);
  ledger.cut("upload", { why: "reset", localPort: 5_001, version: null });
  assert.deepEqual(countsOf(ledger, "upload"), { ...NONE, cutByKill: 1 });
  time.ms++;
  ledger.cut("upload", { why: "reset", localPort: 5_001, version: null });
  assert.deepEqual(countsOf(ledger, "upload"), { ...NONE, cutByKill: 1, lost: 1 });
});

test("a drain may end streams and WebSockets of the version that was left, and nothing else", () => {
  const { ledger } = ledgerAt(15_000);
  for (const kind of KINDS) ledger.ended(kind, { why: "ended", localPort: 1, version: "v1" });
  for (const kind of ["events", "websocket"] as const) {
    assert.deepEqual(countsOf(ledger, kind), { ...NONE, endedByDrain: 1 });
  }
  for (const kind of ["kept-alive", "short", "upload"] as const) {
    assert.deepEqual(countsOf(ledger, kind), { ...NONE, lost: 1 });
  }
});

test("a stream of the active version that ends is lost, and one of any version that is cut", () => {
  const { ledger } = ledgerAt(15_000);
  ledger.cut("websocket", { why: "closed (1006)", localPort: 1, version: "v1" });
  assert.deepEqual(countsOf(ledger, "websocket"), { ...NONE, lost: 1 });
  ledger.ended("events", { why: "ended", localPort: 1, version: "v2" });
  ledger.cut("events", { why: "reset", localPort: 1, version: "v2" });
  assert.deepEqual(countsOf(ledger, "events"), { ...NONE, lost: 2 });
});

test("an answer of the version that was left, to what began after the switch, is stale", () => {
  const { ledger } = ledgerAt(15_000);
  ledger.routed("short", "v2", 14_000);
  ledger.routed("short", "v1", 9_999);
  assert.equal(ledger.total("stale"), 0);
  ledger.routed("short", "v1", 14_000);
  assert.equal(ledger.total("stale"), 1);
});

function found(ledger: Ledger, problems: readonly string[] = []) {
  return resultOf({ ledger, moves: [], killed: null, problems, startMs: 0, endMs: 30_000 });
}

test("the verdict: passed only when nothing was lost or stale, all calls went well, and every kind did something", () => {
  const done = (except?: Kind): Ledger => {
    const { ledger } = ledgerAt(15_000);
    for (const kind of KINDS) if (kind !== except) ledger.done(kind, 14_990);
    return ledger;
  };
  assert.equal(found(done()).passed, true);
  assert.equal(found(done(), ["switch 1: 422"]).passed, false);
  assert.deepEqual(found(done("upload")).problems, ["upload: nothing was done"]);
  assert.equal(found(done("upload")).passed, false);
  const lost = done();
  lost.lost("events", "event 3 is missing or torn");
  assert.equal(found(lost).passed, false);
  const stale = done();
  stale.routed("short", "v1", 14_000);
  assert.equal(found(stale).passed, false);
});

test("the report ends with the verdict, names each loss, and keeps to 120 columns", () => {
  const { ledger } = ledgerAt(15_000);
  for (let i = 0; i < 30; i++) ledger.lost("events", `event ${i} is missing or torn`);
  const lines = summary(found(ledger));
  assert.equal(lines.at(-1), "lost: 30");
  assert.equal(lines.filter((line) => line.startsWith("after 15 s: events: event ")).length, 20);
  for (const line of lines) assert.ok(line.length <= 120 && !line.includes("undefined"), line);
});
