/**
 * The store on a disk that forgets: killed, or without power, at every call, torn at every byte, and again while
 * it recovers. What was acknowledged serves, or what was in flight; the chain is whole; the next switch works.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openStoreOn } from "../../../../src/control-plane/switch/file-store.ts";
import { seal } from "../../../../src/control-plane/switch/history-entry.ts";
import type { StateFs } from "../../../../src/control-plane/switch/state-fs.ts";
import type { SwitchEntry } from "../../../../src/control-plane/switch/state-store.ts";
import { Random } from "../../../load/random.ts";
import { SimDisk, type Step, systemError } from "../../../simulation/sim-disk.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { newEntry } from "./entries.ts";

const FOLDER = "/state";
const HISTORY = ".history.jsonl";
const open = (fs: StateFs) =>
  openStoreOn(fs, { stateDir: FOLDER, versions: ["v1", "v2"], clock: new ManualClock() });
const chance = (seed: number): (() => number) => {
  const random = new Random(seed);
  return () => random.next();
};
const quietly: Step = async () => undefined;

/** @param to of each entry. */
function chain(...to: string[]): string {
  let last: SwitchEntry | null = null;
  const lines: string[] = [];
  for (const [index, version] of to.entries()) {
    last = seal(newEntry(index + 1, { to: version, from: to[index - 1] ?? "v1" }), last);
    lines.push(`${JSON.stringify(last)}\n`);
  }
  return lines.join("");
}

interface Start {
  readonly history?: string | null;
  /** null is a directory. */
  readonly version?: string | null;
  /** A version served before, null when the config's does: then v1, without a trace on the disk. */
  readonly serves: string | null;
  readonly entries: number;
  /** Entries more than that which a start may find, or lose. */
  readonly inFlight?: number;
  /** How far apart the bytes are at which its writes are torn; 1 is each. */
  readonly tearEveryBytes?: number;
}

/** States in which a switch to v2 (at v1) can begin. */
const STARTS: Readonly<Record<string, Start>> = {
  "the first switch": { serves: null, entries: 0, tearEveryBytes: 1 },
  "the first switch, .version put there by hand": { version: "v1\n", serves: "v1", entries: 0 },
  "a later switch": {
    history: chain("v2", "v1"),
    version: "v1\n",
    serves: "v1",
    entries: 2,
    tearEveryBytes: 1,
  },
  "a switch after a reset by hand": { history: chain("v1"), serves: null, entries: 1 },
  "a switch, .version a directory": { history: chain("v2", "v1"), version: null, serves: "v1", entries: 2 },
  "a switch, .version garbage": { history: chain("v2", "v1"), version: "?", serves: "v1", entries: 2 },
  "a switch after a torn line": {
    history: `${chain("v2", "v1")}{"epo`,
    version: "v1\n",
    serves: "v1",
    entries: 2,
  },
  // What the crash before left in flight: the start may still lose it, or complete it.
  "a switch after a line that lacks its newline": {
    history: chain("v2", "v1").slice(0, -1),
    version: "v2\n",
    serves: "v2",
    entries: 1,
    inFlight: 1,
  },
};

function diskWith({ history, version }: Start): SimDisk {
  const disk = new SimDisk(FOLDER);
  if (history !== undefined) disk.put(HISTORY, history);
  if (version !== undefined) disk.put(".version", version);
  return disk;
}

interface Point {
  readonly call: number;
  readonly tearAt?: number;
}

/** Every moment of a start and a switch: before and after each call, and within each write. */
async function pointsOf(start: Start): Promise<Point[]> {
  const points: Point[] = [];
  const step: Step = async ({ when, byteCount }) => {
    const call = points.filter(({ tearAt }) => tearAt === undefined).length;
    points.push({ call });
    if (when === "before")
      for (let tearAt = 1; tearAt < byteCount; tearAt += start.tearEveryBytes ?? 16)
        points.push({ call, tearAt });
    return undefined;
  };
  const { store, recovered } = await open(diskWith(start).mount(step));
  await store.append(newEntry(recovered.epoch + 1, { from: "v1", to: "v2" }));
  return points;
}

