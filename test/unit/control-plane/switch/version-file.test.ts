import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import {
  finishMending,
  readVersionFile,
  VERSION_FILE,
  writeVersionFile,
} from "../../../../src/control-plane/switch/version-file.ts";
import { onTestEnd, type TestEnd } from "../../../support/cleanup.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { faultyFs } from "./faulty-fs.ts";

const VERSIONS = new Set(["v1", "v2", "blue-green_1.0"]);

async function folderWith(t: TestEnd, content: string | Buffer): Promise<string> {
  const folder = await tempDir(t);
  await writeFile(join(folder, VERSION_FILE), content);
  return folder;
}

for (const content of ["v1", "v1\n", "v1\r\n", "v1 \t\n\n"]) {
  test(`${JSON.stringify(content)} names v1`, async (t) => {
    const folder = await folderWith(t, content);
    assert.deepEqual(await readVersionFile(folder, VERSIONS), { kind: "sound", version: "v1" });
  });
}

test("a missing .version is no damage", async (t) => {
  assert.deepEqual(await readVersionFile(await tempDir(t), VERSIONS), { kind: "missing" });
});

const DAMAGED: Record<string, [string | Buffer, string]> = {
  empty: ["", ".version is empty"],
  "white space only": [" \n\n", ".version is empty"],
  "several lines": ["v1\nv2\n", ".version has several lines"],
  "NUL bytes": [Buffer.alloc(20), ".version does not hold the name of a version"],
  "a NUL after the name": ["v1\0", ".version does not hold the name of a version"],
  garbage: [Buffer.from([0xff, 0xfe, 0x80]), ".version does not hold the name of a version"],
  "a leading space": [" v1", ".version does not hold the name of a version"],
  "an unknown name": ["v3\n", ".version names v3, which is not configured"],
  "a huge file": ["v1\n".padEnd(1_025, " "), ".version is larger than 1 KiB"],
};
for (const [name, [content, reason]] of Object.entries(DAMAGED)) {
  test(`${name} is damage, and the reason says so`, async (t) => {
    const folder = await folderWith(t, content);
    assert.deepEqual(await readVersionFile(folder, VERSIONS), { kind: "damaged", reason });
  });
}

/** Things in the way that are no regular file. */
const IN_THE_WAY: Record<string, (path: string, t: TestEnd) => Promise<void>> = {
  directory: async (path) => {
    await mkdir(path);
    await writeFile(join(path, "kept"), "kept");
  },
  pipe: async (path) => void execFileSync("mkfifo", [path]),
  socket: async (path, t) => {
    const server = createServer().listen(path);
    await new Promise((resolve) => server.once("listening", resolve));
    onTestEnd(t, () => server.close());
  },
  "symbolic link": async (path) => symlink("/etc/hostname", path),
};
for (const [kind, make] of Object.entries(IN_THE_WAY)) {
  test(`a ${kind} is damage, is read without waiting and moved aside by a write, not deleted`, async (t) => {
    const folder = await tempDir(t);
    await make(join(folder, VERSION_FILE), t);
    const reason = `.version is a ${kind}, not a file`;
    assert.deepEqual(await readVersionFile(folder, VERSIONS), { kind: "damaged", reason });
    await writeVersionFile(folder, "v2", { wallMs: 42.4 });
    assert.equal(await readFile(join(folder, VERSION_FILE), "utf8"), "v2\n");
    assert.deepEqual((await readdir(folder)).sort(), [".version", ".version.damaged-42"]);
  });
}

test("two things moved aside in one millisecond are both kept", async (t) => {
  const folder = await tempDir(t);
  for (const version of ["v1", "v2"]) {
    execFileSync("rm", ["-f", join(folder, VERSION_FILE)]);
    await mkdir(join(folder, VERSION_FILE));
    await writeVersionFile(folder, version, { wallMs: 42 });
  }
  const aside = [".version", ".version.damaged-42", ".version.damaged-42-2"];
  assert.deepEqual((await readdir(folder)).sort(), aside);
});

const isRoot = process.getuid?.() === 0;
test(`a file without read permission is damage${isRoot ? " (skipped: root reads everything)" : ""}`, {
  skip: isRoot,
}, async (t) => {
  const folder = await folderWith(t, "v1\n");
  await chmod(join(folder, VERSION_FILE), 0);
  const reason = ".version cannot be read (EACCES)";
  assert.deepEqual(await readVersionFile(folder, VERSIONS), { kind: "damaged", reason });
});

test("a disk that fails while reading is damage, not a rejection", async (t) => {
  const folder = await folderWith(t, "v1\n");
  const fs = faultyFs((call) => (call.startsWith("read ") ? "fail" : "go"));
  const reason = ".version cannot be read (EIO)";
  assert.deepEqual(await readVersionFile(folder, VERSIONS, fs), { kind: "damaged", reason });
});

test("a write holds only the name and a newline, and leaves nothing beside it", async (t) => {
  const folder = await folderWith(t, "v1\n");
  await writeVersionFile(folder, "blue-green_1.0", { wallMs: 0 });
  assert.equal(await readFile(join(folder, VERSION_FILE), "utf8"), "blue-green_1.0\n");
  assert.deepEqual(await readdir(folder), [".version"]);
});

test("a write syncs the content before the rename and the folder after it", async (t) => {
  const folder = await folderWith(t, "v1\n");
  const fs = faultyFs(() => "go");
  await writeVersionFile(folder, "v2", { wallMs: 0, fs });
  const steps = fs.calls
    .filter((call) => /^(writeFile|sync|rename) /.test(call))
    .map((call) => call.split(" ")[0]);
  assert.deepEqual(steps, ["writeFile", "sync", "rename", "sync"]);
});

test("a write cut at any call leaves the old name or the new one", async (t) => {
  for (const fault of ["crash", "tear"] as const) {
    for (let cut = 1; ; cut++) {
      const folder = await folderWith(t, "v1\n");
      const fs = faultyFs((_call, number) => (number === cut ? fault : "go"));
      const isWhole = await writeVersionFile(folder, "v2", { wallMs: 0, fs }).then(
        () => true,
        () => false,
      );
      const text = await readFile(join(folder, VERSION_FILE), "utf8");
      assert.ok(
        text === "v1\n" || text === "v2\n",
        `${fault} at ${fs.calls.at(-1)} left ${JSON.stringify(text)}`,
      );
      if (isWhole) break;
    }
  }
});

test("replacing a directory, cut at any call, never ends as if .version had been removed by hand", async (t) => {
  for (const fault of ["crash", "tear"] as const) {
    for (let cut = 1; ; cut++) {
      const folder = await tempDir(t);
      await mkdir(join(folder, VERSION_FILE));
      const fs = faultyFs((_call, number) => (number === cut ? fault : "go"));
      const isWhole = await writeVersionFile(folder, "v2", { wallMs: 0, fs }).then(
        () => true,
        () => false,
      );
      await finishMending(folder);
      const { kind } = await readVersionFile(folder, VERSIONS);
      assert.notEqual(kind, "missing", `${fault} at ${fs.calls.at(-1)}`);
      if (isWhole) break;
    }
  }
});
