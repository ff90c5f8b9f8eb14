/**
 * The shipped config files against the schema: nothing missing, nothing more, every default as it is.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import { loadConfig } from "../../../src/config/load.ts";
import { ENVIRONMENT, FLAGS } from "../../../src/config/overrides.ts";
import { versionOfOne } from "../../../src/config/pool-config.ts";
import { POOL_KEY_PATHS, versionSettings } from "../../../src/config/pool-schema.ts";
import { KEY_PATHS, settingsSchema } from "../../../src/config/schema.ts";

const REFERENCE = "config/config.reference.yaml";

/** The paths of all values; the names of the backends are free, so they end there, as an empty map does. */
function leafPaths(value: unknown, path = ""): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value) || path === "backends")
    return [path];
  if (Object.keys(value).length === 0) return [path];
  return Object.entries(value).flatMap(([key, inner]) =>
    leafPaths(inner, path === "" ? key : `${path}.${key}`),
  );
}

test("the reference file lists every key of the schema, in its order, and no other", () => {
  assert.deepEqual(leafPaths(parse(readFileSync(REFERENCE, "utf8"))), KEY_PATHS);
});

test("the reference file holds exactly the defaults", () => {
  const reference = parse(readFileSync(REFERENCE, "utf8"));
  const { backends, active_version } = reference;
  assert.deepEqual(settingsSchema.parse(reference), settingsSchema.parse({ backends, active_version }));
});

test("the reference file lists every key of a version, in its order and with its default, and no other", () => {
  const { v2 } = parse(readFileSync(REFERENCE, "utf8")).backends;
  const { targets, ...sections } = v2;
  const ofTarget = leafPaths(targets[0]).map((key) => `targets[].${key}`);
  assert.deepEqual([...ofTarget, ...leafPaths(sections)], POOL_KEY_PATHS);
  assert.deepEqual(Object.keys(v2)[0], "targets");
  const schema = versionSettings();
  const bare = { targets: [targets[0].url], health: {}, outlier: {}, breaker: {}, sticky: {} };
  assert.deepEqual(schema.parse(v2), schema.parse(bare));
});

test("every key of the reference file has a comment", () => {
  const lines = readFileSync(REFERENCE, "utf8").split("\n");
  const bare = lines.filter(
    (line) => /^\s*\w+: \S/.test(line) && !line.includes(" # ") && !/^ {2}v\d/.test(line),
  );
  assert.deepEqual(bare, []);
});

test("the shipped config loads, and says what design and demo promise", () => {
  const config = loadConfig({ file: "config/config.yaml", env: {} });
  assert.equal(config.server.port, 8080);
  assert.equal(config.activeVersion, "v1");
  assert.deepEqual(config.backends, [
    versionOfOne("v1", "http://127.0.0.1:9001"),
    versionOfOne("v2", "http://127.0.0.1:9002"),
  ]);
});

test("every environment variable and flag sets a key that exists", () => {
  for (const { name, sets } of [...ENVIRONMENT, ...FLAGS]) {
    if (sets !== null) assert.ok(KEY_PATHS.includes(sets), `${name} sets ${sets}`);
  }
});