/** Starts and switches to v2, until the disk crashes at `point`. @returns whether the switch was acknowledged. */
async function switchUntil(disk: SimDisk, point: Point, crash: () => void): Promise<boolean> {
  let calls = -1;
  let isTorn = false;
  const step: Step = async () => {
    calls += 1;
    if (calls < point.call) return undefined;
    if (point.tearAt !== undefined && !isTorn) {
      isTorn = true;
      return point.tearAt;
    }
    crash();
    return undefined;
  };
  try {
    const { store, recovered } = await open(disk.mount(step));
    await store.append(newEntry(recovered.epoch + 1, { from: "v1", to: "v2" }));
    return true;
  } catch (error) {
    if (!String(error).includes("ECRASHED")) throw error;
    return false;
  }
}

/** Starts, and loses the power at a call that chance chooses. @returns what serves; null when it did not get there. */
async function startAgain(disk: SimDisk, random: () => number) {
  const at = Math.floor(random() * 50); // a start has some 40 moments
  let calls = 0;
  let isDead = false;
  const step: Step = async () => {
    if (calls++ < at || isDead) return undefined;
    isDead = true;
    disk.crash({ keepCache: random() < 0.5, random });
    return undefined;
  };
  const { recovered } = await open(disk.mount(step)); // a broken disk, too, never fails a start
  return isDead ? null : recovered;
}

/** What a start must find, whatever came before; then switches once more. */
async function assertSound(disk: SimDisk, start: Start, allowed: ReadonlySet<string>, where: string) {
  const { store, recovered } = await open(disk.mount(quietly));
  const serves = recovered.version ?? "v1";
  assert.ok(allowed.has(serves), `${where}: ${serves} serves, not ${[...allowed]}`);
  assert.equal(serves, recovered.entries.at(-1)?.to ?? "v1", `${where}: no entry tells of what serves`);
  const most = start.entries + 1 + (start.inFlight ?? 0);
  assert.ok(
    start.entries <= recovered.epoch && recovered.epoch <= most,
    `${where}: epoch ${recovered.epoch}`,
  );
  assert.equal(recovered.entries.length, recovered.epoch, where);
  await store.append(newEntry(recovered.epoch + 1, { from: serves, to: serves === "v1" ? "v2" : "v1" }));
  assert.deepEqual(store.damaged, [], where);
  const after = await open(disk.mount(quietly));
  assert.deepEqual([after.recovered.damaged, after.recovered.epoch], [[], recovered.epoch + 1], where);
  assert.equal(after.recovered.version, serves === "v1" ? "v2" : "v1", where);
  const leftovers = disk.names().filter((name) => /tmp|mending/.test(name));
  assert.deepEqual(leftovers, [], where);
}

/** How often a start on an empty disk asks whether there is a .version. */
const LOOKS_OF_A_START = 2;
const SEEDS = 8;
for (const [name, start] of Object.entries(STARTS)) {
  test(`${name}, killed or without power at any moment of start and switch: an acknowledged version serves, or the one in flight`, async (t) => {
    const points = await pointsOf(start);
    let crashes = 0;
    for (const [index, point] of points.entries()) {
      const isTear = point.tearAt !== undefined;
      for (let seed = 0; seed < (isTear ? 1 : SEEDS); seed++) {
        const random = chance(index * SEEDS + seed);
        const keepCache = isTear ? index % 2 === 0 : seed % 2 === 0;
        const where = `${JSON.stringify(point)} seed ${seed}`;
        const disk = diskWith(start);
        const isAcknowledged = await switchUntil(disk, point, () => disk.crash({ keepCache, random }));
        disk.crash({ keepCache, random });
        let allowed = new Set(isAcknowledged ? ["v2"] : ["v1", "v2"]);
        crashes += 1;
        for (let again = 0; again < seed >> 1; again++, crashes++) {
          const recovered = await startAgain(disk, random);
          // What a start said that serves was seen: nothing else may serve after the next crash.
          if (recovered !== null) {
            const serves = recovered.version ?? "v1";
            assert.ok(allowed.has(serves), `${where}: ${serves} serves after ${again + 1} crashes`);
            allowed = new Set([serves]);
          }
          disk.crash({ keepCache: random() < 0.5, random });
        }
        await assertSound(disk, start, allowed, where);
      }
    }
    t.diagnostic(`${points.length} moments, ${crashes} crashes, ${crashes} recovered`);
  });
}

