/** Changes of backends in the state folder: what a start finds after damage, crashes, power losses and failed writes. */
import assert from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type Changes, NO_CHANGES, withStep } from "../../../../src/control-plane/pools/changes.ts";
import {
  type FileStore,
  openFileStore,
  openStoreOn,
} from "../../../../src/control-plane/switch/file-store.ts";
import { openHistoryFile } from "../../../../src/control-plane/switch/history-file.ts";
import type { StateFs } from "../../../../src/control-plane/switch/state-fs.ts";
import { Random } from "../../../load/random.ts";
import { SimDisk, type Step } from "../../../simulation/sim-disk.ts";
import { onTestEnd, type TestEnd } from "../../../support/cleanup.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { newBackendsEntry, newEntry } from "./entries.ts";

const FILE = ".backends.json";
const HISTORY = ".history.jsonl";
const [A, B] = ["http://10.0.0.1:9000", "http://10.0.0.2:9000"];
const FAILED = "STATE_WRITE_FAILED";

const open = (stateDir: string) =>
  openFileStore({ stateDir, versions: ["v1", "v2"], clock: new ManualClock() });
const openSim = (fs: StateFs) =>
  openStoreOn(fs, { stateDir: "/state", versions: ["v1", "v2"], clock: new ManualClock() });

/** Drains `backend`, or with `undo` lets the config say again. @returns what is in force then. */
async function change(store: FileStore, before: Changes, backend: string, undo = false): Promise<Changes> {
  const entry = newBackendsEntry(backend, undo ? null : undefined);
  const after = withStep(before, { version: "v1", backend, inForce: entry.in_force });
  await store.appendBackends(entry, { before, after });
  return after;
}

const namesOf = (changes: Changes): string[] => [...changes.values()].map(({ backend }) => backend);

/** @returns what a start finds, without keeping the folder. */
async function start(folder: string) {
  const { store, recovered, changes } = await open(folder);
  await store.release();
  return { names: namesOf(changes), damaged: recovered.damaged, recovered };
}

/** A folder in which A, then B was drained; `switched` before. */
async function folderWithTwo(t: TestEnd): Promise<string> {
  const folder = await tempDir(t);
  const { store } = await open(folder);
  await store.append(newEntry(1));
  await change(store, await change(store, NO_CHANGES, A), B);
  await store.release();
  return folder;
}

test("changes are found again after a restart, and the epoch is the switch's", async (t) => {
  const folder = await folderWithTwo(t);
  const { store, recovered, changes } = await open(folder);
  onTestEnd(t, () => store.release());
  assert.deepEqual([namesOf(changes), recovered.damaged, recovered.epoch], [[A, B], [], 1]);
  assert.deepEqual(
    store.history(9).map(({ trigger, epoch }) => `${trigger} ${epoch}`),
    ["backends 1", "backends 1", "switch 1"],
  );
  assert.deepEqual([store.history(9, "switch").length, store.history(1, "backends").length], [1, 1]);
  assert.equal(recovered.entries.length, 1, "what a start goes by are the switches alone");
});

test("a thousand changes of backends do not make the last switch forgotten", async (t) => {
  const folder = await tempDir(t);
  const { store } = await open(folder);
  await store.append(newEntry(1));
  await store.release();
  const file = await openHistoryFile(folder, { wallMs: () => 0 });
  for (let count = 0; count < 1_100; count++) {
    const about = { epoch: 1, from_nothing: count === 0, changes_sha256: "a".repeat(64) };
    await file.append({ ...newBackendsEntry(A), ...about });
  }
  const { entries, epoch } = (await start(folder)).recovered;
  assert.deepEqual([entries.map(({ to }) => to), epoch], [["v2"], 1]);
});

const edit = async (path: string, change: (text: string) => string): Promise<void> =>
  writeFile(path, change(await readFile(path, "utf8")));

