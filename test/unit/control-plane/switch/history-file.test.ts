import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { appendFile, mkdir, readdir, readFile, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { canonicalJson } from "../../../../src/control-plane/switch/canonical-json.ts";
import { parseEntry, seal } from "../../../../src/control-plane/switch/history-entry.ts";
import { type HistoryFile, openHistoryFile } from "../../../../src/control-plane/switch/history-file.ts";
import type { SwitchEntry } from "../../../../src/control-plane/switch/state-store.ts";
import type { TestEnd } from "../../../support/cleanup.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { newEntry } from "./entries.ts";
import { type Decide, faultyFs } from "./faulty-fs.ts";

const FILE = ".history.jsonl";
const open = (folder: string, decide: Decide = () => "go"): Promise<HistoryFile> =>
  openHistoryFile(folder, { wallMs: () => 42, fs: faultyFs(decide) });
const text = (folder: string): Promise<string> => readFile(join(folder, FILE), "utf8");

/** @returns a folder whose history has `count` entries. */
async function folderWith(t: TestEnd, count: number): Promise<string> {
  const folder = await tempDir(t);
  const history = await open(folder);
  for (let epoch = 1; epoch <= count; epoch++) await history.append(newEntry(epoch));
  return folder;
}

async function editLines(folder: string, edit: (lines: string[]) => string[]): Promise<void> {
  const lines = (await text(folder)).trimEnd().split("\n");
  await writeFile(join(folder, FILE), `${edit(lines).join("\n")}\n`);
}

test("entries are read back as they were written", async (t) => {
  const folder = await tempDir(t);
  const history = await open(folder);
  assert.deepEqual([history.entries.all, history.highestEpoch, history.isIntact], [[], 0, true]);
  const written = [
    await history.append(newEntry(1)),
    await history.append(newEntry(2, { reason: "ü\u2028" })),
  ];
  const again = await open(folder);
  assert.deepEqual(again.entries.all, written);
  assert.deepEqual([again.highestEpoch, again.isIntact, again.damaged, again.repaired], [2, true, [], null]);
});

test("each hash is the SHA-256 of the entry without it, keys sorted, and the next line names it", async (t) => {
  const lines = (await text(await folderWith(t, 2))).trimEnd().split("\n");
  let prev = "";
  for (const line of lines) {
    const { hash, ...rest } = JSON.parse(line) as SwitchEntry;
    assert.equal(rest.prev, prev);
    assert.equal(hash, createHash("sha256").update(canonicalJson(rest)).digest("hex"));
    prev = hash;
  }
});

test("canonical JSON sorts keys at every depth and keeps the order of lists", () => {
  assert.equal(
    canonicalJson({ b: [2, { d: 1, c: null }], a: "ä\n" }),
    '{"a":"ä\\n","b":[2,{"c":null,"d":1}]}',
  );
});

test("half a last line is removed, and the history stays intact", async (t) => {
  const folder = await folderWith(t, 2);
  const whole = await text(folder);
  const third = whole.split("\n")[1]?.replace("{", '{"x":0,') ?? "";
  for (let length = 1; length < third.length; length += 50) {
    await writeFile(join(folder, FILE), whole + third.slice(0, length));
    const history = await open(folder);
    assert.deepEqual([history.isIntact, history.damaged, history.highestEpoch], [true, [], 2]);
    assert.equal(history.repaired, "the last line of .history.jsonl was cut by a crash and has been removed");
    assert.equal(await text(folder), whole);
  }
});

test("a last line that lacks nothing but its newline gets it", async (t) => {
  const folder = await folderWith(t, 2);
  const whole = await text(folder);
  await truncate(join(folder, FILE), whole.length - 1);
  const history = await open(folder);
  assert.deepEqual([history.highestEpoch, history.isIntact], [2, true]);
  assert.equal(await text(folder), whole);
});

test("the NULs that a power failure leaves at the end are half a line", async (t) => {
  const folder = await folderWith(t, 1);
  const whole = await text(folder);
  await appendFile(join(folder, FILE), Buffer.alloc(5_000));
  assert.equal((await open(folder)).isIntact, true);
  assert.equal(await text(folder), whole);
});

const DAMAGE: Record<string, [(lines: string[]) => string[], RegExp]> = {
  "a changed member": [
    ([a = "", b = "", c = ""]) => [a, b.replace("loopback", "token"), c],
    /^line 2 .*hash/,
  ],
  "a changed last line": [([a = "", b = "", c = ""]) => [a, b, c.replace("12.3", "12.4")], /^line 3 .*hash/],
  "a removed line": [([a = "", , c = ""]) => [a, c], /^line 2 .*: it does not follow/],
  "a removed first line": [([, b = "", c = ""]) => [b, c], /^line 1 .*: it does not follow/],
  "swapped lines": [([a = "", b = "", c = ""]) => [b, a, c], /^line 1 .*: it does not follow/],
  "a repeated line": [([a = "", b = "", c = ""]) => [a, b, b, c], /^line 3 .*: it does not follow/],
  "an unreadable line": [([a = "", , c = ""]) => [a, "{", c], /^line 2 .*not an entry/],
  "an unreadable last line": [([a = "", b = ""]) => [a, b, '{"epoch":3'], /^line 3 .*not an entry/],
  "an empty line": [([a = "", b = "", c = ""]) => [a, "", b, c], /^line 2 .*not an entry/],
  "JSON that is no entry": [([a = "", b = "", c = ""]) => [a, b, c, "{}"], /^line 4 .*not an entry/],
};
for (const [name, [edit, sentence]] of Object.entries(DAMAGE)) {
  test(`${name} is damage, named by its line; nothing is rewritten and epochs go on`, async (t) => {
    const folder = await folderWith(t, 3);
    await editLines(folder, edit);
    const before = await text(folder);
    const history = await open(folder);
    assert.equal(history.isIntact, false);
    assert.match(history.damaged.join(), sentence);
    const { epoch = 0, hash = "" } = history.entries.last ?? {};
    const added = await history.append(newEntry(history.highestEpoch + 1));
    assert.equal(added.prev, hash);
    assert.ok(added.epoch > epoch);
    assert.equal(await text(folder), `${before}${JSON.stringify(added)}\n`);
    assert.equal((await open(folder)).isIntact, false);
  });
}

test("a line that was changed and sealed anew is found by the line after it", async (t) => {
  const folder = await folderWith(t, 3);
  await editLines(folder, ([a = "", b = "", c = ""]) => {
    const { prev: _prev, hash: _hash, ...entry } = JSON.parse(b) as SwitchEntry;
    return [a, JSON.stringify(seal({ ...entry, actor: "nobody" }, parseEntry(a))), c];
  });
  assert.match((await open(folder)).damaged.join(), /^line 3 .*: it does not follow/);
});

test("an epoch that was skipped is damage, even with a fitting hash", async (t) => {
  const folder = await folderWith(t, 1);
  await (await open(folder)).append(newEntry(3));
  assert.match((await open(folder)).damaged.join(), /^line 2 .*epoch/);
});

test("members that a later release adds are kept and covered by the hash", async (t) => {
  const folder = await tempDir(t);
  const more = { ...newEntry(1), hold_ms: 5 };
  await (await open(folder)).append(more);
  const [entry] = (await open(folder)).entries.all;
  assert.equal((entry as { hold_ms?: number }).hold_ms, 5);
  await editLines(folder, ([line = ""]) => [line.replace('"hold_ms":5', '"hold_ms":6')]);
  assert.equal((await open(folder)).isIntact, false);
});

const IN_THE_WAY: Record<string, (path: string) => Promise<void>> = {
  directory: async (path) => void (await mkdir(path)),
  pipe: async (path) => void execFileSync("mkfifo", [path]),
  "symbolic link": (path) => symlink("/etc/hostname", path),
};
for (const [kind, make] of Object.entries(IN_THE_WAY)) {
  test(`a ${kind} in place of the history is damage, and is moved aside by the next entry`, async (t) => {
    const folder = await tempDir(t);
    await make(join(folder, FILE));
    const history = await open(folder);
    assert.deepEqual(history.damaged, [`.history.jsonl is a ${kind}, not a file`]);
    const entry = await history.append(newEntry(1));
    assert.deepEqual((await readdir(folder)).sort(), [FILE, `${FILE}.damaged-42`]);
    assert.deepEqual((await open(folder)).entries.all, [entry]);
    assert.deepEqual(history.damaged, []);
  });
}

test("a disk that fails while reading is damage; the history is kept beside the new one", async (t) => {
  const folder = await folderWith(t, 2);
  const old = await text(folder);
  const history = await open(folder, (call) => (call.startsWith("read ") ? "fail" : "go"));
  assert.deepEqual(history.damaged, [".history.jsonl cannot be read (EIO)"]);
  await history.append(newEntry(1));
  assert.equal(await readFile(join(folder, `${FILE}.damaged-42`), "utf8"), old);
});

for (const fault of ["fail", "fail-after", "short"] as const) {
  test(`a write that ends with "${fault}" at any call leaves no entry, and the next one works`, async (t) => {
    for (let at = 1; ; at++) {
      const folder = await folderWith(t, 1);
      const before = await text(folder);
      let calls = Number.NEGATIVE_INFINITY;
      const history = await open(folder, () => (++calls === at ? fault : "go"));
      calls = 0;
      const result = await history.append(newEntry(2)).catch(() => null);
      if (result !== null) {
        assert.equal((await open(folder)).highestEpoch, 2);
        if (calls < at) break; // every call has had its turn
        continue;
      }
      assert.equal(await text(folder), before, `call ${at}`);
      assert.deepEqual([history.highestEpoch, history.hasUnwantedTail], [1, false]);
      await history.append(newEntry(2));
      assert.deepEqual([(await open(folder)).isIntact, (await open(folder)).highestEpoch], [true, 2]);
    }
  });
}

test("while half a line cannot be cut off, no entry is taken", async (t) => {
  const folder = await folderWith(t, 1);
  let isBroken = true;
  const history = await open(folder, (call) => {
    if (isBroken && call.startsWith("write ")) return "short";
    return isBroken && call.startsWith("truncate ") ? "fail" : "go";
  });
  await assert.rejects(history.append(newEntry(2)));
  assert.equal(history.hasUnwantedTail, true);
  await assert.rejects(history.append(newEntry(2)), { code: "EIO" });
  isBroken = false;
  await history.append(newEntry(2));
  const again = await open(folder);
  assert.deepEqual([again.isIntact, again.highestEpoch, again.repaired], [true, 2, null]);
});

test("memory holds the last 1,000 entries, the file all", async (t) => {
  const folder = await tempDir(t);
  const history = await open(folder, () => "go");
  for (let epoch = 1; epoch <= 1_005; epoch++) await history.append(newEntry(epoch));
  const again = await open(folder);
  for (const {
    entries: { all: entries },
  } of [history, again]) {
    assert.deepEqual([entries.length, entries[0]?.epoch, entries.at(-1)?.epoch], [1_000, 6, 1_005]);
  }
  assert.equal(again.isIntact, true);
});

test("lines longer than one read and longer than any entry are survived", async (t) => {
  const folder = await tempDir(t);
  const long = newEntry(1, { gate: { outcome: "passed", workers: ["é".repeat(100_000)] } });
  await (await open(folder)).append(long);
  assert.deepEqual((await open(folder)).isIntact, true);
  await appendFile(join(folder, FILE), `${"x".repeat(5_000_000)}\n`);
  assert.match((await open(folder)).damaged.join(), /^line 2 .*not an entry/);
});
