import assert from "node:assert/strict";
import { test } from "node:test";
import { DrainWatch } from "../../../../src/control-plane/events/drain-watch.ts";
import type { DaemonEvent } from "../../../../src/control-plane/events/events.ts";
import type { WorkerStats } from "../../../../src/telemetry/worker-stats.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

type Figures = Pick<WorkerStats["versions"][number], "inFlight" | "streams" | "upgraded">;

function stats(version: string, figures: Figures): WorkerStats {
  const idle = { connectionsActive: 0, connectionsIdle: 0, queued: 0, retries: 0 };
  return { versions: [{ version, ...figures, ...idle }] } as unknown as WorkerStats; // the rest is not looked at
}

/** v1 was left for v2 just now and may drain for 30 s; one worker runs what `running` says. */
function startWatch() {
  const clock = new ManualClock({ nowMs: 50_000, wallMs: Date.UTC(2030, 0, 1) });
  const published: DaemonEvent[] = [];
  const scene = {
    activeVersion: "v2",
    drains: [{ version: "v1", startedAtMs: 50_000, deadlineAtMs: 80_000 }],
    running: { inFlight: 0, streams: 0, upgraded: 0 },
    silent: [] as number[],
    hasReaders: false,
    asked: 0,
    onAsked: () => {},
  };
  const watch = new DrainWatch({
    events: { publish: (event) => void published.push(event) },
    clock,
    switchView: () => ({
      activeVersion: scene.activeVersion,
      drains: scene.drains.filter(({ deadlineAtMs }) => deadlineAtMs > clock.nowMs()),
    }),
    collect: async () => {
      scene.asked++;
      scene.onAsked();
      return { stats: new Map([[1, stats("v1", scene.running)]]), silent: scene.silent };
    },
    hasReaders: () => scene.hasReaders,
  });
  const look = async () => {
    published.length = 0;
    await watch.look();
    clock.advance(1_000);
    return [...published];
  };
  return { scene, look, clock };
}

const DRAIN = { type: "drain", version: "v1", deadline_at: "2030-01-01T00:00:30.000Z" };
const DRAINED = { type: "drained", version: "v1" };

test("nothing drains: the workers are not asked and nothing is said", async () => {
  const { scene, look } = startWatch();
  scene.drains = [];
  assert.deepEqual(await look(), []);
  assert.equal(scene.asked, 0);
});

test("the figures are told when they change, and once more when nothing runs any longer", async () => {
  const { scene, look } = startWatch();
  scene.running = { inFlight: 2, streams: 0, upgraded: 1 };
  assert.deepEqual(await look(), [{ ...DRAIN, in_flight: 2, streams: 0, upgraded: 1 }]);
  scene.running = { inFlight: 2, streams: 1, upgraded: 1 };
  assert.deepEqual(await look(), [{ ...DRAIN, in_flight: 2, streams: 1, upgraded: 1 }]);
  assert.deepEqual(await look(), []);
  scene.running = { inFlight: 0, streams: 0, upgraded: 1 };
  assert.deepEqual(await look(), [{ ...DRAIN, in_flight: 0, streams: 0, upgraded: 1 }]);
  scene.running = { inFlight: 0, streams: 0, upgraded: 0 };
  assert.deepEqual(await look(), [DRAINED]);
  assert.deepEqual(await look(), []);
  assert.equal(scene.asked, 5, "nobody is asked about a drain that is over");
});

test("while somebody reads, figures that stay the same are told every second", async () => {
  const { scene, look } = startWatch();
  scene.running = { inFlight: 1, streams: 0, upgraded: 0 };
  scene.hasReaders = true;
  for (let n = 0; n < 3; n++)
    assert.deepEqual(await look(), [{ ...DRAIN, in_flight: 1, streams: 0, upgraded: 0 }]);
});

test("while a worker is silent nothing counts as drained", async () => {
  const { scene, look } = startWatch();
  scene.silent = [2];
  assert.deepEqual(await look(), [{ ...DRAIN, in_flight: 0, streams: 0, upgraded: 0 }]);
  scene.silent = [];
  assert.deepEqual(await look(), [DRAINED]);
});

test("a version that is active again no longer drains, also when that happens while the workers are asked", async () => {
  const { scene, look } = startWatch();
  scene.running = { inFlight: 1, streams: 0, upgraded: 0 };
  await look();
  scene.onAsked = () => {
    scene.activeVersion = "v1";
    scene.drains = [];
    scene.running = { inFlight: 9, streams: 0, upgraded: 0 };
  };
  assert.deepEqual(await look(), []);
  scene.onAsked = () => {};
  assert.deepEqual(await look(), []);
  assert.equal(scene.asked, 2);
});

test("a drain that begins anew is told anew", async () => {
  const { scene, look } = startWatch();
  assert.deepEqual(await look(), [DRAINED]);
  scene.drains = [{ version: "v1", startedAtMs: 60_000, deadlineAtMs: 90_000 }];
  assert.deepEqual(await look(), [DRAINED]);
});

test("what is cut at the deadline is followed to its end, 5 s at most", async () => {
  for (const isCut of [true, false]) {
    const { scene, look, clock } = startWatch();
    scene.running = { inFlight: 1, streams: 0, upgraded: 0 };
    await look();
    clock.advance(30_000);
    if (isCut) scene.running = { inFlight: 0, streams: 0, upgraded: 0 };
    assert.deepEqual(await look(), isCut ? [DRAINED] : []);
    clock.advance(5_000);
    await look();
    const { asked } = scene;
    await look();
    assert.equal(scene.asked, asked, "nobody is asked any more");
  }
});