/** What is done to the folder, what is in force then, and how many problems are told. */
const TABLE: Record<string, [(folder: string) => Promise<void>, string[], number]> = {
  "gone: a reset by hand": [(folder) => rm(join(folder, FILE)), [], 0],
  "garbage: the history makes it": [(folder) => writeFile(join(folder, FILE), "?"), [A, B], 0],
  "empty: the history makes it": [(folder) => writeFile(join(folder, FILE), ""), [A, B], 0],
  "changed by hand: the history makes it": [
    (folder) => edit(join(folder, FILE), (text) => text.replace("10.0.0.2", "10.0.0.3")),
    [A, B],
    0,
  ],
  "garbage, and a line of the history was changed: the config's": [
    async (folder) => {
      await writeFile(join(folder, FILE), "?");
      await edit(join(folder, HISTORY), (text) => text.replace("loopback", "nobody"));
    },
    [],
    2,
  ],
  "sound, and a line of the history was changed: the file": [
    (folder) => edit(join(folder, HISTORY), (text) => text.replace("loopback", "nobody")),
    [A, B],
    1,
  ],
  "sound, the history gone: the file": [(folder) => rm(join(folder, HISTORY)), [A, B], 0],
  "garbage, the history gone: the config's": [
    async (folder) => {
      await rm(join(folder, HISTORY));
      await writeFile(join(folder, FILE), "?");
    },
    [],
    1,
  ],
};
for (const [name, [spoil, names, problems]] of Object.entries(TABLE)) {
  test(`a start with ${FILE} ${name}`, async (t) => {
    const folder = await folderWithTwo(t);
    await spoil(folder);
    const found = await start(folder);
    assert.deepEqual([found.names, found.damaged.length], [names, problems], found.damaged.join());
    const { store, changes } = await open(folder);
    const after = await change(store, changes, "http://10.0.0.9:9000");
    await store.release();
    const again = await start(folder);
    assert.deepEqual(again.names, namesOf(after), "the next change works, and is found");
    assert.ok(!again.damaged.join().includes(FILE), again.damaged.join());
  });
}

test("a reset by hand in the middle of the history is understood when the file is lost later", async (t) => {
  const folder = await folderWithTwo(t);
  await rm(join(folder, FILE));
  const { store, changes } = await open(folder);
  await change(store, changes, "http://10.0.0.9:9000");
  await store.release();
  await writeFile(join(folder, FILE), "?");
  assert.deepEqual((await start(folder)).names, ["http://10.0.0.9:9000"]);
});

/** In force before the change to B: nothing, never; A; A, and the file is garbage and mended by the start. */
const STARTS: Record<string, { first: boolean; spoil?: (disk: SimDisk) => void; isReset?: true }> = {
  "the first change": { first: false },
  "a later change": { first: true },
  "a change after the file was lost": { first: true, spoil: (disk) => disk.put(FILE, "?") },
  "a change, the file a directory": { first: true, spoil: (disk) => disk.put(FILE, null) },
  "a change after a reset by hand": { first: true, spoil: (disk) => disk.take(FILE), isReset: true },
};
const quietly: Step = async () => undefined;

async function diskOf({ first, spoil }: (typeof STARTS)[string]): Promise<SimDisk> {
  const disk = new SimDisk("/state");
  const { store } = await openSim(disk.mount(quietly));
  await store.append(newEntry(1));
  if (first) await change(store, NO_CHANGES, A);
  spoil?.(disk);
  disk.crash({ keepCache: true, random: () => 0 });
  return disk;
}

for (const [name, scene] of Object.entries(STARTS)) {
  const before = scene.first && scene.isReset !== true ? [A] : [];
  test(`${name}, killed or without power at any moment of start and change: what was acknowledged is in force, or the one in flight`, async (t) => {
    let crashes = 0;
    for (let at = 0, isOver = false; !isOver; at++) {
      for (let seed = 0; seed < 6; seed++) {
        const numbers = new Random(at * 6 + seed);
        const random = (): number => numbers.next();
        const keepCache = seed % 2 === 0;
        const disk = await diskOf(scene);
        let calls = 0;
        const step: Step = async () => {
          if (calls++ === at) disk.crash({ keepCache, random });
          return undefined;
        };
        let isDone = false;
        try {
          const { store, changes } = await openSim(disk.mount(step));
          await change(store, changes, B);
          isDone = true;
        } catch (error) {
          assert.match(String(error), /ECRASHED/);
          crashes += 1;
        }
        isOver = calls <= at;
        disk.crash({ keepCache, random });
        const where = `at ${at}, seed ${seed}`;
        const { store, recovered, changes } = await openSim(disk.mount(quietly));
        const after = [...before, B];
        const allowed = isDone ? [after] : [before, after];
        assert.ok(
          allowed.some((each) => each.join() === namesOf(changes).join()),
          `${where}: ${namesOf(changes)} in force, done ${isDone}`,
        );
        assert.deepEqual([recovered.damaged, recovered.version], [[], "v2"], where);
        await change(store, changes, B, true);
        const again = await openSim(disk.mount(quietly));
        assert.deepEqual([namesOf(again.changes), again.recovered.damaged], [before, []], where);
        assert.deepEqual(
          disk.names().filter((each) => /tmp|mending/.test(each)),
          [],
          where,
        );
      }
    }
    assert.ok(crashes > 100, `${crashes} crashes`);
    t.diagnostic(`${crashes} crashes, ${crashes} recovered`);
  });

  test(`${name}, an error of any call of it: nothing has changed, now and after a restart`, async (t) => {
    let failures = 0;
    for (let at = 1, isOver = false; !isOver; at++) {
      const disk = await diskOf(scene);
      let calls = Number.NEGATIVE_INFINITY;
      const step: Step = async ({ name: call }) => {
        if (++calls === at) throw Object.assign(new Error(call), { code: "EIO" });
        return undefined;
      };
      const { store, changes } = await openSim(disk.mount(step));
      calls = 0;
      const failure = await change(store, changes, B).then(
        () => null,
        (error: unknown) => error,
      );
      isOver = calls < at;
      if (failure !== null) {
        failures += 1;
        assert.match(String(failure), /; nothing changed$/, `at ${at}`);
        assert.ok(!store.history(9).some((entry) => entry.trigger === "backends" && entry.backend === B));
      }
      const again = await openSim(disk.mount(quietly));
      assert.deepEqual(namesOf(again.changes), failure === null ? [...before, B] : before, `at ${at}`);
    }
    assert.ok(failures > 10, `${failures} failures`);
    t.diagnostic(`${failures} failures taken back`);
  });
}

