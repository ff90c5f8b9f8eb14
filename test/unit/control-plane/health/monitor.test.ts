/** The prober: the guide's lists (stagger, bound, jitter, thresholds), membership, its own lateness. By manual time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../../load/random.ts";
import { BAD, backendsOf, GOOD, type MonitorRig, startRig } from "./monitor-rig.ts";

const LATE = "backends were not probed for more than twice their interval";

/** How many backends it was said to be late with. */
function lateIn({ logged }: MonitorRig): number {
  return logged
    .filter(({ sentence }) => sentence === LATE)
    .reduce((sum, { fields }) => sum + (fields as { late: number }).late, 0);
}

/** When each backend was probed, by name. */
function timesOf({ probed }: MonitorRig): Map<string, number[]> {
  const times = new Map<string, number[]>();
  for (const { backend, atMs } of probed) times.set(backend.name, [...(times.get(backend.name) ?? []), atMs]);
  return times;
}

test("100 backends begin spread evenly over an interval of 10 s, no two at once", async () => {
  const rig = startRig();
  rig.monitor.update(backendsOf(100));
  await rig.pass(9_990);
  assert.deepEqual(
    [...timesOf(rig).values()].map(([first]) => first),
    Array.from({ length: 100 }, (_, index) => index * 100),
  );
});

test("each is probed once in an interval, give or take a tenth, and they stay spread out", async () => {
  const rig = startRig();
  rig.monitor.update(backendsOf(100));
  await rig.pass(100_000);
  const pauses = [...timesOf(rig).values()].flatMap((times) =>
    times.slice(1).map((time, i) => time - (times[i] ?? 0)),
  );
  assert.ok(pauses.length >= 890, `${pauses.length}`);
  assert.ok(Math.min(...pauses) >= 8_990 && Math.max(...pauses) <= 11_010, "more than a tenth");
  assert.ok(Math.min(...pauses) < 9_500 && Math.max(...pauses) > 10_500, "no jitter");
  const perSecond = Array.from(
    { length: 100 },
    (_, second) => rig.probed.filter(({ atMs }) => Math.floor(atMs / 1_000) === second).length,
  );
  assert.ok(Math.max(...perSecond) <= 20, `${Math.max(...perSecond)} in one second`);
});

test("the backends of every version are probed, each by its own interval", async () => {
  const rig = startRig();
  rig.monitor.update([
    ...backendsOf(1, { intervalMs: 1_000 }),
    ...backendsOf(1, { intervalMs: 5_000 }, "v2"),
  ]);
  await rig.pass(20_000);
  const countOf = (version: string) => rig.probed.filter(({ backend }) => backend.version === version).length;
  assert.ok(Math.abs(countOf("v1") - 20) <= 1, `${countOf("v1")}`);
  assert.ok(Math.abs(countOf("v2") - 4) <= 1, `${countOf("v2")}`);
});

test("no more than 16 run at once, and each backend waits at most once", async () => {
  const rig = startRig(() => null);
  rig.monitor.update(backendsOf(100));
  await rig.pass(60_000);
  assert.equal(rig.running.size, 16);
  assert.equal(rig.probed.length, 16);
  const most = { running: 0 };
  for (let i = 0; i < 100; i++) {
    const [first] = rig.running;
    first?.end(GOOD);
    await new Promise(setImmediate);
    most.running = Math.max(most.running, rig.running.size);
  }
  assert.equal(most.running, 16);
  assert.equal(new Set(rig.probed.slice(0, 100).map(({ backend }) => backend.name)).size, 100);
});

test("of many backends more are probed at once, one in 16, so that good but slow ones are probed in time", async () => {
  const rig = startRig(() => null);
  rig.monitor.update(backendsOf(1_000));
  await rig.pass(20_000);
  assert.equal(rig.running.size, 63);
  rig.monitor.update(backendsOf(8_000));
  await rig.pass(20_000);
  assert.equal(rig.running.size, 256, "not more, however many there are");
});

test("with more to do than it can, it goes around in turn: none is forgotten", async () => {
  const endAtMs = new Map<object, number>();
  const rig = startRig((probed) => {
    endAtMs.set(probed, probed.atMs + 2_000);
    return null;
  });
  rig.monitor.update(backendsOf(240)); // 30 s of work for each round of 10 s
  for (let i = 0; i < 900; i++) {
    await rig.pass(100);
    for (const each of [...rig.running]) if ((endAtMs.get(each) ?? 0) <= rig.nowMs()) each.end(BAD);
  }
  const counts = [...timesOf(rig).values()].map(({ length }) => length);
  assert.equal(counts.length, 240);
  assert.ok(
    Math.max(...counts) - Math.min(...counts) <= 1,
    `${Math.min(...counts)} to ${Math.max(...counts)}`,
  );
  assert.equal(lateIn(rig), 240, "each is told once, however long it lasts");
});

