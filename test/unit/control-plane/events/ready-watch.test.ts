import assert from "node:assert/strict";
import { test } from "node:test";
import type { DaemonEvent } from "../../../../src/control-plane/events/events.ts";
import { ReadyWatch } from "../../../../src/control-plane/events/ready-watch.ts";

test("ready is told when it changes, not when it is looked at", () => {
  const published: DaemonEvent[] = [];
  let now = { ready: false, why: "0 of 2 workers listen" };
  const watch = new ReadyWatch({ publish: (event) => void published.push(event) }, () => now);
  watch.look();
  now = { ready: true, why: "" };
  watch.look();
  watch.look();
  now = { ready: false, why: "1 of 2 workers listen" };
  watch.look();
  assert.deepEqual(published, [
    { type: "ready", ready: true, why: "" },
    { type: "ready", ready: false, why: "1 of 2 workers listen" },
  ]);
});