/** A store on which every call from now on waits for `goOn`. */
async function storeThatWaits() {
  const gate = Promise.withResolvers<undefined>();
  let isWaiting = false;
  const disk = new SimDisk("/state");
  const { store } = await openSim(disk.mount(async () => (isWaiting ? gate.promise : undefined)));
  isWaiting = true;
  return { disk, store, goOn: () => gate.resolve(undefined) };
}

test("a switch waits for the change that is being written, and both are there", async () => {
  const { disk, store, goOn } = await storeThatWaits();
  const changing = change(store, NO_CHANGES, A);
  const switching = store.append(newEntry(1), new AbortController().signal);
  goOn();
  await Promise.all([changing, switching]);
  assert.deepEqual(
    store.history(9).map(({ trigger, epoch }) => `${trigger} ${epoch}`),
    ["switch 1", "backends 0"],
  );
  const { recovered, changes } = await openSim(disk.mount(quietly));
  assert.deepEqual([recovered.version, namesOf(changes), recovered.damaged], ["v2", [A], []]);
});

test("a switch whose time is up while it waits for a change is refused, and only the change is there", async () => {
  const { store, goOn } = await storeThatWaits();
  const changing = change(store, NO_CHANGES, A);
  const limit = new AbortController();
  const switching = store.append(newEntry(1), limit.signal);
  limit.abort();
  await assert.rejects(switching, { code: FAILED, message: /nothing changed$/ });
  goOn();
  await changing;
  assert.deepEqual(
    store.history(9).map(({ trigger }) => trigger),
    ["backends"],
  );
});

test("a change during the write of a switch is refused, and the switch is not harmed", async () => {
  const { store, goOn } = await storeThatWaits();
  const switching = store.append(newEntry(1));
  await assert.rejects(change(store, NO_CHANGES, A), {
    code: FAILED,
    message: /has not ended; nothing changed$/,
  });
  goOn();
  await switching;
  assert.deepEqual(
    store.history(9).map(({ trigger }) => trigger),
    ["switch"],
  );
});

test("a change that is given up is taken back once the disk answers", async () => {
  const { disk, store, goOn } = await storeThatWaits();
  const limit = new AbortController();
  const entry = newBackendsEntry(A);
  const after = withStep(NO_CHANGES, { version: "v1", backend: A, inForce: entry.in_force });
  const changing = store.appendBackends(entry, { before: NO_CHANGES, after }, limit.signal);
  limit.abort();
  await assert.rejects(changing, {
    code: FAILED,
    message: /restart before that may have the backends of this/,
  });
  assert.match(store.damaged.join(), /given up and has not ended; nothing can be changed before/);
  goOn();
  for (let turn = 0; store.damaged.length > 0; turn++) {
    assert.ok(turn < 1_000, "it is never taken back");
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { changes } = await openSim(disk.mount(quietly));
  assert.deepEqual([namesOf(changes), store.history(9)], [[], []]);
});