test("the first switch, an error when .version is looked at and then kill -9 at any call: what serves is what the history says", async () => {
  for (let killedAt = 0; ; killedAt++) {
    const disk = new SimDisk(FOLDER);
    let lookedAt = 0;
    let calls = Number.NEGATIVE_INFINITY; // counted from the error on
    const step: Step = async ({ name, when }) => {
      if (name === "lstat .version" && when === "before" && ++lookedAt === LOOKS_OF_A_START + 1) {
        calls = 0;
        throw systemError("EIO", name);
      }
      if (calls++ === killedAt) disk.crash({ keepCache: true, random: () => 0 });
      return undefined;
    };
    const { store } = await open(disk.mount(step));
    const isDone = await store.append(newEntry(1, { from: "v1", to: "v2" })).then(
      () => true,
      () => false,
    );
    const { recovered } = await open(disk.mount(quietly));
    const serves = `${recovered.version ?? "v1"} at epoch ${recovered.epoch}`;
    assert.ok(["v1 at epoch 0", "v2 at epoch 1"].includes(serves), `killed at call ${killedAt}: ${serves}`);
    if (isDone) return;
  }
});

test("a version that was named and not synced is synced before the next switch", async () => {
  let crashes = 0;
  for (let at = 0; at < 60; at++) {
    for (let seed = 0; seed < 8; seed++) {
      const random = chance(at * 8 + seed);
      const disk = new SimDisk(FOLDER);
      let state: "starts" | "fails" | "failed" = "starts";
      let calls = 0;
      const step: Step = async ({ name, when }) => {
        if (state === "fails" && name === "sync ." && when === "before") {
          state = "failed";
          throw systemError("EIO", name);
        }
        if (state === "failed" && calls++ === at) disk.crash({ keepCache: false, random });
        return undefined;
      };
      const { store } = await open(disk.mount(step));
      state = "fails";
      await assert.rejects(store.append(newEntry(1, { from: "v1", to: "v2" })));
      await store.append(newEntry(1, { from: "v1", to: "v2" })).catch(() => {});
      crashes += calls > at ? 1 : 0;
      const { recovered } = await open(disk.mount(quietly));
      const told = recovered.entries.at(-1)?.to ?? "v1";
      assert.equal(recovered.version ?? "v1", told, `crash at ${at}, seed ${seed}`);
    }
  }
  assert.ok(crashes > 100, `${crashes} crashes`);
});

test("a disk that fails to sync is found by this suite: an acknowledged switch is lost with the power", async () => {
  let lost = 0;
  for (let seed = 0; seed < 50; seed++) {
    const random = chance(seed);
    const disk = diskWith(STARTS["a later switch"] ?? { serves: null, entries: 0 });
    const { fs, lie } = lyingFs(disk.mount(quietly));
    const { store } = await open(fs);
    lie();
    await store.append(newEntry(3, { from: "v1", to: "v2" }));
    disk.crash({ keepCache: false, random });
    const { recovered } = await open(disk.mount(quietly));
    if (recovered.version !== "v2") lost += 1;
  }
  assert.ok(lost > 5, `${lost} of 50 lost`);
});

/** Says that it has synced, and has not. */
function lyingFs(fs: StateFs): { fs: StateFs; lie: () => void } {
  let isLying = false;
  const openLying: StateFs["open"] = async (...args) => {
    const handle = await fs.open(...args);
    const { sync } = handle;
    return Object.assign(handle, { sync: () => (isLying ? Promise.resolve() : sync()) });
  };
  return {
    fs: { ...fs, open: openLying },
    lie: () => {
      isLying = true;
    },
  };
}
