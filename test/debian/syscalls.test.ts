/**
 * The real store on the real disk: killed at every system call of a start and a switch, and with an error of every
 * call of a switch. Needs strace.
 */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { openFileStore } from "../../src/control-plane/switch/file-store.ts";
import { openHistoryFile } from "../../src/control-plane/switch/history-file.ts";
import { systemClock } from "../../src/core/clock.ts";
import { needPrograms } from "../support/program.ts";
import { tempDir } from "../support/temp-dir.ts";
import { newEntry } from "../unit/control-plane/switch/entries.ts";
import { forEachPlace, type Place, placesOf, runTraced, type TracedRun } from "./traced-store.ts";

needPrograms({ strace: "strace" });
const cache = await tempDir({ after }, "compile-cache");

interface Start {
  /** `to` of each entry. */
  readonly history: readonly string[];
  /** null: none; `directory`: one is in the way. */
  readonly version: string | null;
}

const STARTS: Readonly<Record<string, Start>> = {
  "the first switch": { history: [], version: null },
  "a later switch": { history: ["v2", "v1"], version: "v1\n" },
  "a switch, .version a directory": { history: ["v2", "v1"], version: "directory" },
};

async function make(folder: string, { history, version }: Start): Promise<void> {
  await mkdir(folder);
  const file = await openHistoryFile(folder, { wallMs: () => 0 });
  for (const [index, to] of history.entries()) {
    await file.append(newEntry(index + 1, { to, from: history[index - 1] ?? "v1" }));
  }
  if (version === "directory") await mkdir(join(folder, ".version"));
  else if (version !== null) await writeFile(join(folder, ".version"), version);
}

const textOf = (folder: string, name: string): Promise<string | null> =>
  readFile(join(folder, name), "utf8").catch(() => null);

const open = (stateDir: string) => openFileStore({ stateDir, versions: ["v1", "v2"], clock: systemClock });

/** Starts on what is left, which must be sound, and switches once more. @returns what served. */
async function recover(folder: string, where: string) {
  const { store, recovered } = await open(folder);
  const serves = recovered.version ?? "v1";
  await store.append(newEntry(recovered.epoch + 1, { from: serves, to: serves === "v1" ? "v2" : "v1" }));
  await store.release();
  const again = await open(folder);
  await again.store.release();
  assert.deepEqual([again.recovered.damaged, again.recovered.epoch], [[], recovered.epoch + 1], where);
  assert.equal(again.recovered.entries.length, recovered.epoch + 1, where);
  return { serves, epoch: recovered.epoch };
}

for (const [name, start] of Object.entries(STARTS)) {
  test(`${name}, kill -9 at every system call: each start serves what was acknowledged, or what was in flight`, async (t) => {
    const base = await tempDir(t);
    const clean = join(base, "clean");
    await make(clean, start);
    const run = await runTraced("switch", clean, cache);
    assert.equal(run.said, "switched");
    const places = placesOf(run);
    for (const call of ["openat", "write", "fsync", "rename", "close"]) {
      assert.ok(
        places.some((place) => place.call === call),
        `the clean run shows no ${call}\n${run.log}`,
      );
    }
    let recovered = 0;
    await forEachPlace(places, async (place) => {
      const where = `${place.call} ${place.number}`;
      const folder = join(base, `${place.call}-${place.number}`);
      await make(folder, start);
      const { isKilled, said } = await runTraced("switch", folder, cache, {
        place,
        injected: "signal=SIGKILL",
      });
      assert.ok(isKilled, `${where}: not killed, said ${said}`);
      const { serves, epoch } = await recover(folder, where);
      assert.ok(
        serves === "v2" || (serves === "v1" && said === ""),
        `${where}: ${serves} serves, said ${said}`,
      );
      const isNew = epoch === start.history.length + 1;
      assert.equal(isNew, serves === "v2", `${where}: epoch ${epoch}`);
      assert.ok(isNew || epoch === start.history.length, `${where}: epoch ${epoch}`);
      recovered += 1;
    });
    t.diagnostic(`${places.length} kill points, ${recovered} recovered`);
  });
}

/** The calls of the switch alone: the start ends with a sync of the history, where there is one, and of the folder. */
function placesOfSwitch(run: TracedRun, { history }: Start): Place[] {
  const places = placesOf(run);
  const syncs = history.length > 0 ? 2 : 1;
  const last = places.findIndex(({ call, number }) => call === "fsync" && number === syncs);
  return places.slice(last + 2); // and its close
}

for (const [name, start] of Object.entries(STARTS).slice(0, 2)) {
  for (const error of ["ENOSPC", "EIO"]) {
    test(`${name}, ${error} from any system call of it: it is done, or nothing has changed`, async (t) => {
      const base = await tempDir(t);
      const clean = join(base, "clean");
      await make(clean, start);
      const places = placesOfSwitch(await runTraced("switch", clean, cache), start);
      assert.ok(places.length > 15, `only ${places.length} calls`);
      let refused = 0;
      await forEachPlace(places, async (place) => {
        const where = `${place.call} ${place.number}`;
        const folder = join(base, `${place.call}-${place.number}`);
        await make(folder, start);
        const before = await textOf(folder, ".history.jsonl");
        const { said } = await runTraced("switch", folder, cache, { place, injected: `error=${error}` });
        if (said !== "switched") {
          assert.match(said, /^failed .*; nothing changed$/s, where);
          assert.equal((await textOf(folder, ".history.jsonl")) || null, before, where);
          assert.equal((await textOf(folder, ".version")) ?? "v1\n", "v1\n", where);
          refused += 1;
        }
        const { serves } = await recover(folder, where);
        assert.equal(serves, said === "switched" ? "v2" : "v1", where);
      });
      t.diagnostic(
        `${places.length} calls failed: ${refused} switches refused, ${places.length - refused} done`,
      );
    });
  }
}
