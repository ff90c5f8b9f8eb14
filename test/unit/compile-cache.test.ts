/** Promises of compile-cache.ts: which folder is safe to run what lies in it. */
import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isSafe } from "../../src/compile-cache.ts";
import { tempDir } from "../support/temp-dir.ts";

async function newPath(t: TestContext): Promise<string> {
  return join(await tempDir(t), "compile-cache");
}

test("a folder that is not there is made, for our user alone", async (t) => {
  const folder = await newPath(t);
  assert.equal(isSafe(folder), true);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  assert.equal(isSafe(folder), true, "the next time too");
});

for (const mode of [0o770, 0o702, 0o777]) {
  test(`a folder of mode ${mode.toString(8)} is not taken: others can write it`, async (t) => {
    const folder = await newPath(t);
    mkdirSync(folder);
    chmodSync(folder, mode);
    assert.equal(isSafe(folder), false);
  });
}

test("a folder of another user is not taken", {
  skip: process.getuid?.() !== 0 && "needs root",
}, async (t) => {
  const folder = await newPath(t);
  mkdirSync(folder, { mode: 0o700 });
  chownSync(folder, 65_534, 65_534);
  assert.equal(isSafe(folder), false);
});

test("a link to a folder is not taken, nor is a file", async (t) => {
  const [link, file] = [await newPath(t), await newPath(t)];
  symlinkSync(await tempDir(t), link);
  writeFileSync(file, "");
  assert.deepEqual([isSafe(link), isSafe(file)], [false, false]);
});

test("a folder that cannot be made is done without", async (t) => {
  assert.equal(isSafe(join(await newPath(t), "below")), false);
});