test("a probe that takes as long as the interval costs no turn", async () => {
  const rig = startRig(() => null);
  rig.monitor.update(backendsOf(1, { intervalMs: 1_000, timeoutMs: 1_000 }));
  for (let i = 0; i < 10; i++) {
    await rig.pass(1_000);
    for (const each of [...rig.running]) each.end(BAD);
    await rig.pass(20);
  }
  assert.ok(rig.probed.length >= 10, `${rig.probed.length}`);
});

test("a verdict is told when it changes, and only then", async () => {
  const rig = startRig(({ atMs }) => (atMs >= 30_000 && atMs < 65_000 ? BAD : GOOD));
  const [backend] = backendsOf(1);
  assert.ok(backend);
  rig.monitor.update([backend]);
  await rig.pass(120_000);
  assert.deepEqual(rig.verdicts, [
    `v1 ${backend.name} healthy 200`,
    `v1 ${backend.name} degraded 503, expected 200-399`,
    `v1 ${backend.name} unhealthy 503, expected 200-399`,
    `v1 ${backend.name} healthy 200`,
  ]);
  assert.deepEqual(
    rig.logged.map(({ level, fields }) => `${level} ${"verdict" in fields ? fields.verdict : ""}`),
    ["info healthy", "warn degraded", "warn unhealthy", "info healthy"],
  );
});

test("10 % loss for 100 probes degrades a backend now and then, and does not take it out", async () => {
  // With a seed: 3 in a row do come, in one such series of 11; see thresholds.test.ts, which counts them.
  const loss = new Random(1);
  const rig = startRig(() => (loss.chance(0.1) ? BAD : GOOD));
  rig.monitor.update(backendsOf(1));
  await rig.pass(1_000_000);
  assert.ok(Math.abs(rig.probed.length - 100) <= 1, `${rig.probed.length}`);
  const told = rig.verdicts.map((line) => line.split(" ")[2]);
  assert.equal(told.includes("unhealthy"), false);
  assert.ok(told.filter((verdict) => verdict === "degraded").length >= 5, told.join(" "));
});

test("a backend that stays keeps its counts and its place in time", async () => {
  const rig = startRig(() => BAD);
  const [first, second, third] = backendsOf(3);
  assert.ok(first && second && third);
  rig.monitor.update([first, second]);
  await rig.pass(15_100);
  const before = rig.monitor.healthOf("v1", second.name);
  const probesBefore = timesOf(rig).get(second.name)?.length;
  assert.equal(before?.badInARow, 2);
  rig.monitor.update([third, { ...second, addresses: ["10.9.9.9"] }]);
  assert.deepEqual(rig.monitor.healthOf("v1", second.name), before);
  assert.equal(rig.monitor.healthOf("v1", first.name), null);
  await rig.pass(9_000);
  assert.equal(timesOf(rig).get(second.name)?.length, probesBefore);
  assert.equal(timesOf(rig).get(first.name)?.length, 2, "one that left is probed");
  await rig.pass(2_000);
  assert.equal(timesOf(rig).get(second.name)?.length, (probesBefore ?? 0) + 1);
  assert.deepEqual(rig.probed.findLast(({ backend }) => backend.name === second.name)?.backend.addresses, [
    "10.9.9.9",
  ]);
  assert.equal(rig.monitor.healthOf("v1", second.name)?.verdict, "unhealthy");
});

test("those that come later begin spread over their interval too, a single one at once", async () => {
  const rig = startRig();
  const [single, ...rest] = backendsOf(11);
  assert.ok(single);
  rig.monitor.update([]);
  await rig.pass(5_000);
  rig.monitor.update([single]);
  assert.equal(rig.probed.length, 1);
  await rig.pass(1_000);
  rig.monitor.update([single, ...rest]);
  await rig.pass(9_000);
  assert.deepEqual(
    rest.map(({ name }) => timesOf(rig).get(name)?.[0]),
    rest.map((_, index) => 6_000 + index * 1_000),
  );
});

test("the probe of a backend that leaves is given up and says nothing; its room is given on", async () => {
  const rig = startRig(() => null);
  const all = backendsOf(18, { intervalMs: 100 });
  rig.monitor.update(all);
  await rig.pass(200);
  assert.equal(rig.probed.length, 16);
  const [gone, ...others] = all;
  const stay = others.filter((_, index) => index !== 15); // one that waits leaves too
  rig.monitor.update(stay);
  assert.equal(rig.probed[0]?.signal.aborted, true);
  await rig.pass(10);
  assert.equal(rig.probed.length, 17);
  assert.equal(rig.probed.at(-1)?.backend.name, stay.at(-1)?.name);
  assert.equal(rig.monitor.healthOf("v1", gone?.name ?? ""), null);
  assert.deepEqual(rig.verdicts, []);
});

