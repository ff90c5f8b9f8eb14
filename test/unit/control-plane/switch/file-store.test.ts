import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmod, cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openFileStore } from "../../../../src/control-plane/switch/file-store.ts";
import { openHistoryFile } from "../../../../src/control-plane/switch/history-file.ts";
import type { StateFs } from "../../../../src/control-plane/switch/state-fs.ts";
import type { RecoveredState } from "../../../../src/control-plane/switch/state-store.ts";
import { ProxyError, StartError } from "../../../../src/core/errors.ts";
import { onTestEnd, type TestEnd } from "../../../support/cleanup.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { newEntry } from "./entries.ts";
import { faultyFs } from "./faulty-fs.ts";

const VERSIONS = ["v1", "v2"];
const CHILD = fileURLToPath(
  new URL(`./state-child${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url),
);
const open = (
  stateDir: string,
  { fs = faultyFs(() => "go"), versions = VERSIONS }: { fs?: StateFs; versions?: string[] } = {},
) => openFileStore({ stateDir, versions, clock: new ManualClock(), fs });

/** @returns what a start finds, without keeping the folder. */
async function recover(stateDir: string, versions = VERSIONS): Promise<RecoveredState> {
  const { store, recovered } = await open(stateDir, { versions });
  await store.release();
  return recovered;
}

const versionText = (folder: string): Promise<string | null> =>
  readFile(join(folder, ".version"), "utf8").catch(() => null);

/** What a case finds in the folder; null is no file. */
interface Files {
  /** `to` of each entry. */
  history: string[] | "none" | "damaged" | "directory";
  version: string | null | "directory";
}

async function folderWith(t: TestEnd, { history, version }: Files): Promise<string> {
  const folder = await tempDir(t);
  const names = history === "damaged" ? ["v2", "v1"] : Array.isArray(history) ? history : [];
  const file = await openHistoryFile(folder, { wallMs: () => 0 });
  for (const [index, to] of names.entries()) {
    await file.append(newEntry(index + 1, { to, from: names[index - 1] ?? "v1" }));
  }
  const path = join(folder, ".history.jsonl");
  if (history === "damaged")
    await writeFile(path, (await readFile(path, "utf8")).replace("loopback", "nobody"));
  if (history === "directory") await mkdir(path);
  if (version === "directory") await mkdir(join(folder, ".version"));
  else if (version !== null) await writeFile(join(folder, ".version"), `${version}\n`);
  return folder;
}

type Found = [version: string | null, source: RecoveredState["source"], epoch: number, then: string | null];
const TABLE: Record<string, [Files, Found]> = {
  "nothing at all": [{ history: "none", version: null }, [null, "config", 0, null]],
  ".version gone: a reset by hand": [{ history: ["v2"], version: null }, [null, "config", 1, null]],
  ".version sound, no history": [{ history: "none", version: "v2" }, ["v2", "version_file", 0, "v2\n"]],
  "both agree": [{ history: ["v2"], version: "v2" }, ["v2", "version_file", 1, "v2\n"]],
  "a switch cut between the two files": [
    { history: ["v2", "v1"], version: "v2" },
    ["v1", "history", 2, "v1\n"],
  ],
  "the entry names a version that is gone": [
    { history: ["v2", "v9"], version: "v2" },
    ["v2", "version_file", 2, "v2\n"],
  ],
  ".version sound, history damaged": [
    { history: "damaged", version: "v2" },
    ["v2", "version_file", 2, "v2\n"],
  ],
  ".version sound, history a directory": [
    { history: "directory", version: "v2" },
    ["v2", "version_file", 0, "v2\n"],
  ],
  ".version damaged, history intact": [{ history: ["v2"], version: "v?" }, ["v2", "history", 1, "v2\n"]],
  ".version empty, history intact": [{ history: ["v2"], version: "" }, ["v2", "history", 1, "v2\n"]],
  ".version a directory, history intact": [
    { history: ["v2"], version: "directory" },
    ["v2", "history", 1, "v2\n"],
  ],
  ".version of an unknown version, history intact": [
    { history: ["v2"], version: "v9" },
    ["v2", "history", 1, "v2\n"],
  ],
  ".version damaged, no history": [{ history: "none", version: "v?" }, [null, "config", 0, "v?\n"]],
  "both damaged": [{ history: "damaged", version: "v?" }, [null, "config", 2, "v?\n"]],
  "both name a version that is gone": [{ history: ["v9"], version: "v9" }, [null, "config", 1, "v9\n"]],
};
for (const [name, [files, [version, source, epoch, then]]] of Object.entries(TABLE)) {
  test(`recovery, ${name}: ${version ?? "the config's version"} serves`, async (t) => {
    const folder = await folderWith(t, files);
    const recovered = await recover(folder);
    assert.deepEqual([recovered.version, recovered.source, recovered.epoch], [version, source, epoch]);
    assert.equal(await versionText(folder), then);
    const isDamaged = files.history === "damaged" || files.history === "directory";
    const isVersionDamaged = ["v?", "", "directory", "v9"].includes(files.version ?? "v1");
    assert.equal(recovered.damaged.length, Number(isDamaged) + Number(isVersionDamaged));
  });
}

test("damage is told with what serves instead, and a switch mends .version", async (t) => {
  const folder = await folderWith(t, { history: "damaged", version: "v?" });
  const { store, recovered } = await open(folder);
  onTestEnd(t, () => store.release());
  assert.deepEqual(recovered.damaged, [
    ".version does not hold the name of a version; the config's active_version serves",
    "line 1 of .history.jsonl is damaged: its hash does not fit its content",
  ]);
  await store.append(newEntry(3));
  assert.deepEqual(store.damaged, [recovered.damaged[1]]);
});

test("a .version that cannot be mended is reported, and the start goes on", async (t) => {
  const folder = await folderWith(t, { history: ["v2", "v1"], version: "v2" });
  const { store, recovered } = await open(folder, {
    fs: faultyFs((call) => (call === "rename .version.tmp" ? "fail" : "go")),
  });
  onTestEnd(t, () => store.release());
  assert.deepEqual([recovered.version, recovered.damaged], ["v1", [".version cannot be mended to v1 (EIO)"]]);
});

test("history is given newest first, as many as asked for", async (t) => {
  const { store } = await open(await tempDir(t));
  onTestEnd(t, () => store.release());
  for (const epoch of [1, 2, 3]) await store.append(newEntry(epoch));
  assert.deepEqual(
    store.history(2).map(({ epoch }) => epoch),
    [3, 2],
  );
});

/** States in which a switch to v2 (at v1) can begin; `[serving before, entries before]`. */
const STARTS: Record<string, [Files, string | null, number]> = {
  "the first switch": [{ history: "none", version: null }, null, 0],
  "the first switch with a .version put there by hand": [{ history: "none", version: "v1" }, "v1", 0],
  "a later switch": [{ history: ["v2", "v1"], version: "v1" }, "v1", 2],
  "a switch after a reset by hand": [{ history: ["v1"], version: null }, null, 1],
  "a switch while .version is a directory": [{ history: ["v2", "v1"], version: "directory" }, "v1", 2],
  "a switch while .version is garbage": [{ history: ["v2", "v1"], version: "?" }, "v1", 2],
};
/** Without a `.version`: a switch names the version it leaves before it begins. That changes nothing of what serves. */
const UNNAMED = new Set(["the first switch", "a switch after a reset by hand"]);
for (const [name, [files, before, entriesBefore]] of Object.entries(STARTS)) {
  const orNamed = <T>(found: T, named: T): T => (UNNAMED.has(name) ? (found ?? named) : found);
  for (const fault of ["crash", "tear"] as const) {
    test(`${name}, ${fault} at any call of start and switch: the next start serves the old or the new version whole`, async (t) => {
      const template = await folderWith(t, files);
      for (let at = 1; ; at++) {
        const folder = join(await tempDir(t), "state");
        await cp(template, folder, { recursive: true });
        const fs = faultyFs((_call, number) => (number === at ? fault : "go"));
        const isAcknowledged = await startAndSwitch(folder, fs, entriesBefore + 1);
        const where = `at ${at}, ${fs.calls.at(-1)}`;
        const recovered = await restartAndSwitch(folder, where);
        if (isAcknowledged) assert.equal(recovered.version, "v2", where);
        else {
          const serves = orNamed<string | null>(recovered.version, "v1");
          assert.ok([orNamed(before, "v1"), "v2"].includes(serves), `${where}: ${serves}`);
        }
        const isNew = recovered.entries.length > entriesBefore;
        if (isNew) assert.equal(recovered.version, "v2", `${where}: a whole entry is what serves`);
        assert.equal(recovered.epoch, entriesBefore + (isNew ? 1 : 0), where);
        if (isAcknowledged) break;
      }
    });
  }
  for (const fault of ["fail", "fail-after", "short"] as const) {
    test(`${name}, "${fault}" once at any call of the switch: nothing has changed, now and after a restart`, async (t) => {
      const template = await folderWith(t, files);
      await recover(template); // mends now what a start mends
      const versionBefore = await versionText(template);
      for (let at = 1; ; at++) {
        const folder = join(await tempDir(t), "state");
        await cp(template, folder, { recursive: true });
        let calls = Number.NEGATIVE_INFINITY;
        const fs = faultyFs(() => (++calls === at ? fault : "go"));
        const { store } = await open(folder, { fs });
        calls = 0;
        const failure = await store.append(newEntry(entriesBefore + 1, { from: "v1", to: "v2" })).then(
          () => null,
          (error: unknown) => error,
        );
        const where = `at ${at}, ${fs.calls.at(-1)}`;
        await store.release();
        if (failure !== null) {
          assert.ok(failure instanceof ProxyError && failure.code === "STATE_WRITE_FAILED", where);
          assert.match(failure.message, /; nothing changed$/, where);
          assert.equal(orNamed(await versionText(folder), "v1\n"), orNamed(versionBefore, "v1\n"), where);
        }
        const recovered = await restartAndSwitch(folder, where);
        const after = failure === null ? "v2" : before;
        assert.equal(orNamed<string | null>(recovered.version, "v1"), orNamed(after, "v1"), where);
        assert.equal(recovered.entries.length, entriesBefore + (failure === null ? 1 : 0), where);
        if (failure === null && calls < at) break;
      }
    });
  }
}

/** @returns whether the switch was acknowledged. */
async function startAndSwitch(folder: string, fs: StateFs, epoch: number): Promise<boolean> {
  const { store } = await open(folder, { fs });
  try {
    await store.append(newEntry(epoch, { from: "v1", to: "v2" }));
    return true;
  } catch {
    return false;
  } finally {
    await store.release();
  }
}

/** Starts again and switches once more, which must work and leave nothing behind. @returns what the start found. */
async function restartAndSwitch(folder: string, where: string): Promise<RecoveredState> {
  const { store, recovered } = await open(folder);
  const { epoch } = await store.append(newEntry(recovered.epoch + 1, { to: "v1", from: "v2" }));
  await store.release();
  assert.deepEqual([epoch, store.damaged], [recovered.epoch + 1, []], where);
  assert.equal(await versionText(folder), "v1\n", where);
  const { isIntact, highestEpoch } = await openHistoryFile(folder, { wallMs: () => 0 });
  assert.deepEqual([isIntact, highestEpoch], [true, epoch], where);
  const leftovers = (await readdir(folder)).filter((name) => /tmp|mending|sock/.test(name));
  assert.deepEqual(leftovers, [], where);
  return recovered;
}

test("a switch that cannot be taken back says so, and the next waits until it can", async (t) => {
  const folder = await folderWith(t, { history: ["v2", "v1"], version: "v1" });
  const broken = new Set(["rename .version.tmp", "truncate .history.jsonl"]);
  const { store } = await open(folder, { fs: faultyFs((call) => (broken.has(call) ? "fail" : "go")) });
  onTestEnd(t, () => store.release());
  const message = /could not be taken back either \(EIO\).*a restart before this is repaired may serve v2$/;
  await assert.rejects(store.append(newEntry(3)), { code: "STATE_WRITE_FAILED", message });
  broken.delete("rename .version.tmp");
  await assert.rejects(store.append(newEntry(3)), {
    code: "STATE_WRITE_FAILED",
    message: /still cannot be taken back/,
  });
  assert.deepEqual(
    store.history(9).map(({ epoch }) => epoch),
    [2, 1],
  );
  broken.clear();
  assert.equal((await store.append(newEntry(3))).epoch, 3);
  assert.equal(await versionText(folder), "v2\n");
});

test("a folder that is missing is made, parents included", async (t) => {
  const folder = join(await tempDir(t), "a", "b");
  await recover(folder);
  assert.deepEqual(await readdir(folder), []);
});

test("a file where the folder should be stops the start with a hint", async (t) => {
  const path = join(await tempDir(t), "file");
  await writeFile(path, "");
  await assert.rejects(
    open(path),
    startError(/cannot be created \(EEXIST\); set STATE_DIR or state_dir to a wr/),
  );
});

test("a folder in a place that takes none stops the start with a hint, in place of a wait without end", {
  timeout: 10_000,
}, async () => {
  // Where the folder above is there and the answer still is ENOENT; mkdir's `recursive` never comes back from it.
  await assert.rejects(
    open("/proc/no-such-folder/state"),
    startError(/cannot be created \(ENOENT\); set STATE_DIR or state_dir to a writable folder/),
  );
});

function startError(message: RegExp) {
  return (error: unknown): true => {
    assert.ok(error instanceof StartError);
    assert.equal(error.exitCode, 1);
    assert.match(error.message, message);
    return true;
  };
}

const isRoot = process.getuid?.() === 0;
test("a folder without write permission stops the start with a hint", async (t) => {
  const folder = await tempDir(t);
  await chmod(folder, 0o555);
  const hint = /is not writable \(EACCES\); set STATE_DIR or state_dir to a writable folder/;
  if (!isRoot) return assert.rejects(open(folder), startError(hint));
  // Root may write everywhere: the same in a process that is nobody.
  const child = spawnSync(process.execPath, [CHILD, "append", folder], { uid: 65_534, gid: 65_534 });
  assert.match(String(child.stdout), hint, String(child.stderr));
  return assert.deepEqual(await readdir(folder), []);
});

test("a .version bound as a single file stops the start with a hint (skipped where nothing can be mounted)", (t: TestContext) => {
  if (!canMount()) return t.skip("unshare and mount do not work here");
  const script = `set -e; d=$(mktemp -d); mkdir "$d/a b"; echo v1 > "$d/f"; touch "$d/a b/.version"
    mount --bind "$d/f" "$d/a b/.version"; "$0" "$1" append "$d/a b"; umount "$d/a b/.version"; rm -r "$d"`;
  const said = execFileSync("unshare", [...UNSHARE, "sh", "-c", script, process.execPath, CHILD]);
  return assert.match(
    String(said),
    /^refused 1 .*a b\/.version is mounted as a single file.*mount the folder/,
  );
});

test("a read-only file system stops the start with a hint (skipped where nothing can be mounted)", (t: TestContext) => {
  if (!canMount()) return t.skip("unshare and mount do not work here");
  const script = `set -e; d=$(mktemp -d); mount -t tmpfs -o ro none "$d"; "$0" "$1" append "$d"; umount "$d"; rm -r "$d"`;
  const said = execFileSync("unshare", [...UNSHARE, "sh", "-c", script, process.execPath, CHILD]);
  return assert.match(String(said), /^refused 1 .*is not writable \(EROFS\); set STATE_DIR/);
});

const UNSHARE = isRoot ? ["--mount"] : ["--user", "--map-root-user", "--mount"];
function canMount(): boolean {
  return spawnSync("unshare", [...UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt"]).status === 0;
}

test("a real disk limit that cuts a line half way leaves no entry behind", async (t) => {
  const folder = await tempDir(t);
  // A few hundred bytes for each file: some entries fit, then one does not.
  const run = spawnSync("sh", [
    "-c",
    'ulimit -f 2; exec "$0" "$1" append "$2"',
    process.execPath,
    CHILD,
    folder,
  ]);
  const said = String(run.stdout).trim().split("\n");
  assert.match(said.at(-1) ?? "", /^failed \d .*nothing changed$/, String(run.stderr));
  const { version, epoch, damaged } = await recover(folder);
  assert.equal(epoch, said.length - 1);
  assert.deepEqual([version, damaged], [newEntry(epoch).to, []]);
});

test("a folder that an operator emptied starts anew", async (t) => {
  const folder = await folderWith(t, { history: ["v2"], version: "v2" });
  for (const name of await readdir(folder)) await rm(join(folder, name));
  assert.deepEqual(await recover(folder), {
    version: null,
    epoch: 0,
    source: "config",
    damaged: [],
    entries: [],
  });
});
