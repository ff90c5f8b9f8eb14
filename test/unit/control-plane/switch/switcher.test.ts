import assert from "node:assert/strict";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { versionOfOne } from "../../../../src/config/pool-config.ts";
import type { Snapshot } from "../../../../src/config/snapshot.ts";
import { type FileStore, openFileStore } from "../../../../src/control-plane/switch/file-store.ts";
import { isSwitch } from "../../../../src/control-plane/switch/history-entry.ts";
import type { RecoveredState, SwitchEntry } from "../../../../src/control-plane/switch/state-store.ts";
import type { SwitchAnswer } from "../../../../src/control-plane/switch/switch-answer.ts";
import type { RollbackCall, SwitchCall } from "../../../../src/control-plane/switch/switch-call.ts";
import { SwitchRefusal } from "../../../../src/control-plane/switch/switch-refusal.ts";
import {
  type CallContext,
  Switcher,
  type SwitcherParts,
} from "../../../../src/control-plane/switch/switcher.ts";
import type { WorkerPrepared } from "../../../../src/control-plane/workers/fleet.ts";
import type { ErrorCode } from "../../../../src/core/errors.ts";
import type { BackendProbe, SwitchOrder } from "../../../../src/ipc/messages.ts";
import { onTestEnd } from "../../../support/cleanup.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { faultyFs } from "./faulty-fs.ts";

const GAP_MS = 600_000;
const DAY_MS = 24 * 3_600_000;

const V2 = "http://v2";

function probe(saw = "200"): BackendProbe {
  const ok = saw === "200";
  return { backend: V2, ok, saw, status: ok ? 200 : null, durationMs: 1.26 };
}

function prepared(worker: number, ...saw: string[]): WorkerPrepared {
  const probes = saw.map(probe);
  const passed = probes.every(({ ok }) => ok);
  const backends = { asked: 1, needed: 1, good: passed ? [V2] : [], bad: passed ? [] : [V2] };
  return { worker, pid: 1_000 + worker, report: { passed, probes, warm: 3, backends } };
}

/** Stands in for the workers: answers what it is told to, and notes what it was asked. */
class FleetByHand {
  readonly log: string[] = [];
  readonly commits: Snapshot[] = [];
  readonly orders: SwitchOrder[] = [];
  /** While set, prepare waits for it. */
  pause: Promise<void> | null = null;
  /** Before a worker acknowledges. */
  onCommit = async (): Promise<void> => {};
  #switcher: Switcher | null = null;
  #gate: readonly WorkerPrepared[] = [prepared(1, "200"), prepared(2, "200")];
  #told = new Set<string>();

  get gate(): readonly WorkerPrepared[] {
    return this.#gate;
  }

