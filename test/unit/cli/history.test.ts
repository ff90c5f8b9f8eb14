/**
 * `history` and `history verify`: what they say of a state folder, sound or tampered with, and that they only read.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFile, mkdir, readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../../src/cli/run.ts";
import { seal } from "../../../src/control-plane/switch/history-entry.ts";
import type {
  HistoryEntry,
  NewSwitchEntry,
  SwitchEntry,
} from "../../../src/control-plane/switch/state-store.ts";
import type { TestEnd } from "../../support/cleanup.ts";
import { runDaemon } from "../../support/proxy.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { newBackendsEntry, newEntry } from "../control-plane/switch/entries.ts";

const AT = "2030-01-01T00:00:00.000Z";

function linesOf(count: number, change: Partial<NewSwitchEntry> = {}): string[] {
  let last: SwitchEntry | null = null;
  return Array.from({ length: count }, (_, index) => {
    last = seal(newEntry(index + 1, change), last);
    return JSON.stringify(last);
  });
}

async function folderWith(
  t: TestEnd,
  lines: readonly string[],
  version: string | null = "v2",
): Promise<string> {
  const folder = await tempDir(t);
  await writeFile(join(folder, ".history.jsonl"), lines.map((line) => `${line}\n`).join(""));
  if (version !== null) await writeFile(join(folder, ".version"), `${version}\n`);
  return folder;
}

async function runIt(...argv: string[]) {
  const said = { out: "", err: "" };
  const exitCode = await run(
    argv,
    {},
    {
      out: (text) => {
        said.out += text;
      },
      err: (text) => {
        said.err += text;
      },
    },
  );
  return { exitCode, ...said };
}

const verify = (folder: string) => runIt("history", "verify", "--state-dir", folder);

test("a sound history is ok, with its last switch, and .version agrees", async (t) => {
  const folder = await folderWith(t, linesOf(3));
  assert.deepEqual(await verify(folder), {
    exitCode: 0,
    out: `${folder}/.history.jsonl: ok, 3 entries, epoch 3, last switch v1 -> v2 at ${AT}\n${folder}/.version: v2, as the last entry\n`,
    err: "",
  });
});

const named = (line: string | undefined): string => line ?? "";
const without = (lines: readonly string[], from: number, count = 1): string[] => lines.toSpliced(from, count);
function swapped(lines: readonly string[], a: number, b: number): string[] {
  return lines.with(a, named(lines[b])).with(b, named(lines[a]));
}
const resealed = (line: string | undefined): string => {
  const { hash, ...rest } = JSON.parse(named(line)) as SwitchEntry;
  return JSON.stringify({ ...rest, hash: hash.replace(/./g, "a") });
};

const TAMPERED: Record<string, [(lines: string[]) => string[], string[]]> = {
  "a changed line": [
    (lines) => lines.with(2, named(lines[2]).replace("loopback", "nobody")),
    ["line 3, epoch 3: the line was changed: its hash does not fit its content"],
  ],
  "a changed hash": [
    (lines) => lines.with(2, resealed(lines[2])),
    ["line 3, epoch 3: the line was changed: its hash does not fit its content"],
  ],
  "a changed last line": [
    (lines) => lines.with(8, named(lines[8]).replace("loopback", "nobody")),
    ["line 9, epoch 9: the line was changed: its hash does not fit its content"],
  ],
  "a raised epoch": [
    (lines) => lines.with(2, named(lines[2]).replace('"epoch":3', '"epoch":7')),
    ["line 3, epoch 7: the line was changed: its hash does not fit its content"],
  ],
  "garbage in the place of a line": [
    (lines) => lines.with(4, "garbage"),
    ["line 5: the line was changed: it is not an entry any more"],
  ],
  "a removed line": [
    (lines) => without(lines, 4),
    ["line 5, epoch 6: the line of epoch 5 was removed before it"],
  ],
  "three removed lines": [
    (lines) => without(lines, 4, 3),
    ["line 5, epoch 8: the lines of epochs 5 to 7 were removed before it"],
  ],
  "a removed first line": [
    (lines) => without(lines, 0),
    ["line 1, epoch 2: the line of epoch 1 was removed before it"],
  ],
  "a removed line before the last": [
    (lines) => without(lines, 7),
    ["line 8, epoch 9: the line of epoch 8 was removed before it"],
  ],
  "swapped lines": [(lines) => swapped(lines, 3, 4), ["line 4, epoch 5: it was swapped with line 5"]],
  "swapped first lines": [(lines) => swapped(lines, 0, 1), ["line 1, epoch 2: it was swapped with line 2"]],
  "swapped last lines": [(lines) => swapped(lines, 7, 8), ["line 8, epoch 9: it was swapped with line 9"]],
  "a doubled line": [
    (lines) => lines.toSpliced(4, 0, named(lines[3])),
    ["line 5, epoch 4: it is line 4 once more"],
  ],
  "an old line once more, at the end": [
    (lines) => [...lines, named(lines[1])],
    ["line 10, epoch 2: it is line 2 once more"],
  ],
  "a replaced line": [
    (lines) => lines.with(3, named(linesOf(4, { actor: "mallory" })[3])),
    [
      "line 4, epoch 4: it follows another line than the one before: that one was replaced, or lines of backends removed",
      "line 5, epoch 5: it follows another line than the one before: that one was replaced, or lines of backends removed",
    ],
  ],
  "two changes far apart": [
    (lines) => without(swapped(lines, 6, 7), 2),
    [
      "line 3, epoch 4: the line of epoch 3 was removed before it",
      "line 6, epoch 8: it was swapped with line 7",
    ],
  ],
};
for (const [name, [change, problems]] of Object.entries(TAMPERED)) {
  test(`${name} is named by line and epoch, once, with exit code 1`, async (t) => {
    const folder = await folderWith(t, change(linesOf(9)));
    const { exitCode, out } = await verify(folder);
    const [head, ...rest] = out.trimEnd().split("\n");
    assert.match(head ?? "", /\.history\.jsonl: damaged, \d problems?, \d+ entries, epoch 9, /);
    assert.deepEqual(
      rest.slice(0, -1).map((line) => line.trim()),
      problems,
    );
    assert.equal(exitCode, 1);
  });
}

/** A switch, three changes of backends, a switch, one more change. */
function mixedLines(): string[] {
  let last: HistoryEntry | null = null;
  return "sbbbsb".split("").map((kind, index) => {
    const epoch: number = (last?.epoch ?? 0) + (kind === "s" ? 1 : 0);
    const about = { epoch, from_nothing: index === 1, changes_sha256: "a".repeat(64) };
    last =
      kind === "s"
        ? seal(newEntry(epoch), last)
        : seal({ ...newBackendsEntry(`http://10.0.0.${index}:9000`), ...about }, last);
    return JSON.stringify(last);
  });
}

