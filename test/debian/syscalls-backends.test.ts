/**
 * A change of backends in the real store on the real disk: killed at every system call of a start and the change, and
 * with an error of every call of it. Needs strace.
 */
import assert from "node:assert/strict";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { type Changes, NO_CHANGES, withStep } from "../../src/control-plane/pools/changes.ts";
import { type FileStore, openFileStore } from "../../src/control-plane/switch/file-store.ts";
import { systemClock } from "../../src/core/clock.ts";
import { needPrograms } from "../support/program.ts";
import { tempDir } from "../support/temp-dir.ts";
import { newBackendsEntry, newEntry } from "../unit/control-plane/switch/entries.ts";
import { forEachPlace, type Place, placesOf, runTraced, type TracedRun } from "./traced-store.ts";

needPrograms({ strace: "strace" });
const cache = await tempDir({ after }, "compile-cache");

const [HISTORY, FILE] = [".history.jsonl", ".backends.json"];
/** B is what the traced process drains. */
const [A, B] = ["http://10.0.0.1:9000", "http://10.0.0.2:9000"];

interface Start {
  /** Whether A is drained already, after a switch to v2. */
  readonly isLater: boolean;
  /** What `.backends.json` was replaced by; null is a directory. */
  readonly spoilt?: string | null;
}

const STARTS: Readonly<Record<string, Start>> = {
  "the first change": { isLater: false },
  "a later change": { isLater: true },
  "a change, .backends.json garbage": { isLater: true, spoilt: "?" },
  "a change, .backends.json a directory": { isLater: true, spoilt: null },
};

const open = (stateDir: string) => openFileStore({ stateDir, versions: ["v1", "v2"], clock: systemClock });

async function drain(store: FileStore, before: Changes, backend: string): Promise<void> {
  const entry = newBackendsEntry(backend);
  const after = withStep(before, { version: "v1", backend, inForce: entry.in_force });
  await store.appendBackends(entry, { before, after });
}

async function make(folder: string, { isLater, spoilt }: Start): Promise<void> {
  await mkdir(folder);
  if (!isLater) return;
  const { store } = await open(folder);
  await store.append(newEntry(1));
  await drain(store, NO_CHANGES, A);
  await store.release();
  if (spoilt === undefined) return;
  const file = join(folder, FILE);
  await rm(file);
  await (spoilt === null ? mkdir(file) : writeFile(file, spoilt));
}

const textOf = (folder: string, name: string): Promise<string | null> =>
  readFile(join(folder, name), "utf8").catch(() => null);

/** Starts on what is left, which must be sound, and changes once more. @returns what was in force. */
async function recover(folder: string, { isLater }: Start, where: string): Promise<string> {
  const { store, recovered, changes } = await open(folder);
  const found = [...changes.values()].map(({ backend }) => backend);
  const [version, epoch] = isLater ? ["v2", 1] : [null, 0];
  assert.deepEqual([recovered.damaged, recovered.version, recovered.epoch], [[], version, epoch], where);
  await drain(store, changes, "http://10.0.0.9:9000");
  await store.append(newEntry(epoch + 1));
  await store.release();
  const again = await open(folder);
  await again.store.release();
  assert.deepEqual([again.recovered.damaged, again.recovered.epoch], [[], epoch + 1], where);
  assert.equal(again.changes.size, found.length + 1, where);
  return found.join();
}

for (const [name, start] of Object.entries(STARTS)) {
  const before = start.isLater ? A : "";
  const changed = start.isLater ? `${A},${B}` : B;

  test(`${name}, kill -9 at every system call: what was acknowledged is in force, or all of what was in flight`, async (t) => {
    const base = await tempDir(t);
    const clean = join(base, "clean");
    await make(clean, start);
    const run = await runTraced("drain", clean, cache);
    assert.equal(run.said, "drained");
    const places = placesOf(run);
    for (const call of ["openat", "write", "fsync", "rename", "close"]) {
      assert.ok(
        places.some((place) => place.call === call),
        `the clean run shows no ${call}\n${run.log}`,
      );
    }
    let kept = 0;
    await forEachPlace(places, async (place) => {
      const where = `${place.call} ${place.number}`;
      const folder = join(base, `${place.call}-${place.number}`);
      await make(folder, start);
      const { isKilled, said } = await runTraced("drain", folder, cache, {
        place,
        injected: "signal=SIGKILL",
      });
      assert.ok(isKilled, `${where}: not killed, said ${said}`);
      const found = await recover(folder, start, where);
      assert.ok(found === changed || (found === before && said === ""), `${where}: ${found}, said ${said}`);
      if (found === changed) kept += 1;
    });
    assert.ok(kept > 0 && kept < places.length, `${kept} of ${places.length}`);
    t.diagnostic(`${places.length} kill points, in ${kept} of them the change was kept`);
  });
}

/** The calls of the change alone: the start ends with a sync of the history, where there is one, and of the folder. */
function placesOfChange(run: TracedRun, { isLater }: Start): Place[] {
  const places = placesOf(run);
  const syncs = isLater ? 2 : 1;
  const last = places.findIndex(({ call, number }) => call === "fsync" && number === syncs);
  return places.slice(last + 2); // and its close
}

for (const [name, start] of Object.entries(STARTS).slice(0, 2)) {
  for (const error of ["ENOSPC", "EIO", "EROFS"]) {
    test(`${name}, ${error} from any system call of it: it is done, or nothing has changed`, async (t) => {
      const base = await tempDir(t);
      const clean = join(base, "clean");
      await make(clean, start);
      const places = placesOfChange(await runTraced("drain", clean, cache), start);
      assert.ok(places.length > 15, `only ${places.length} calls`);
      const before = start.isLater ? A : "";
      let refused = 0;
      await forEachPlace(places, async (place) => {
        const where = `${place.call} ${place.number}`;
        const folder = join(base, `${place.call}-${place.number}`);
        await make(folder, start);
        const history = await textOf(folder, HISTORY);
        const { said } = await runTraced("drain", folder, cache, { place, injected: `error=${error}` });
        if (said !== "drained") {
          assert.match(said, /^failed .*; nothing changed$/s, where);
          assert.equal((await textOf(folder, HISTORY)) || null, history, where);
          assert.doesNotMatch((await textOf(folder, FILE)) ?? "", /10\.0\.0\.2/, where);
          refused += 1;
        }
        const found = await recover(folder, start, where);
        assert.equal(found === before, said !== "drained", `${where}: ${found}, said ${said}`);
      });
      t.diagnostic(
        `${places.length} calls failed: ${refused} changes refused, ${places.length - refused} done`,
      );
    });
  }
}
