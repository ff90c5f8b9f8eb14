/** The gate for a pool: how many of its backends must pass, who is asked, and what is told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { versionOfOne } from "../../../src/config/pool-config.ts";
import type { BackendSnapshot } from "../../../src/config/snapshot.ts";
import { systemClock } from "../../../src/core/clock.ts";
import type { Pool } from "../../../src/data-plane/backend/pool.ts";
import type { BackendReport } from "../../../src/data-plane/prepare.ts";
import { type OneOfPool, preparePool } from "../../../src/data-plane/prepare-pool.ts";
import type { ProbeReport } from "../../../src/health/probe.ts";
import type { PrepareReport } from "../../../src/ipc/messages.ts";
import { memberOf, poolOf } from "../../support/pools-of.ts";
import { waitUntil } from "../../support/wait.ts";

const limit = { timeout: 20_000 };

const GOOD: ProbeReport = { ok: true, saw: "200", status: 200, durationMs: 1 };
const BAD: ProbeReport = { ok: false, saw: "503, expected 200-399", status: 503, durationMs: 1 };
const CUT: ProbeReport = { ok: false, saw: "no answer", status: null, durationMs: 1, isCutShort: true };

const passed = (probes: readonly ProbeReport[] = [GOOD]): BackendReport => ({
  passed: true,
  probes,
  warm: 2,
});
const refused = (probe = BAD): BackendReport => ({ passed: false, probes: [probe], warm: 0 });

type Members = readonly Partial<BackendSnapshot>[];

function startPool(members: Members): Pool {
  const pool = poolOf(versionOfOne("v2", "http://b0"), { versionIndex: 1 });
  pool.apply(snapshotOf(members));
  return pool;
}

function snapshotOf(members: Members) {
  const backends = members.map((member, i) => memberOf(`http://b${i}`, member));
  return { version: "v2", backends };
}

/** A gate whose backends end when the test says so; one that is given up is cut short. */
function startGate(pool: Pool, terms: { readyRatio?: number; isBrief?: boolean; waitMs?: number } = {}) {
  const asked = new Map<string, (report: BackendReport) => void>();
  const ended = new Set<string>();
  const cut: string[] = [];
  const stop = new AbortController();
  const one = ({ name }: { readonly name: string }, { signal }: OneOfPool): Promise<BackendReport> =>
    new Promise((resolve) => {
      asked.set(name, resolve);
      signal.addEventListener("abort", () => {
        if (ended.has(name)) return;
        cut.push(name);
        resolve(refused(CUT));
      });
    });
  const all = { pool, readyRatio: 1, isBrief: false, waitMs: 0, ...terms };
  let report: PrepareReport | null = null;
  const over = preparePool(all, one, systemClock, stop.signal).then((each) => {
    report = each;
    return each;
  });
  const end = (host: number, how: BackendReport): void => {
    const name = `http://b${host}`;
    ended.add(name);
    asked.get(name)?.(how);
  };
  return { asked, cut, stop, ended: over, end, report: () => report };
}

const four: Members = [{}, {}, {}, {}];

test("all backends that take traffic must pass, and only they are asked", limit, async () => {
  const gate = startGate(startPool([{}, { isDrained: true }, { weight: 0 }, {}]));
  assert.deepEqual([...gate.asked.keys()], ["http://b0", "http://b3"]);
  gate.end(0, passed());
  gate.end(3, passed());
  const report = await gate.ended;
  assert.equal(report.passed, true);
  assert.equal(report.warm, 4);
  assert.deepEqual(report.backends, {
    asked: 2,
    needed: 2,
    good: ["http://b0", "http://b3"],
    bad: [],
  });
  assert.deepEqual(
    report.probes.map(({ backend, ok }) => [backend, ok]),
    [
      ["http://b0", true],
      ["http://b3", true],
    ],
  );
});

test("one bad backend refuses a pool of which all must pass, and names it", limit, async () => {
  const gate = startGate(startPool(four));
  for (const host of [0, 1, 3]) gate.end(host, passed());
  gate.end(2, refused());
  const report = await gate.ended;
  assert.equal(report.passed, false);
  assert.deepEqual(report.backends.bad, ["http://b2"]);
  assert.equal(report.probes.find(({ ok }) => !ok)?.backend, "http://b2");
});

for (const [readyRatio, needed] of [
  [1, 4],
  [0.76, 4],
  [0.75, 3],
  [0.5, 2],
  [0.01, 1],
] as const) {
  test(
    `ready_ratio ${readyRatio} of 4 asks for ${needed}: so many pass, one less does not`,
    limit,
    async () => {
      for (const good of [needed, needed - 1]) {
        const gate = startGate(startPool(four), { readyRatio });
        for (let host = 0; host < 4; host++) gate.end(host, host < good ? passed() : refused());
        const report = await gate.ended;
        assert.deepEqual([report.passed, report.backends.needed], [good === needed, needed]);
      }
    },
  );
}