test("a history with changes of backends is ok, and listed with them", async (t) => {
  const folder = await folderWith(t, mixedLines(), "v1");
  const { out, exitCode } = await verify(folder);
  assert.equal(exitCode, 0);
  const [history, version, backends] = out.split("\n");
  assert.match(history ?? "", /: ok, 6 entries, epoch 2, last switch v2 -> v1 at /);
  assert.match(version ?? "", /\.version: v1, as the last entry$/);
  assert.match(backends ?? "", /\.backends\.json: not there; the next start has the config's backends$/);
  const list = await runIt("history", "--limit", "2", "--state-dir", folder);
  assert.match(list.out, /\n {4}2 .* v2 -> v1 .*\n {4}2 .* v1 drain http:\/\/10\.0\.0\.5:9000 .* backends /);
});

const TAMPERED_BACKENDS: Record<string, [(lines: string[]) => string[], string[]]> = {
  "a changed backend": [
    (lines) => lines.with(2, named(lines[2]).replaceAll("10.0.0.2", "10.6.6.6")),
    ["line 3, epoch 1: the line was changed: its hash does not fit its content"],
  ],
  "a raised epoch of a change of backends": [
    (lines) => lines.with(2, named(lines[2]).replace('"epoch":1', '"epoch":4')),
    ["line 3, epoch 4: the line was changed: its hash does not fit its content"],
  ],
  "a removed change of backends": [
    (lines) => without(lines, 2),
    [
      "line 3, epoch 1: it follows another line than the one before: that one was replaced, or lines of backends removed",
    ],
  ],
  "a removed switch between changes": [
    (lines) => without(lines, 4),
    ["line 5, epoch 2: the line of epoch 2 was removed before it"],
  ],
  "a removed first switch": [
    (lines) => without(lines, 0),
    ["line 1, epoch 1: the line of epoch 1 was removed before it"],
  ],
  "swapped changes of backends": [
    (lines) => swapped(lines, 1, 2),
    ["line 2, epoch 1: it was swapped with line 3"],
  ],
  "a doubled change of backends": [
    (lines) => lines.toSpliced(3, 0, named(lines[2])),
    ["line 4, epoch 1: it is line 3 once more"],
  ],
  "garbage in the place of a change of backends": [
    (lines) => lines.with(3, "garbage"),
    ["line 4: the line was changed: it is not an entry any more"],
  ],
};
for (const [name, [change, problems]] of Object.entries(TAMPERED_BACKENDS)) {
  test(`${name} is named, once, with exit code 1`, async (t) => {
    const folder = await folderWith(t, change(mixedLines()), "v1");
    const { exitCode, out } = await verify(folder);
    const told = out.split("\n").filter((line) => line.startsWith("  "));
    assert.deepEqual(
      told.map((line) => line.trim()),
      problems,
    );
    assert.equal(exitCode, 1);
  });
}

test("many problems are counted, and the first twenty told", async (t) => {
  const folder = await folderWith(
    t,
    Array.from({ length: 50 }, () => "x"),
  );
  const { out } = await verify(folder);
  assert.match(out, /damaged, 50 problems, no entries\n/);
  assert.match(out, /\n {2}line 20: .*\n {2}and 30 more\n/);
});

test("half a last line is told with what becomes of it, and is no failure; nothing is repaired", async (t) => {
  const folder = await folderWith(t, linesOf(3));
  const path = join(folder, ".history.jsonl");
  await appendFile(path, '{"epoch":4,');
  const before = await readFile(path, "utf8");
  const { exitCode, out } = await verify(folder);
  assert.equal(exitCode, 0);
  assert.match(
    out,
    /: ok, 3 entries, .*\n {2}line 4: cut by a crash; the daemon will cut it off at its next start\n/,
  );
  assert.equal(await readFile(path, "utf8"), before);
  assert.deepEqual((await readdir(folder)).sort(), [".history.jsonl", ".version"]);
});

test("a last line that lacks its newline counts, and is told", async (t) => {
  const folder = await folderWith(t, linesOf(3));
  const path = join(folder, ".history.jsonl");
  await truncate(path, (await readFile(path)).length - 1);
  const { exitCode, out } = await verify(folder);
  assert.equal(exitCode, 0);
  assert.match(out, /: ok, 3 entries, .*\n {2}line 3: cut by a crash; the daemon will add the newline/);
});

for (const [version, expected] of [
  ["v1", "v1, but the last entry says v2; the next start serves v2"],
  ["?", "does not hold the name of a version; the next start serves v2"],
  [null, "not there; the next start serves active_version of the config"],
] as const) {
  test(`a .version of ${version} is told with what the next start makes of it`, async (t) => {
    const folder = await folderWith(t, linesOf(3), version);
    const { exitCode, out } = await verify(folder);
    assert.equal(out.split("\n")[1], `${folder}/.version: ${expected}`);
    assert.equal(exitCode, 0);
  });
}

test("no history yet is ok; a folder that is not there, and a pipe in its place, are not, and none is waited for", async (t) => {
  const folder = await tempDir(t);
  const empty = await verify(folder);
  assert.deepEqual([empty.exitCode, empty.out.includes(".history.jsonl: ok, no entries\n")], [0, true]);
  execFileSync("mkfifo", [join(folder, ".history.jsonl")]);
  const pipe = await verify(folder);
  assert.deepEqual([pipe.exitCode, /it is a pipe, not a file/.test(pipe.out)], [1, true]);
  const gone = await verify(join(folder, "gone"));
  assert.deepEqual(
    [gone.exitCode, /cannot be read \(ENOENT\); name .* --state-dir/.test(gone.out)],
    [1, true],
  );
  const list = await runIt("history", "--state-dir", join(folder, "gone"));
  assert.deepEqual([list.exitCode, /cannot be read/.test(list.err)], [1, true]);
});

test("the folder of the config is looked at when none is named", async (t) => {
  const folder = await folderWith(t, linesOf(1));
  await mkdir(join(folder, "config"));
  const config = join(folder, "config", "config.yaml");
  await writeFile(
    config,
    'backends: { v1: "http://a:1", v2: "http://b:1" }\nactive_version: v1\nstate_dir: ..\n',
  );
  const { out, exitCode } = await runIt("history", "verify", "--config", config);
  assert.deepEqual(
    [exitCode, out.startsWith(`${folder}/.history.jsonl: ok, 1 entry, epoch 1`)],
    [0, true],
    out,
  );
});

test("history lists the last switches as a table, newest last, and writes out what would move the cursor", async (t) => {
  const [first = "", second = ""] = linesOf(2, {
    reason: "a\u001b[31mb\nc\u202e",
    actor: "token",
    forced: true,
  });
  const folder = await folderWith(t, [first, second]);
  const { exitCode, out, err } = await runIt("history", "--state-dir", folder);
  assert.deepEqual([exitCode, err], [0, ""]);
  const reason = "a\\u{1b}[31mb\\u{a}c\\u{202e}";
  assert.equal(
    out,
    [
      "epoch  at                        change    trigger  forced  actor  reason",
      `    1  ${AT}  v1 -> v2  switch   yes     token  ${reason}`,
      `    2  ${AT}  v2 -> v1  switch   yes     token  ${reason}`,
      "",
    ].join("\n"),
  );
  const one = await runIt("history", "--limit", "1", "--state-dir", folder);
  assert.deepEqual([one.out.includes("\n    1  "), one.out.includes("\n    2  ")], [false, true]);
});

test("a damaged history is listed as far as it can be read, and that is said", async (t) => {
  const lines = linesOf(3);
  const folder = await folderWith(t, lines.with(1, "x"));
  const { exitCode, out, err } = await runIt("history", "--state-dir", folder);
  assert.equal(exitCode, 0);
  assert.equal(out.trimEnd().split("\n").length, 3);
  assert.match(
    err,
    /^line 2 of .history.jsonl is damaged: it is not an entry; see traffic-switching history verify\n$/,
  );
});

for (const limit of ["0", "1001", "x", "1.5"]) {
  test(`--limit ${limit} is refused`, async () => {
    const { exitCode, err } = await runIt("history", "--limit", limit, "--state-dir", "/nowhere");
    assert.equal(exitCode, 2);
    assert.match(err, /^--limit takes a whole number from 1 to 1000\n/);
  });
}

test("100,000 lines are checked within a few seconds, in less memory than they have bytes", async (t) => {
  const folder = await folderWith(t, linesOf(100_000), "v1");
  const { size } = await stat(join(folder, ".history.jsonl"));
  const heapMiB = 32;
  assert.ok(size > heapMiB * 2 ** 20, `only ${size} bytes`);
  const { stdout, stderr, code } = await runDaemon(["history", "verify", "--state-dir", folder], {
    env: { NODE_OPTIONS: `--max-old-space-size=${heapMiB}` },
    limitMs: 120_000,
  });
  assert.match(stdout, /: ok, 100000 entries, epoch 100000/, stderr.slice(0, 500));
  assert.equal(code, 0);
  const before = process.cpuUsage();
  await verify(folder);
  const tookMs = process.cpuUsage(before).user / 1_000; // the clock on the wall depends on who else runs
  t.diagnostic(`${Math.round(tookMs)} ms of CPU`);
  assert.ok(tookMs < 15_000, `${Math.round(tookMs)} ms`);
});
