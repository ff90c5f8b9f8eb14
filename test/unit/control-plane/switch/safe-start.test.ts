/** Safe start: when the daemon is ready on the version that the state names, and when it moves away from it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextRound } from "node:timers/promises";
import { versionOfOne } from "../../../../src/config/pool-config.ts";
import { SafeStart, type SafeStartParts } from "../../../../src/control-plane/switch/safe-start.ts";
import type { RecoveredState, SwitchEntry } from "../../../../src/control-plane/switch/state-store.ts";
import type { DryRun, SwitchAnswer } from "../../../../src/control-plane/switch/switch-answer.ts";
import { SwitchRefusal } from "../../../../src/control-plane/switch/switch-refusal.ts";
import { ManualTimers } from "../../../support/manual-timers.ts";

const VERSIONS = ["v1", "v2", "v3", "v4"];
const OWN = "v2";
const REFUSED = "cannot connect to http://127.0.0.1:9002: connect ECONNREFUSED 127.0.0.1:9002";

interface Rig {
  readonly safeStart: SafeStart;
  /** What lives now. */
  readonly living: Set<string>;
  /** No worker listens: nothing can be probed. */
  isBlind: boolean;
  readonly probed: string[];
  readonly failedOver: { to: string; reason: string }[];
  readonly warned: string[];
  readonly timers: ManualTimers;
  changes: number;
  /** What failOver is refused with; null: it is done. */
  refusal: Error | null;
  /** Time goes by, until nothing more happens. */
  pass(ms: number): Promise<void>;
}

function rig(
  living: readonly string[],
  {
    policy = "wait",
    recovered = {},
  }: { policy?: "wait" | "fail-over"; recovered?: Partial<RecoveredState> } = {},
): Rig {
  const timers = new ManualTimers();
  const parts: SafeStartParts = {
    config: {
      backends: VERSIONS.map((version) => versionOfOne(version, `http://${version}`)),
      switch: { startPolicy: policy },
    },
    recovered: { source: "version_file", version: OWN, entries: [], ...recovered },
    switcher: {
      probe: async (version) => {
        made.probed.push(version);
        return sight(version, made.isBlind ? "NOT_READY" : made.living.has(version) ? null : "GATE_REFUSED");
      },
      failOver: async (to, reason) => {
        made.failedOver.push({ to, reason });
        if (made.refusal !== null) throw made.refusal;
        made.safeStart.switched({ trigger: "fail-over" });
        return {} as SwitchAnswer; // is not looked at
      },
      status: () => {
        const ok = made.living.has(OWN);
        return {
          lastProbes: new Map([[OWN, { ok, at: "", saw: ok ? "200" : REFUSED, backends: new Map() }]]),
        };
      },
    },
    after: (ms, run) => timers.after(ms, run),
    log: { warn: (fields, sentence) => void made.warned.push(`${sentence} ${JSON.stringify(fields)}`) },
    onChange: () => {
      made.changes++;
    },
  };
  const made: Rig = {
    safeStart: new SafeStart(parts),
    living: new Set(living),
    isBlind: false,
    probed: [],
    failedOver: [],
    warned: [],
    timers,
    changes: 0,
    refusal: null,
    async pass(ms) {
      timers.pass(ms);
      await nextRound();
    },
  };
  return made;
}

function sight(version: string, code: string | null): DryRun {
  const verdict = code === null ? "would_switch" : "would_refuse";
  const health_check = "passed";
  const told = {
    success: true,
    dry_run: true,
    changed: false,
    message: "",
    backend: null,
    epoch: 1,
  } as const;
  return { ...told, health_check, version, verdict, code } as DryRun;
}

async function begun(...args: Parameters<typeof rig>): Promise<Rig & { readonly end: () => boolean | null }> {
  const made = rig(...args);
  let end: boolean | null = null;
  void made.safeStart.begin().then((isReady) => {
    end = isReady;
  });
  await made.pass(0);
  return Object.assign(made, { end: () => end });
}