test("a ratio that is no whole number in binary asks for no backend too many", limit, async () => {
  const gate = startGate(startPool(Array(100).fill({})), { readyRatio: 0.07 });
  for (let host = 0; host < 100; host++) gate.end(host, host < 7 ? passed() : refused());
  assert.equal((await gate.ended).backends.needed, 7);
});

test("a bad backend does not refuse while the ratio can still be reached", limit, async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const gate = startGate(startPool(four), { readyRatio: 0.5 });
  gate.end(0, refused());
  gate.end(1, refused());
  gate.end(2, passed());
  await new Promise((resolve) => setImmediate(resolve));
  t.mock.timers.tick(60_000);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([gate.report(), gate.cut], [null, []]);
  gate.end(3, passed());
  assert.equal((await gate.ended).passed, true);
});

test(
  "once the ratio can no longer be reached, what still runs is given up after a moment",
  limit,
  async () => {
    const gate = startGate(startPool(four), { readyRatio: 0.75 });
    gate.end(0, refused());
    gate.end(1, refused());
    const report = await gate.ended;
    assert.equal(report.passed, false);
    assert.deepEqual(gate.cut, ["http://b2", "http://b3"]);
    assert.deepEqual(report.backends.bad, ["http://b0", "http://b1"], "one given up is not bad");
  },
);

test(
  "once the ratio is reached the others may still pass, and be warm, but are not waited for",
  limit,
  async () => {
    const gate = startGate(startPool(four), { readyRatio: 0.5 });
    gate.end(0, passed());
    gate.end(1, passed());
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(gate.report(), null);
    gate.end(2, passed());
    const report = await gate.ended;
    assert.equal(report.passed, true);
    assert.deepEqual([report.warm, report.backends.good.length, gate.cut], [6, 3, ["http://b3"]]);
  },
);

test("whether a version lives one good backend says, at once", limit, async () => {
  const gate = startGate(startPool(four), { isBrief: true });
  gate.end(3, refused());
  gate.end(1, passed());
  const report = await gate.ended;
  assert.deepEqual([report.passed, report.backends.needed], [true, 1]);
  assert.deepEqual(gate.cut, ["http://b0", "http://b2"]);
});

test("no backend that takes traffic is refused at once", limit, async () => {
  const report = await startGate(startPool([{ isDrained: true }, { weight: 0 }])).ended;
  assert.deepEqual(report, {
    passed: false,
    probes: [],
    warm: 0,
    backends: { asked: 0, needed: 1, good: [], bad: [] },
  });
});

test("with time to wait, backends may still come", limit, async () => {
  const pool = startPool([]);
  const gate = startGate(pool, { waitMs: 15_000 });
  pool.apply(snapshotOf([{}]));
  await waitUntil("the backend to be asked", () => gate.asked.size === 1);
  gate.end(0, passed());
  assert.equal((await gate.ended).passed, true);
});

test("a gate that waits for backends ends when it is told to", limit, async () => {
  const gate = startGate(startPool([]), { waitMs: 15_000 });
  gate.stop.abort();
  assert.equal((await gate.ended).passed, false);
});

test("a backend that leaves its pool meanwhile does not count", limit, async () => {
  const pool = startPool(four);
  const gate = startGate(pool);
  pool.apply(snapshotOf([{}, {}, {}]));
  for (const host of [0, 1, 2]) gate.end(host, passed());
  gate.end(3, refused());
  const report = await gate.ended;
  assert.equal(report.passed, true);
  assert.deepEqual([report.backends.asked, report.backends.bad], [3, []]);
});

test("at most 32 backends of 1,000 are probed at a time, and every one is", limit, async () => {
  let running = 0;
  let most = 0;
  let probed = 0;
  const one = async (_: unknown, { turns }: OneOfPool): Promise<BackendReport> => {
    for (let n = 0; n < 3; n++)
      await turns.run(async () => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
        probed++;
      });
    return passed([GOOD, GOOD, GOOD]);
  };
  const terms = { pool: startPool(Array(1_000).fill({})), readyRatio: 1, isBrief: false, waitMs: 0 };
  const report = await preparePool(terms, one, systemClock, new AbortController().signal);
  assert.deepEqual([report.passed, most, probed], [true, 32, 3_000]);
  assert.equal(report.backends.good.length, 1_000);
  assert.equal(report.probes.length, 20, "what is told is bounded");
});
