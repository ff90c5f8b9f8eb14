import assert from "node:assert/strict";
import { test } from "node:test";
import { isMountPoint, mountPoints } from "../../../../src/control-plane/switch/mount-point.ts";
import { tempDir } from "../../../support/temp-dir.ts";

test("mount points are read from mountinfo, octal escapes included", () => {
  const info = [
    "36 35 98:0 / / rw,noatime master:1 - ext4 /dev/root rw",
    "40 36 98:1 /v /etc/state\\040of\\040it/.version rw shared:9 - ext4 /dev/sda rw",
    "41 36 98:1 /v /back\\134slash rw - ext4 /dev/sda rw",
    "",
  ].join("\n");
  const points = mountPoints(info);
  assert.ok(points.has("/etc/state of it/.version"));
  assert.ok(points.has("/back\\slash"));
  assert.ok(!points.has("/etc"));
});

test("the root is a mount point, a new folder is none", { skip: process.platform !== "linux" }, async (t) => {
  assert.equal(await isMountPoint("/", ""), true);
  assert.equal(await isMountPoint(await tempDir(t), ".version"), false);
});