test("a version that comes from the config is not probed, and nothing speaks against being ready", async () => {
  const rigs = [
    await begun([], { recovered: { source: "config", version: null } }),
    await begun(["v1"], { policy: "fail-over", recovered: { source: "config", version: null } }),
  ];
  for (const { safeStart, probed, end, timers } of rigs) {
    assert.deepEqual(safeStart.check, { state: "not_needed", version: null, saw: null });
    assert.deepEqual([safeStart.why, probed, end(), timers.pending], ["", [], true, 0]);
  }
});

test("until it was probed the daemon is not ready; nothing is probed before the workers listen", async () => {
  const { safeStart, probed } = rig([OWN]);
  await nextRound();
  assert.equal(safeStart.why, "v2 of the state has not been probed yet");
  assert.deepEqual(safeStart.check, { state: "checking", version: OWN, saw: null });
  assert.deepEqual(probed, []);
});

for (const policy of ["wait", "fail-over"] as const) {
  test(`${policy}: a version that lives is ready, and no other is probed`, async () => {
    const { safeStart, probed, end, timers, changes } = await begun([OWN, "v1"], { policy });
    assert.deepEqual(safeStart.check, { state: "passed", version: OWN, saw: "200" });
    assert.deepEqual([safeStart.why, probed, end(), timers.pending, changes], ["", [OWN], true, 0, 1]);
  });

  test(`${policy}: when no version lives, the daemon is ready, and says so in the log`, async () => {
    const { safeStart, failedOver, end, timers, warned } = await begun([], { policy });
    assert.deepEqual(safeStart.check, { state: "no_other", version: OWN, saw: REFUSED });
    assert.deepEqual([safeStart.why, failedOver, end(), timers.pending], ["", [], true, 0]);
    assert.equal(warned.length, 1);
  });

  test(`${policy}: a version that answers the second time is ready on`, async () => {
    const made = await begun(["v1"], { policy });
    assert.equal(made.end(), null);
    made.living.add(OWN);
    await made.pass(1_000);
    assert.deepEqual([made.safeStart.check.state, made.end(), made.failedOver], ["passed", true, []]);
  });

  test(`${policy}: while no worker listens nothing is decided`, async () => {
    const made = rig(["v1"], { policy });
    made.isBlind = true;
    void made.safeStart.begin();
    for (let n = 0; n < 5; n++) await made.pass(1_000);
    assert.deepEqual([made.safeStart.check.state, made.failedOver, made.changes], ["checking", [], 0]);
    made.isBlind = false;
    made.living.add(OWN);
    await made.pass(1_000);
    assert.equal(made.safeStart.check.state, "passed");
  });

  test(`${policy}: somebody's switch ends it`, async () => {
    const made = await begun(["v1"], { policy });
    made.safeStart.switched({ trigger: "switch" });
    assert.deepEqual([made.safeStart.check.state, made.safeStart.why], ["switched", ""]);
    await made.pass(5_000);
    assert.deepEqual([made.probed.length, made.failedOver, made.end()], [4, [], true]);
  });

  test(`${policy}: a switch while a probe is on its way counts, whatever that probe sees`, async () => {
    const made = rig(["v1"], { policy });
    void made.safeStart.begin();
    made.safeStart.switched({ trigger: "rollback" });
    await made.pass(5_000);
    assert.deepEqual([made.safeStart.check.state, made.probed, made.failedOver], ["switched", [OWN], []]);
  });

  test(`${policy}: the end of the daemon ends it, also with a probe on its way`, async () => {
    for (const waitMs of [0, 5_000]) {
      const made = rig(["v1"], { policy });
      const end = made.safeStart.begin();
      made.safeStart.close();
      await made.pass(waitMs);
      assert.equal(await end, false);
      assert.deepEqual([made.probed, made.timers.pending, made.failedOver], [[OWN], 0, []]);
    }
  });
}

