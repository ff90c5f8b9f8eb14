/** What the gate says of a pool: which backend was bad, why, and how many must pass. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { forHistory, judgeGate, summary } from "../../../../src/control-plane/switch/gate.ts";
import { SwitchRefusal } from "../../../../src/control-plane/switch/switch-refusal.ts";
import type { WorkerPrepared } from "../../../../src/control-plane/workers/fleet.ts";
import type { BackendProbe } from "../../../../src/ipc/messages.ts";

const nameOf = (host: number): string => `http://10.0.0.${host}:9000`;

/** @param sights what each backend's last probe saw; `200` is good, `…` was given up. */
function prepared(worker: number, sights: readonly string[], needed = sights.length): WorkerPrepared {
  const probes = sights.map((saw, host): BackendProbe => {
    const ok = saw === "200";
    const cut = saw === "…" ? { isCutShort: true } : {};
    return { backend: nameOf(host), ok, saw, status: ok ? 200 : null, durationMs: 1, ...cut };
  });
  const good = probes.filter(({ ok }) => ok).map(({ backend }) => backend);
  const bad = probes.filter(({ ok, isCutShort }) => !ok && !isCutShort).map(({ backend }) => backend);
  const backends = { asked: sights.length, needed, good, bad };
  return {
    worker,
    pid: 1_000 + worker,
    report: { passed: good.length >= needed, probes, warm: 1, backends },
  };
}

function refusalOf(workers: readonly WorkerPrepared[]): SwitchRefusal {
  try {
    judgeGate("v2", workers);
  } catch (error) {
    if (error instanceof SwitchRefusal) return error;
    throw error;
  }
  throw new Error("it passed");
}

const DOWN = "connect ECONNREFUSED";

test("a refusal names the backend that failed, why, and what would have been enough", () => {
  const refusal = refusalOf([prepared(1, ["200", DOWN, "200"])]);
  assert.equal(refusal.code, "GATE_REFUSED");
  assert.equal(
    refusal.message,
    `v2 did not pass its health check: ${nameOf(1)}: ${DOWN}; 2 of 3 backends passed, ready_ratio asks for all; nothing changed`,
  );
  const { workers } = refusal.details.gate as { workers: { backends: unknown; probes: BackendProbe[] }[] };
  assert.deepEqual(workers[0]?.backends, { asked: 3, needed: 3, passed: 2 });
  assert.equal(workers[0]?.probes.find(({ ok }) => !ok)?.backend, nameOf(1));
});

test("each of three bad backends is named, and the others are counted", () => {
  const { message } = refusalOf([prepared(1, ["200", "500", DOWN, "502", "503", "504"], 3)]);
  assert.match(
    message,
    /10\.0\.0\.1:9000: 500; .*10\.0\.0\.2:9000: connect.*; .*10\.0\.0\.3:9000: 502 \(and 2 more\); /,
  );
  assert.match(message, /; 1 of 6 backends passed, ready_ratio asks for 3; nothing changed$/);
});

test("a backend whose probe was given up is named only where no other was bad", () => {
  assert.doesNotMatch(refusalOf([prepared(1, ["…", DOWN])]).message, /…/);
  assert.match(refusalOf([prepared(1, ["…", "200"])]).message, /10\.0\.0\.0:9000: …; 1 of 2 backends passed/);
});

test("a worker that passed with a bad backend is not the one that is quoted", () => {
  const { message } = refusalOf([prepared(1, ["500", "200"], 1), prepared(2, ["500", "502"], 1)]);
  assert.match(message, /10\.0\.0\.1:9000: 502; 0 of 2 backends passed, ready_ratio asks for 1;/);
});

test("of two workers that refused, the one that has seen more is quoted: the other was told to stop", () => {
  const { message } = refusalOf([prepared(1, ["…", DOWN, "…"]), prepared(2, ["200", DOWN, "200"])]);
  assert.match(message, /: connect ECONNREFUSED; 2 of 3 backends passed,/);
});

test("a version of one backend is refused in the words it always was", () => {
  assert.equal(
    refusalOf([prepared(1, [DOWN])]).message,
    `v2 did not pass its health check: ${DOWN}; nothing changed`,
  );
});

test("a pool without a backend that takes traffic says so", () => {
  const workers = [prepared(1, [], 1)];
  assert.equal(refusalOf(workers).message, "v2 has no backend that takes traffic; nothing changed");
  assert.deepEqual(summary(workers), {
    ok: false,
    saw: "no backend that takes traffic",
    backends: new Map(),
  });
});

test("every worker has to pass", () => {
  assert.equal(judgeGate("v2", [prepared(1, ["200"]), prepared(2, ["200"])]).outcome, "passed");
  assert.match(refusalOf([prepared(1, ["200"]), prepared(2, [DOWN])]).message, /ECONNREFUSED/);
});

test("the summary knows each backend: one that any worker saw fail has failed", () => {
  const { ok, saw, backends } = summary([
    prepared(1, ["200", "200", "…"], 1),
    prepared(2, ["200", "503", "…"], 1),
  ]);
  assert.deepEqual([ok, saw], [true, "200"]);
  assert.deepEqual(
    [...backends],
    [
      [nameOf(0), { ok: true, saw: "200" }],
      [nameOf(1), { ok: false, saw: "503" }],
    ],
  );
});

test("the history keeps 5 probes of a worker, of the bad backends first", () => {
  const sights = [...Array<string>(10).fill("200"), DOWN, ...Array<string>(10).fill("200")];
  const kept = forHistory(judgeGate("v2", [prepared(1, sights, 1)]));
  const probes = kept.workers[0]?.probes ?? [];
  assert.equal(probes.length, 5);
  assert.equal(probes.find(({ ok }) => !ok)?.backend, nameOf(10));
});
