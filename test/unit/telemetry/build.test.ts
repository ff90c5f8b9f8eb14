import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { readBuild } from "../../../src/telemetry/build.ts";

test("the build names the version of package.json and the Node.js it runs on", () => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  assert.deepEqual(readBuild(), { version, node: process.versions.node });
});