test("wait: it is not ready while the version is dead and another lives, and looks once a second", async () => {
  const made = await begun(["v3"]);
  assert.equal(
    made.safeStart.why,
    `v2 of the state does not answer, but v3 does; see GET /status and switch.start_policy`,
  );
  assert.deepEqual(made.safeStart.check, { state: "waiting", version: OWN, saw: REFUSED });
  for (let n = 2; n <= 20; n++) {
    assert.equal(made.timers.pending, 1);
    await made.pass(999);
    assert.equal(made.probed.length, (n - 1) * VERSIONS.length);
    await made.pass(1);
    assert.equal(made.probed.length, n * VERSIONS.length);
  }
  assert.deepEqual([made.end(), made.failedOver, made.warned.length], [null, [], 1]);
  made.living.add(OWN);
  await made.pass(1_000);
  assert.deepEqual([made.safeStart.check.state, made.end(), made.timers.pending], ["passed", true, 0]);
});

test("wait: the end of the daemon ends the waiting", async () => {
  const made = await begun(["v1"]);
  made.safeStart.close();
  await made.pass(5_000);
  assert.deepEqual([made.end(), made.timers.pending, made.probed.length], [false, 0, VERSIONS.length]);
});

test("wait: it is ready when the others have died too", async () => {
  const made = await begun(["v1"]);
  made.living.clear();
  await made.pass(1_000);
  assert.deepEqual([made.safeStart.check.state, made.safeStart.why, made.end()], ["no_other", "", true]);
});

test("fail-over: one bad look moves nothing, the second in a row does", async () => {
  const made = await begun(["v4", "v3"], { policy: "fail-over" });
  assert.deepEqual([made.failedOver, made.warned], [[], []]);
  assert.match(made.safeStart.why, /does not answer/);
  await made.pass(1_000);
  assert.deepEqual(made.failedOver, [{ to: "v3", reason: `v2 did not answer at start: ${REFUSED}` }]);
  assert.deepEqual([made.safeStart.check.state, made.safeStart.why, made.end()], ["failed_over", "", true]);
  await made.pass(5_000);
  assert.equal(made.failedOver.length, 1);
});

const PREFERENCES: readonly (readonly [living: string[], from: string, to: string])[] = [
  [["v1", "v3", "v4"], "v4", "v4"],
  [["v1", "v3"], "v4", "v1"],
  [["v4", "v3"], "v1", "v3"],
  [["v3"], "v0", "v3"],
  [["v3"], OWN, "v3"],
];
for (const [living, from, to] of PREFERENCES) {
  test(`fail-over: from ${OWN}, that came from ${from}, to ${to} while ${living} live`, async () => {
    const last = { from, to: OWN } as SwitchEntry;
    const made = await begun(living, { policy: "fail-over", recovered: { entries: [last] } });
    await made.pass(1_000);
    assert.equal(made.failedOver[0]?.to, to);
  });
}

test("fail-over: what was rolled back is the last choice", async () => {
  const last = { from: "v1", to: OWN, trigger: "rollback" } as SwitchEntry;
  for (const [living, to] of [
    [["v1", "v3"], "v3"],
    [["v1"], "v1"],
  ] as const) {
    const made = await begun([...living], { policy: "fail-over", recovered: { entries: [last] } });
    await made.pass(1_000);
    assert.equal(made.failedOver[0]?.to, to);
  }
});

test("fail-over: when it is refused it is waited for the version, as with wait", async () => {
  const made = await begun(["v1"], { policy: "fail-over" });
  made.refusal = new SwitchRefusal("GATE_REFUSED", "v1 did not pass its health check");
  await made.pass(1_000);
  for (let n = 0; n < 5; n++) await made.pass(1_000);
  assert.deepEqual([made.failedOver.length, made.safeStart.check.state, made.end()], [1, "waiting", null]);
  assert.equal(made.warned.filter((line) => line.startsWith("not ready")).length, 1);
  made.living.add(OWN);
  await made.pass(1_000);
  assert.deepEqual([made.safeStart.check.state, made.end()], ["passed", true]);
});