test("what is known of each: verdict, counts, last report, and how old that is", async () => {
  const rig = startRig(({ atMs }) => (atMs < 10_000 ? GOOD : null));
  const [backend] = backendsOf(1);
  assert.ok(backend);
  rig.monitor.update([backend]);
  await rig.pass(3_000);
  assert.deepEqual(rig.monitor.all(), [
    {
      version: "v1",
      name: backend.name,
      verdict: "healthy",
      goodInARow: 1,
      badInARow: 0,
      report: GOOD,
      ageMs: 3_000,
    },
  ]);
  await rig.pass(8_000);
  const runningForMs = rig.nowMs() - (rig.probed[1]?.atMs ?? 0);
  assert.equal(rig.monitor.healthOf("v1", backend.name)?.ageMs, runningForMs, "one that hangs grows old");
  assert.equal(rig.monitor.healthOf("v2", backend.name), null);
});

test("a prober that is late says so once, and again only after it was in time", async () => {
  let hangs = true;
  const rig = startRig(() => (hangs ? null : GOOD));
  rig.monitor.update(backendsOf(2));
  const lines = () => rig.logged.filter(({ sentence }) => sentence === LATE).length;
  await rig.pass(20_000);
  assert.equal(lines(), 0, "2 intervals are not more than 2");
  await rig.pass(40_000);
  assert.equal(lines(), 2, "one for each, told at different times");
  hangs = false;
  for (const each of [...rig.running]) each.end(GOOD);
  await rig.pass(60_000);
  assert.equal(lines(), 2);
  hangs = true;
  await rig.pass(60_000);
  assert.equal(lines(), 4);
});

test("a process that stood still tells that all are late in one line, and catches up within the bound", async () => {
  const rig = startRig(() => null);
  rig.monitor.update(backendsOf(100));
  for (let i = 0; i < 1_100; i++) {
    await rig.pass(10);
    for (const each of [...rig.running]) each.end(GOOD);
  }
  const before = rig.probed.length;
  await rig.jump(60_000);
  assert.deepEqual(
    rig.logged
      .filter(({ sentence }) => sentence === LATE)
      .map(({ fields }) => (fields as { late: number }).late),
    [100],
  );
  assert.equal(rig.running.size, 16);
  while (rig.running.size > 0) {
    for (const each of [...rig.running]) each.end(GOOD);
    await new Promise(setImmediate);
  }
  assert.equal(rig.probed.length, before + 100);
  for (let i = 0; i < 100; i++) {
    await rig.pass(10);
    for (const each of [...rig.running]) each.end(GOOD);
  }
  assert.ok(
    rig.probed.length <= before + 125,
    `turns that were missed are one, not ${rig.probed.length - before}`,
  );
});

test("after close nothing is left: no timer, no probe, and nothing begins again", async () => {
  const rig = startRig(() => null);
  rig.monitor.update(backendsOf(100));
  await rig.pass(5_000);
  assert.equal(rig.running.size, 16);
  await rig.monitor.close();
  assert.equal(rig.running.size, 0);
  assert.equal(rig.timers.pending, 0);
  rig.monitor.update(backendsOf(3, {}, "v2"));
  await rig.pass(60_000);
  assert.equal(rig.probed.length, 16);
  assert.deepEqual(rig.verdicts, []);
});

test("a probe that fails in itself is logged and tried again; the others go on", async () => {
  const rig = startRig(({ backend }) => {
    if (backend.name.includes("10.0.0.1:")) throw new Error("a bug");
    return GOOD;
  });
  rig.monitor.update(backendsOf(20, { intervalMs: 1_000 }));
  await rig.pass(30_000);
  const times = timesOf(rig);
  assert.ok((times.get("http://10.0.0.1:9000")?.length ?? 0) >= 29);
  assert.ok((times.get("http://10.0.0.2:9000")?.length ?? 0) >= 29);
  assert.ok(rig.logged.some(({ level }) => level === "error"));
});

test("one timer serves a thousand backends", async () => {
  const rig = startRig();
  rig.monitor.update(backendsOf(1_000, { intervalMs: 5_000 }));
  await rig.pass(10_000);
  assert.equal(rig.timers.pending, 1);
  assert.ok(Math.abs(rig.probed.length - 2_000) <= 60, `${rig.probed.length}`);
});