  /** What each worker will say; those that are not named are not there. */
  set gate(gate: readonly WorkerPrepared[]) {
    for (const { pid } of this.#gate) this.#switcher?.onWorker({ type: "worker-gone", pid });
    this.#gate = gate;
    for (const { pid, worker } of gate) this.#join(pid, worker);
  }

  connect(switcher: Switcher): void {
    this.#switcher = switcher;
    this.#told.clear();
    for (const { pid, worker } of this.#gate) this.#join(pid, worker);
  }

  #join(pid: number, worker: number): void {
    this.#switcher?.workerBorn(pid, worker);
    this.#switcher?.onWorker({ type: "worker-listening", pid });
  }

  tell(pid: number, order: SwitchOrder): void {
    this.orders.push(order);
    const switcher = this.#switcher;
    if (order.type === "prepare") {
      this.#once(`prepare ${order.version}`, order.gate);
      const report = this.#gate.find((each) => each.pid === pid)?.report ?? null;
      const say = () => {
        if (report === null) switcher?.onWorker({ type: "worker-gone", pid });
        else switcher?.onWorker({ type: "prepared", pid, gate: order.gate, report });
      };
      void Promise.resolve(this.pause).then(say);
    } else if (order.type === "apply-snapshot") {
      const { activeVersion, epoch } = order.snapshot;
      if (this.#once(`commit ${activeVersion} ${epoch}`, epoch)) this.commits.push(order.snapshot);
      void this.onCommit().then(() => switcher?.onWorker({ type: "applied", pid, epoch }));
    }
  }

  kill(pid: number): void {
    this.log.push(`kill ${pid}`);
    queueMicrotask(() => this.#switcher?.onWorker({ type: "worker-gone", pid }));
  }

  /** Notes what is told to several workers once. */
  #once(line: string, number: number): boolean {
    const key = `${line} #${number}`;
    if (this.#told.has(key)) return false;
    this.#told.add(key);
    this.log.push(line);
    return true;
  }
}

interface Rig {
  readonly folder: string;
  readonly clock: ManualClock;
  readonly fleet: FleetByHand;
  readonly ended: string[];
  readonly logged: string[];
  /** File operations that fail while they are named here. */
  readonly broken: Set<string>;
  switcher: Switcher;
  store: FileStore;
  /** Ends the daemon and starts it again on the same folder. */
  restart(change?: { bootId?: string; versions?: string[]; minIntervalMs?: number }): Promise<RecoveredState>;
  switchTo(
    version: string,
    change?: Partial<SwitchCall>,
    context?: Partial<CallContext>,
  ): Promise<SwitchAnswer>;
  rollback(change?: Partial<RollbackCall>, context?: Partial<CallContext>): Promise<SwitchAnswer>;
  /** What the active version, the epoch and the files say; changes with every switch and with nothing else. */
  state(): Promise<unknown>;
}

async function startRig(
  t: TestContext,
  first: { minIntervalMs?: number; versions?: string[] } = {},
): Promise<Rig> {
  const folder = await tempDir(t);
  const clock = new ManualClock();
  const fleet = new FleetByHand();
  const ended: string[] = [];
  const logged: string[] = [];
  const broken = new Set<string>();
  const log = (_fields: object, sentence: string): void => void logged.push(sentence);
  const observe: SwitcherParts["observe"] = {
    switchEnded: ({ from, to, outcome, trigger, phaseSeconds }) =>
      void ended.push([from, to, outcome, trigger, ...Object.keys(phaseSeconds)].join(" ")),
    changed: () => {},
  };
  const start = async ({ bootId = "boot-1", versions = ["v1", "v2", "v3"], minIntervalMs = GAP_MS }) => {
    const { store, recovered } = await openFileStore({
      stateDir: folder,
      versions,
      clock,
      fs: faultyFs((call) => (broken.has(call) ? "fail" : "go")),
    });
    const switcher = new Switcher({
      config: {
        activeVersion: "v1",
        backends: versions.map((version) => versionOfOne(version, `http://${version}`)),
        switch: {
          minIntervalMs,
          probe: {
            method: "GET",
            path: "/",
            host: null,
            headers: [],
            expect: [],
            expectHeaders: [],
            expectBody: null,
            maxLatencyMs: null,
            timeoutMs: 1,
            successes: 1,
            intervalMs: 0,
          },
          prepareTimeoutMs: 10_000,
          persistTimeoutMs: 5_000,
          commitTimeoutMs: 2_000,
          hold: { maxRequests: 10_000, maxBytes: 64 * 1_024 * 1_024 },
          warmConnections: "auto",
          rollbackWindowMs: 300_000,
          startPolicy: "wait",
          drain: { deadlineMs: 30_000, websocketWindowMs: 10_000 },
        },
      },
      fleet,
      store,
      recovered,
      clock,
      bootId,
      log: { info: log, warn: log, error: log },
      observe,
    });
    fleet.connect(switcher);
    return { store, switcher, recovered };
  };
  const { store, switcher } = await start(first);
  const rig: Rig = {
    folder,
    clock,
    fleet,
    ended,
    logged,
    broken,
    store,
    switcher,
    restart: async (change = {}) => {
      await rig.switcher.close();
      await rig.store.release();
      const next = await start({ ...first, ...change });
      rig.store = next.store;
      rig.switcher = next.switcher;
      return next.recovered;
    },
    switchTo: (version, change, context) =>
      rig.switcher.switchTo(
        { version, force: false, dryRun: false, reason: null, expect: null, waitMs: 0, holdMs: 0, ...change },
        { actor: "loopback", idempotencyKey: null, bodyDigest: digest(version), ...context },
      ),
    rollback: (change, context) =>
      rig.switcher.rollback(
        { reason: null, force: false, expect: null, holdMs: 0, ...change },
        { actor: "token", idempotencyKey: null, bodyDigest: digest("rollback"), ...context },
      ),
    state: async () => {
      const { activeVersion, epoch, cooldownRemainingMs, rollbackTo, drains } = rig.switcher.status();
      const files = await Promise.all(
        [".version", ".history.jsonl"].map((name) => readFile(join(folder, name), "utf8").catch(() => null)),
      );
      const commits = fleet.commits.length;
      return { activeVersion, epoch, cooldownRemainingMs, rollbackTo, drains, files, commits };
    },
  };
  onTestEnd(t, () => rig.store.release());
  return rig;
}

const digest = (text: string): string => Buffer.from(text).toString("hex").padEnd(64, "0").slice(0, 64);

/** Refused with this code, and nothing has changed. */
async function assertRefused(
  rig: Rig,
  call: () => Promise<SwitchAnswer>,
  code: ErrorCode,
  message: RegExp = /./,
): Promise<SwitchRefusal> {
  const before = await rig.state();
  const error = await call().then(
    (answer) => assert.fail(`answered ${JSON.stringify(answer)}`),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SwitchRefusal, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, message);
  assert.deepEqual(await rig.state(), before);
  return error;
}

const pauseGate = (fleet: FleetByHand): (() => void) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  fleet.pause = promise;
  return () => {
    fleet.pause = null;
    resolve();
  };
};

test("a switch is prepared, persisted, committed and answered with figures", async (t) => {
  const rig = await startRig(t);
  assert.deepEqual(rig.switcher.snapshot(), { activeVersion: "v1", epoch: 0 });
  const answer = await rig.switchTo("v2", { reason: "release 7", waitMs: 5_000 });
  const probes = [{ backend: V2, ok: true, saw: "200", status: 200, duration_ms: 1.3 }];
  const backends = { asked: 1, needed: 1, passed: 1 };
  assert.deepEqual(answer, {
    success: true,
    message: "switched from v1 to v2",
    version: "v2",
    backend: "http://v2",
    health_check: "passed",
    changed: true,
    previous_version: "v1",
    epoch: 1,
    forced: false,
    duration_ms: 0,
    phases: { prepare_ms: 0, persist_ms: 0, commit_ms: 0 },
    workers: [
      { worker: 1, pid: 1_001, outcome: "applied", duration_ms: 0 },
      { worker: 2, pid: 1_002, outcome: "applied", duration_ms: 0 },
    ],
    gate: {
      outcome: "passed",
      workers: [
        { worker: 1, pid: 1_001, passed: true, answered: true, probes, warm_connections: 3, backends },
        { worker: 2, pid: 1_002, passed: true, answered: true, probes, warm_connections: 3, backends },
      ],
    },
  });
  assert.deepEqual(rig.fleet.log, ["prepare v2", "commit v2 1"]);
  const snapshot = { activeVersion: "v2", epoch: 1 };
  const drain = { deadlineMs: 30_000, websocketWindowMs: 10_000 };
  assert.deepEqual(rig.fleet.orders.slice(1, 3), [
    { type: "prepare", gate: 1, version: "v2", waitMs: 5_000, isBrief: false },
    { type: "apply-snapshot", snapshot, drain, release: null },
  ]);
  assert.deepEqual(rig.switcher.snapshot(), { activeVersion: "v2", epoch: 1 });
  assert.equal(await readFile(join(rig.folder, ".version"), "utf8"), "v2\n");
  const [entry] = rig.store.history(1);
  const { prev, hash, ...rest } = entry as SwitchEntry;
  assert.ok(prev === "" && hash.length === 64);
  assert.deepEqual(rest, {
    epoch: 1,
    from: "v1",
    to: "v2",
    at: "2030-01-01T00:00:00.000Z",
    trigger: "switch",
    forced: false,
    reason: "release 7",
    actor: "loopback",
    duration_ms: 0,
    gate: (answer as { gate?: unknown }).gate,
    clock: { boot_id: "boot-1", monotonic_ms: 1_000_000 },
    idempotency: null,
  });
  assert.deepEqual(rig.ended, ["v1 v2 done switch prepare persist commit"]);
  assert.deepEqual(rig.logged, ["switched"]);
});

test("the entry is durable before any worker follows", async (t) => {
  const rig = await startRig(t);
  let seen = "";
  rig.fleet.onCommit = async () => {
    seen = await readFile(join(rig.folder, ".version"), "utf8");
  };
  await rig.switchTo("v2");
  assert.equal(seen, "v2\n");
});

test("the phase is told while it runs", async (t) => {
  const rig = await startRig(t);
  const resume = pauseGate(rig.fleet);
  const running = rig.switchTo("v2");
  assert.equal(rig.switcher.status().phase, "prepare");
  let inCommit: unknown;
  rig.fleet.onCommit = async () => {
    inCommit = [rig.switcher.status().phase, rig.switcher.status().activeVersion];
  };
  resume();
  await running;
  assert.deepEqual(inCommit, ["commit", "v2"]);
  assert.equal(rig.switcher.status().phase, "idle");
});

test("an unknown version is 404 and names the known ones", async (t) => {
  const rig = await startRig(t);
  for (const dryRun of [false, true]) {
    const call = () => rig.switchTo("v\n9", { dryRun });
    await assertRefused(
      rig,
      call,
      "UNKNOWN_VERSION",
      /^no version "v\\n9" is configured; known are v1, v2, v3$/,
    );
  }
});

test("already there: 200 without gate, without a trace", async (t) => {
  const rig = await startRig(t);
  const before = await rig.state();
  const expected = {
    success: true,
    changed: false,
    message: "v1 is already active",
    version: "v1",
    backend: "http://v1",
    health_check: "skipped",
    epoch: 0,
  };
  assert.deepEqual(await rig.switchTo("v1", { expect: { epoch: 99 } }), expected);
  assert.deepEqual(await rig.switchTo("v1", { dryRun: true }), {
    ...expected,
    dry_run: true,
    verdict: "would_switch",
    code: null,
  });
  assert.deepEqual(await rig.state(), before);
  assert.deepEqual([rig.fleet.log, rig.ended], [[], []]);
});

test("one bad probe on one worker refuses, and says what was seen", async (t) => {
  const rig = await startRig(t);
  rig.fleet.gate = [
    {
      worker: 1,
      pid: 1_001,
      report: { passed: false, probes: [], warm: 0, backends: { asked: 1, needed: 1, good: [], bad: [] } },
    }, // told to stop
    prepared(2, "200", "503, expected 200-399"),
  ];
  const message = /^v2 did not pass its health check: 503, expected 200-399; nothing changed$/;
  const refusal = await assertRefused(rig, () => rig.switchTo("v2"), "GATE_REFUSED", message);
  const { workers } = refusal.details.gate as {
    workers: { worker: number; passed: boolean; probes: unknown[] }[];
  };
  assert.deepEqual(
    workers.map(({ worker, passed, probes }) => [worker, passed, probes.length]),
    [
      [1, false, 0],
      [2, false, 2],
    ],
  );
  assert.deepEqual(rig.ended, ["v1 v2 gate_refused switch prepare"]);
  const last = rig.switcher.status().lastProbes.get("v2");
  assert.deepEqual(last, {
    ok: false,
    at: "2030-01-01T00:00:00.000Z",
    saw: "503, expected 200-399",
    backends: new Map([[V2, { ok: false, saw: "503, expected 200-399" }]]),
  });
});

test("a worker that does not answer refuses", async (t) => {
  const rig = await startRig(t);
  rig.fleet.gate = [prepared(1, "200"), { worker: 2, pid: 1_002, report: null }];
  await assertRefused(
    rig,
    () => rig.switchTo("v2"),
    "GATE_REFUSED",
    /: worker 2 did not answer; nothing changed$/,
  );
});

test("no worker is 503, forced or not", async (t) => {
  const rig = await startRig(t);
  rig.fleet.gate = [];
  await assertRefused(rig, () => rig.switchTo("v2"), "NOT_READY");
  await assertRefused(rig, () => rig.switchTo("v2", { force: true, reason: "x" }), "NOT_READY");
  assert.equal(rig.switcher.status().lastProbes.size, 0);
});

test("a refusal starts no cool-down, a switch does, and 429 says when", async (t) => {
  const rig = await startRig(t);
  const healthy = rig.fleet.gate;
  rig.fleet.gate = [prepared(1, "500")];
  await assertRefused(rig, () => rig.switchTo("v2"), "GATE_REFUSED");
  rig.fleet.gate = healthy;
  await rig.switchTo("v2");
  rig.clock.advance(599_000.5);
  const refusal = await assertRefused(
    rig,
    () => rig.switchTo("v3"),
    "SWITCH_COOLING_DOWN",
    /in 1 s; a rollback and/,
  );
  assert.equal(refusal.retryAfterSeconds, 1);
  assert.deepEqual(rig.fleet.log.filter((line) => line === "prepare v3").length, 0);
  rig.clock.advance(999.5);
  await rig.switchTo("v3");
});

test("force skips the gate and the cool-down, is recorded, and starts a cool-down", async (t) => {
  const rig = await startRig(t);
  await rig.switchTo("v2");
  rig.fleet.gate = [prepared(1, "connect ECONNREFUSED")];
  const answer = await rig.switchTo("v3", { force: true, reason: "v2 is on fire" });
  assert.ok("forced" in answer && answer.forced && answer.health_check === "skipped");
  const [entry] = rig.store.history(1);
  assert.deepEqual(
    [entry?.forced, entry?.reason, entry !== undefined && isSwitch(entry) && entry.gate],
    [true, "v2 is on fire", { outcome: "skipped", workers: [] }],
  );
  assert.ok(!rig.fleet.log.includes("prepare v3"));
  rig.clock.advance(GAP_MS - 1);
  await assertRefused(rig, () => rig.switchTo("v1"), "SWITCH_COOLING_DOWN");
});

test("force does not skip expect, nor a running switch, nor 404", async (t) => {
  const rig = await startRig(t);
  const force = { force: true, reason: "x" };
  await assertRefused(
    rig,
    () => rig.switchTo("v2", { ...force, expect: { epoch: 1 } }),
    "EXPECTATION_FAILED",
  );
  await assertRefused(rig, () => rig.switchTo("v9", force), "UNKNOWN_VERSION");
  const resume = pauseGate(rig.fleet);
  const running = rig.switchTo("v2");
  await assertRefused(rig, () => rig.switchTo("v3", force), "SWITCH_IN_PROGRESS");
  resume();
  await running;
});

for (const [expect, isMet] of [
  [{ version: "v1" }, true],
  [{ epoch: 0 }, true],
  [{ version: "v1", epoch: 0 }, true],
  [{ version: "v2" }, false],
  [{ epoch: 1 }, false],
  [{ version: "v1", epoch: 1 }, false],
  [{ version: "v2", epoch: 0 }, false],
] as const) {
  test(`expect ${JSON.stringify(expect)} at v1, epoch 0 is ${isMet ? "met" : "412"}`, async (t) => {
    const rig = await startRig(t);
    if (isMet) return void (await rig.switchTo("v2", { expect }));
    const refusal = await assertRefused(rig, () => rig.switchTo("v2", { expect }), "EXPECTATION_FAILED");
    assert.deepEqual(refusal.details, { active_version: "v1", epoch: 0 });
  });
}

test("checks come in the order of the design: each hides those after it", async (t) => {
  const rig = await startRig(t);
  await rig.switchTo("v2", {}, { idempotencyKey: "k" }); // a cool-down runs from here on
  rig.fleet.gate = [prepared(1, "500")];
  const wrong = { expect: { epoch: 99 } };
  const resume = pauseGate(rig.fleet);
  const running = rig.switchTo("v3", { force: false, dryRun: true }); // no lock
  await assertRefused(
    rig,
    () => rig.switchTo("v9", wrong, { idempotencyKey: "k" }),
    "IDEMPOTENCY_KEY_REUSED",
  );
  await assertRefused(rig, () => rig.switchTo("v9", wrong), "UNKNOWN_VERSION");
  assert.equal((await rig.switchTo("v2", wrong)).changed, false);
  await assertRefused(rig, () => rig.switchTo("v3", wrong), "EXPECTATION_FAILED");
  await assertRefused(rig, () => rig.switchTo("v3"), "SWITCH_COOLING_DOWN");
  resume();
  await running;
  rig.clock.advance(GAP_MS);
  const again = pauseGate(rig.fleet);
  const switching = rig.switchTo("v3");
  await assertRefused(rig, () => rig.switchTo("v9", wrong), "UNKNOWN_VERSION");
  assert.equal((await rig.switchTo("v2", wrong)).changed, false);
  await assertRefused(rig, () => rig.switchTo("v1", wrong), "SWITCH_IN_PROGRESS");
  again();
  await assert.rejects(switching, { code: "GATE_REFUSED" });
});

test("two calls at once: one switches, one gets 409, and the lock is free afterwards", async (t) => {
  const rig = await startRig(t, { minIntervalMs: 0 });
  const results = await Promise.allSettled([rig.switchTo("v2"), rig.switchTo("v3"), rig.rollback()]);
  assert.deepEqual(
    results.map((result) => (result.status === "fulfilled" ? 200 : result.reason.code)),
    [200, "SWITCH_IN_PROGRESS", "SWITCH_IN_PROGRESS"],
  );
  assert.equal(rig.switcher.snapshot().activeVersion, "v2");
  await rig.switchTo("v3");
});

test("the lock is free again after a refused gate and after a failed write", async (t) => {
  const rig = await startRig(t);
  const healthy = rig.fleet.gate;
  rig.fleet.gate = [prepared(1, "500")];
  await assertRefused(rig, () => rig.switchTo("v2"), "GATE_REFUSED");
  rig.fleet.gate = healthy;
  rig.broken.add("write .history.jsonl");
  await assert.rejects(rig.switchTo("v2"), { code: "STATE_WRITE_FAILED" });
  rig.broken.clear();
  await rig.switchTo("v2");
});

for (const step of ["write .history.jsonl", "rename .version.tmp"]) {
  test(`a failed "${step}" is STATE_WRITE_FAILED: no worker follows, nothing has changed, also after a restart`, async (t) => {
    const rig = await startRig(t);
    await rig.switchTo("v2");
    rig.clock.advance(GAP_MS);
    const before = await rig.state();
    rig.broken.add(step);
    await assert.rejects(rig.switchTo("v3"), { code: "STATE_WRITE_FAILED", message: /; nothing changed$/ });
    assert.deepEqual(await rig.state(), before);
    assert.equal(rig.ended.at(-1), "v2 v3 write_failed switch prepare persist");
    rig.broken.clear();
    const { version, epoch } = await rig.restart();
    assert.deepEqual([version, epoch], ["v2", 1]);
  });
}

test("epochs grow by one with each switch and rollback, and go on after a restart", async (t) => {
  const rig = await startRig(t, { minIntervalMs: 0 });
  await rig.switchTo("v2");
  await rig.rollback();
  await rig.restart();
  assert.deepEqual(rig.switcher.snapshot(), { activeVersion: "v1", epoch: 2 });
  await rig.switchTo("v3");
  assert.deepEqual(
    rig.store.history(9).map(({ epoch }) => epoch),
    [3, 2, 1],
  );
});

test("the cool-down goes on after a restart, whatever the wall clock did", async (t) => {
  const rig = await startRig(t);
  await rig.switchTo("v2");
  rig.clock.advance(100_000);
  rig.clock.jumpWall(DAY_MS);
  await rig.restart();
  assert.equal(rig.switcher.status().cooldownRemainingMs, GAP_MS - 100_000);
  rig.clock.jumpWall(-3 * DAY_MS);
  await rig.restart();
  assert.equal(rig.switcher.status().cooldownRemainingMs, GAP_MS - 100_000);
});

test("the cool-down goes on after a reboot, by the wall clock", async (t) => {
  const rig = await startRig(t);
  await rig.switchTo("v2");
  rig.clock.reboot({ offMs: 60_000 });
  await rig.restart({ bootId: "boot-2" });
  assert.equal(rig.switcher.status().cooldownRemainingMs, GAP_MS - 60_000);
});

test("a dry run goes through every check and changes nothing", async (t) => {
  const rig = await startRig(t);
  const before = await rig.state();
  const good = await rig.switchTo("v2", { dryRun: true });
  assert.ok("verdict" in good && "gate" in good);
  assert.deepEqual(
    [good.success, good.dry_run, good.verdict, good.code, good.changed, good.version, good.backend],
    [true, true, "would_switch", null, false, "v2", "http://v2"],
  );
  assert.equal((good.gate as { workers: unknown[] }).workers.length, 2);
  const verdict = async (change: Partial<SwitchCall> = {}) => {
    const answer = await rig.switchTo("v2", { dryRun: true, ...change });
    assert.ok("verdict" in answer && answer.success);
    return [answer.verdict, answer.code];
  };
  assert.deepEqual(await verdict({ expect: { epoch: 7 } }), ["would_refuse", "EXPECTATION_FAILED"]);
  const healthy = rig.fleet.gate;
  rig.fleet.gate = [prepared(1, "500, expected 200-399")];
  const bad = await rig.switchTo("v2", { dryRun: true });
  assert.ok("verdict" in bad && bad.code === "GATE_REFUSED" && bad.gate !== undefined);
  assert.match(bad.message, /500, expected 200-399/);
  assert.deepEqual(await verdict({ force: true, reason: "x" }), ["would_switch", null]);
  rig.fleet.gate = healthy;
  assert.deepEqual(await rig.state(), before);
  assert.deepEqual(rig.ended, []);
  await rig.switchTo("v3");
  const cooling = await rig.switchTo("v2", { dryRun: true });
  assert.ok(
    "verdict" in cooling && cooling.code === "SWITCH_COOLING_DOWN" && cooling.retry_after_seconds === 600,
  );
  const [first] = Object.entries(bad).filter(([name]) => name === "verdict" || name === "gate");
  assert.equal(first?.[0], "verdict", "said before what the probes saw");
});

test("a dry run takes no lock, and during a switch says that it would be refused", async (t) => {
  const rig = await startRig(t);
  const resume = pauseGate(rig.fleet);
  const rehearsal = rig.switchTo("v3", { dryRun: true });
  const running = rig.switchTo("v2");
  const second = await rig.switchTo("v3", { dryRun: true });
  assert.ok("verdict" in second && second.verdict === "would_refuse" && second.code === "SWITCH_IN_PROGRESS");
  resume();
  await Promise.all([rehearsal, running]);
});

test("a rollback undoes the last switch once, during the cool-down", async (t) => {
  const rig = await startRig(t);
  await rig.switchTo("v2");
  assert.equal(rig.switcher.status().rollbackTo, "v1");
  const answer = await rig.rollback({ reason: "errors" });
  assert.ok(answer.changed && answer.message === "rolled back from v2 to v1" && answer.epoch === 2);
  assert.deepEqual(rig.fleet.log.slice(2), ["prepare v1", "commit v1 2"]);
  const [entry] = rig.store.history(1);
  assert.deepEqual([entry?.trigger, entry?.actor, entry?.reason], ["rollback", "token", "errors"]);
  assert.equal(rig.ended.at(-1), "v2 v1 done rollback prepare persist commit");
  assert.equal(rig.switcher.status().rollbackTo, null);
  await assertRefused(
    rig,
    () => rig.rollback(),
    "NOTHING_TO_ROLL_BACK",
    /already rolled back; v1 is active \(POST \/switch goes to another version\)$/,
  );
  await rig.restart();
  await assertRefused(rig, () => rig.rollback(), "NOTHING_TO_ROLL_BACK", /already rolled back/);
  await assertRefused(rig, () => rig.switchTo("v2"), "SWITCH_COOLING_DOWN"); // a rollback starts one too
  rig.clock.advance(GAP_MS);
  await rig.switchTo("v3");
  assert.equal(rig.switcher.status().rollbackTo, "v1");
});

test("a rollback is gated like a switch unless it is forced, and honours expect", async (t) => {
  const rig = await startRig(t);
  await rig.switchTo("v2");
  rig.fleet.gate = [prepared(1, "connect ECONNREFUSED")];
  await assertRefused(rig, () => rig.rollback(), "GATE_REFUSED", /^v1 did not pass .*ECONNREFUSED/);
  await assertRefused(rig, () => rig.rollback({ expect: { epoch: 7 } }), "EXPECTATION_FAILED");
  const answer = await rig.rollback({ force: true, reason: "now", expect: { epoch: 1, version: "v2" } });
  assert.ok("forced" in answer && answer.forced);
});

test("there is nothing to roll back before the first switch, after a reset by hand, or to a version that is gone", async (t) => {
  const rig = await startRig(t);
  await assertRefused(rig, () => rig.rollback(), "NOTHING_TO_ROLL_BACK", /^there was no switch yet$/);
  await rig.switchTo("v2");
  await rig.restart({ versions: ["v2", "v3"] });
  const gone = /^the version before, v1, is no longer configured$/;
  await assertRefused(rig, () => rig.rollback(), "NOTHING_TO_ROLL_BACK", gone);
  await writeFile(
    join(rig.folder, ".history.jsonl"),
    (await readFile(join(rig.folder, ".history.jsonl"), "utf8")).replace("loopback", "x"),
  );
  await writeFile(join(rig.folder, ".version"), "v3\n");
  await rig.restart({ versions: ["v1", "v2", "v3"] });
  const other = /^the last switch was to v2, but v3 is active$/;
  await assertRefused(rig, () => rig.rollback(), "NOTHING_TO_ROLL_BACK", other);
});

test("the version left is drained until its deadline; one switched back to is not", async (t) => {
  const rig = await startRig(t, { minIntervalMs: 0 });
  const drained = () => rig.switcher.status().drains.map(({ version }) => version);
  await rig.switchTo("v2");
  const startedAtMs = rig.clock.nowMs();
  assert.deepEqual(rig.switcher.status().drains, [
    { version: "v1", startedAtMs, deadlineAtMs: startedAtMs + 30_000 },
  ]);
  rig.clock.advance(20_000);
  await rig.switchTo("v3");
  assert.deepEqual(drained(), ["v1", "v2"]);
  await rig.switchTo("v1");
  assert.deepEqual(drained(), ["v2", "v3"]);
  rig.clock.advance(30_000);
  assert.deepEqual(drained(), []);
});

test("the same key and body gets the first answer again, to the byte, for 24 h", async (t) => {
  const rig = await startRig(t, { minIntervalMs: 0 });
  const key = { idempotencyKey: "release-7" };
  const first = JSON.stringify(await rig.switchTo("v2", {}, key));
  await rig.switchTo("v3");
  rig.clock.advance(DAY_MS - 1);
  assert.equal(JSON.stringify(await rig.switchTo("v2", {}, key)), first);
  assert.equal(rig.switcher.snapshot().activeVersion, "v3");
  rig.clock.advance(1);
  assert.notEqual(JSON.stringify(await rig.switchTo("v2", {}, key)), first);
  assert.deepEqual(rig.switcher.snapshot(), { activeVersion: "v2", epoch: 3 });
});

test("the same key with another body is 422, whether the first still runs or is done", async (t) => {
  const rig = await startRig(t);
  const resume = pauseGate(rig.fleet);
  const first = rig.switchTo("v2", {}, { idempotencyKey: "k" });
  const other = () => rig.switchTo("v3", {}, { idempotencyKey: "k" });
  await assertRefused(rig, other, "IDEMPOTENCY_KEY_REUSED");
  resume();
  await first;
  await assertRefused(rig, other, "IDEMPOTENCY_KEY_REUSED");
  await assertRefused(rig, () => rig.rollback({}, { idempotencyKey: "k" }), "IDEMPOTENCY_KEY_REUSED");
});

test("parallel calls with one key are one switch and get one answer", async (t) => {
  const rig = await startRig(t);
  const call = () => rig.switchTo("v2", {}, { idempotencyKey: "k" });
  const answers = await Promise.all([call(), call(), call()]);
  assert.equal(new Set(answers.map((answer) => JSON.stringify(answer))).size, 1);
  assert.equal(rig.fleet.commits.length, 1);
});

test("a refused call does not spend its key, and those that waited for it are refused alike", async (t) => {
  const rig = await startRig(t);
  const healthy = rig.fleet.gate;
  rig.fleet.gate = [prepared(1, "500")];
  const call = () => rig.switchTo("v2", {}, { idempotencyKey: "k" });
  const results = await Promise.allSettled([call(), call()]);
  assert.deepEqual(
    results.map((result) => result.status === "rejected" && result.reason.code),
    ["GATE_REFUSED", "GATE_REFUSED"],
  );
  assert.deepEqual(rig.fleet.log, ["prepare v2"]);
  rig.fleet.gate = healthy;
  await rig.switchTo("v3", {}, { idempotencyKey: "k" });
});

test("a rollback with a key, sent twice, is one rollback", async (t) => {
  const rig = await startRig(t);
  await rig.switchTo("v2");
  const call = () => rig.rollback({}, { idempotencyKey: "back" });
  const first = await call();
  assert.deepEqual(await call(), first);
  assert.equal(rig.switcher.snapshot().epoch, 2);
});

test("after a restart a key is answered from the history, for the rest of its 24 h", async (t) => {
  const rig = await startRig(t, { minIntervalMs: 0 });
  const key = { idempotencyKey: "k" };
  await rig.switchTo("v2", {}, key);
  await rig.switchTo("v3");
  rig.clock.advance(3_600_000);
  await rig.restart();
  assert.deepEqual(await rig.switchTo("v2", {}, key), {
    success: true,
    message: "switched from v1 to v2",
    version: "v2",
    backend: "http://v2",
    health_check: "passed",
    changed: true,
    previous_version: "v1",
    epoch: 1,
    forced: false,
  });
  await assertRefused(rig, () => rig.switchTo("v1", {}, key), "IDEMPOTENCY_KEY_REUSED");
  rig.clock.advance(DAY_MS - 3_600_001);
  await assertRefused(rig, () => rig.switchTo("v1", {}, key), "IDEMPOTENCY_KEY_REUSED");
  await rig.restart();
  await assertRefused(rig, () => rig.switchTo("v1", {}, key), "IDEMPOTENCY_KEY_REUSED");
  rig.clock.advance(1);
  await rig.switchTo("v1", {}, key);
});

test("the history holds the hash of a key, never the key", async (t) => {
  const rig = await startRig(t);
  await rig.switchTo("v2", {}, { idempotencyKey: "my-secret-key" });
  const text = await readFile(join(rig.folder, ".history.jsonl"), "utf8");
  assert.ok(!text.includes("my-secret-key"));
  assert.match(text, /"key_sha256":"[0-9a-f]{64}"/);
});

test("at most 1,000 keys are kept, the oldest goes first, and one that made a switch last", async (t) => {
  const rig = await startRig(t);
  const first = await rig.switchTo("v2", {}, { idempotencyKey: "switch" });
  const again = (idempotencyKey: string) => rig.switchTo("v2", {}, { idempotencyKey });
  const otherBody = () => rig.switchTo("v2", {}, { idempotencyKey: "oldest", bodyDigest: digest("other") });
  await again("oldest");
  for (let n = 2; n < 1_000; n++) await again(`k${n}`);
  await assertRefused(rig, otherBody, "IDEMPOTENCY_KEY_REUSED");
  await again("one more");
  assert.equal((await otherBody()).changed, false);
  assert.deepEqual(await again("switch"), first);
});

test("once closed every call is 503; the switch that runs ends first", async (t) => {
  const rig = await startRig(t);
  const resume = pauseGate(rig.fleet);
  const running = rig.switchTo("v2", {}, { idempotencyKey: "k" });
  const closing = rig.switcher.close();
  await assertRefused(rig, () => rig.switchTo("v3"), "NOT_READY", /ending/);
  await assertRefused(rig, () => rig.switchTo("v3", { dryRun: true }), "NOT_READY");
  await assertRefused(rig, () => rig.rollback(), "NOT_READY");
  resume();
  await closing;
  assert.equal(rig.switcher.snapshot().activeVersion, "v2");
  assert.equal((await running).changed, true);
});

test("closing waits for no refused switch to succeed", async (t) => {
  const rig = await startRig(t);
  rig.fleet.gate = [prepared(1, "500")];
  const running = assert.rejects(rig.switchTo("v2"), { code: "GATE_REFUSED" });
  await rig.switcher.close();
  await running;
});

test("status tells where the active version came from and what is damaged; a switch mends it", async (t) => {
  const rig = await startRig(t);
  assert.deepEqual(rig.switcher.status().state, { source: "config", damaged: [] });
  await writeFile(join(rig.folder, ".version"), "v?");
  await rig.restart();
  const { source, damaged } = rig.switcher.status().state;
  assert.deepEqual([source, damaged.length], ["config", 1]);
  await rig.switchTo("v2");
  assert.deepEqual(rig.switcher.status().state, { source: "version_file", damaged: [] });
});

test("many probes and long words do not swell the history", async (t) => {
  const rig = await startRig(t);
  rig.fleet.gate = [prepared(1, ...Array.from({ length: 20 }, () => "200"))];
  await rig.switchTo("v2");
  const [entry] = rig.store.history(1);
  assert.equal(JSON.stringify(entry).match(/"saw"/g)?.length, 5);
  rig.clock.advance(GAP_MS);
  rig.fleet.gate = [prepared(1, "x".repeat(5_000))];
  await assertRefused(rig, () => rig.switchTo("v3"), "GATE_REFUSED", /^.{1,300}$/);
});

test("a history with a torn line starts, and the torn switch never was", async (t) => {
  const rig = await startRig(t, { minIntervalMs: 0 });
  await rig.switchTo("v2");
  await rig.store.release();
  await appendFile(join(rig.folder, ".history.jsonl"), '{"epoch":2,"from":"v2","to":"v3"');
  await rig.restart();
  assert.deepEqual(rig.switcher.snapshot(), { activeVersion: "v2", epoch: 1 });
  await rig.switchTo("v3");
  assert.equal(rig.switcher.snapshot().epoch, 2);
});
