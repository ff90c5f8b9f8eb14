/** The time limit of a write: given up while any call hangs it is as if it had never been; too late it means nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type FileStore, openStoreOn } from "../../../../src/control-plane/switch/file-store.ts";
import { SimDisk, type Step } from "../../../simulation/sim-disk.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { newEntry } from "./entries.ts";

const FAILED = "STATE_WRITE_FAILED";
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A store whose disk, from now on, hangs at one call until `goOn`. */
async function storeThatHangs(disk: SimDisk, at: number) {
  const gate = Promise.withResolvers<undefined>();
  const hung = Promise.withResolvers<void>();
  let calls = Number.NEGATIVE_INFINITY;
  let name = "";
  const step: Step = async (call) => {
    if (++calls !== at) return undefined;
    name = `${call.when} ${call.name}`;
    hung.resolve();
    return gate.promise;
  };
  const opened = await openStoreOn(disk.mount(step), {
    stateDir: "/state",
    versions: ["v1", "v2"],
    clock: new ManualClock(),
  });
  calls = 0;
  return { ...opened, hung: hung.promise, where: () => name, goOn: () => gate.resolve(undefined) };
}

/** Resolves when a write that was given up has been taken back. */
async function settled(store: FileStore, where: string): Promise<void> {
  for (let turn = 0; store.damaged.join().includes("given up"); turn++) {
    assert.ok(turn < 1_000, `${where}: it is still not taken back`);
    await nextTurn();
  }
}

const STARTS: Readonly<Record<string, (disk: SimDisk) => void>> = {
  "the first switch": () => undefined,
  "a switch, .version a directory": (disk) => disk.put(".version", null),
  "a switch, .version garbage": (disk) => disk.put(".version", "?"),
};
for (const [name, prepare] of Object.entries(STARTS)) {
  test(`${name}, given up while any call hangs, is refused at once and taken back`, async (t) => {
    let at = 1;
    for (; ; at++) {
      const disk = new SimDisk("/state");
      prepare(disk);
      const { store, hung, where, goOn } = await storeThatHangs(disk, at);
      const limit = new AbortController();
      const writing = store.append(newEntry(1), limit.signal);
      const isHung = await Promise.race([hung.then(() => true), writing.then(() => false)]);
      if (!isHung) break;
      limit.abort();
      await assert.rejects(
        writing,
        { code: FAILED, message: /within the time limit.*may serve v2$/ },
        where(),
      );
      await assert.rejects(store.append(newEntry(1)), {
        code: FAILED,
        message: /has not ended; nothing changed$/,
      });
      assert.match(store.damaged.join(), /was given up and has not ended/);
      assert.deepEqual(store.history(9), [], where());
      goOn();
      await settled(store, where());
      assert.deepEqual(store.history(9), [], where());
      assert.equal(disk.peek(".history.jsonl") ?? "", "", where());
      assert.notEqual(disk.peek(".version"), "v2\n", where());
      await store.append(newEntry(1));
      assert.equal(disk.peek(".version"), "v2\n", where());
      const { recovered } = await storeThatHangs(disk, 0);
      assert.deepEqual([recovered.version, recovered.epoch, recovered.damaged], ["v2", 1, []], where());
    }
    assert.ok(at > 30, `only ${at} calls`);
    t.diagnostic(`${at - 1} calls hung, ${at - 1} taken back`);
  });
}

test("a limit that has passed before the write begins it does not, and one after it means nothing", async () => {
  const disk = new SimDisk("/state");
  const { store } = await storeThatHangs(disk, 0);
  await assert.rejects(store.append(newEntry(1), AbortSignal.abort()), {
    code: FAILED,
    message: /nothing changed$/,
  });
  assert.deepEqual(disk.names(), []);
  const limit = new AbortController();
  const entry = await store.append(newEntry(1), limit.signal);
  limit.abort();
  await nextTurn();
  assert.deepEqual([store.history(9), store.damaged, disk.peek(".version")], [[entry], [], "v2\n"]);
});

test("the lock of the folder is kept until a write that was given up has ended", async () => {
  const disk = new SimDisk("/state");
  const gate = Promise.withResolvers<undefined>();
  const hung = Promise.withResolvers<void>();
  let isReleased = false;
  const step: Step = async ({ name, when }) => {
    if (name !== "sync .history.jsonl" || when === "after") return undefined;
    hung.resolve();
    return gate.promise;
  };
  const options = { stateDir: "/state", versions: ["v1", "v2"], clock: new ManualClock() };
  const lock = {
    release: async () => {
      isReleased = true;
    },
  };
  const { store } = await openStoreOn(disk.mount(step), options, lock);
  const limit = new AbortController();
  const writing = store.append(newEntry(1), limit.signal);
  await hung.promise;
  limit.abort();
  await assert.rejects(writing, { code: FAILED });
  await store.release();
  await nextTurn();
  assert.equal(isReleased, false);
  gate.resolve(undefined);
  for (let turn = 0; !isReleased && turn < 1_000; turn++) await nextTurn();
  assert.equal(isReleased, true);
  assert.equal(disk.peek(".history.jsonl"), "");
});
