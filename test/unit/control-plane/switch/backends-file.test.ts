/** `.backends.json` at its largest. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBackendsBody } from "../../../../src/control-plane/pools/backends-call.ts";
import {
  BACKEND_ACTIONS,
  type ChangeInForce,
  keyOf,
  MAX_CHANGES,
  MAX_WEIGHT,
} from "../../../../src/control-plane/pools/changes.ts";
import { readBackendsFile, writeBackendsFile } from "../../../../src/control-plane/switch/backends-file.ts";
import { nodeFs } from "../../../../src/control-plane/switch/state-fs.ts";
import { tempDir } from "../../../support/temp-dir.ts";

test("as many changes as there may be, of the longest names that a call may have, are read again", async (t) => {
  const folder = await tempDir(t);
  const version = "v".repeat(64);
  const changes = new Map<string, ChangeInForce>();
  for (let count = 0; count < MAX_CHANGES; count++) {
    const name = `https://${String(count).padStart(254, "a")}:65535`;
    const { backend } = parseBackendsBody(
      JSON.stringify({ version, backend: name, action: BACKEND_ACTIONS[0] }),
    );
    assert.equal(backend, name);
    changes.set(keyOf(version, name), {
      version,
      backend: name,
      presence: "removed",
      weight: MAX_WEIGHT,
      drained: false,
    });
  }
  await writeBackendsFile(folder, { changes, follows: null }, { wallMs: 0, fs: nodeFs });
  const file = await readBackendsFile(folder);
  assert.equal(file.kind, "sound", JSON.stringify(file).slice(0, 200));
  assert.ok(file.kind === "sound" && file.changes.size === MAX_CHANGES);
});

test("a longer name is refused", () => {
  const backend = `http://${"a".repeat(255)}`;
  assert.throws(
    () => parseBackendsBody(JSON.stringify({ version: "v1", backend, action: "add" })),
    /its host is longer than 254 characters/,
  );
});
