import assert from "node:assert/strict";
import { test } from "node:test";
import type { DaemonEvent } from "../../../../src/control-plane/events/events.ts";
import { createSwitchEvents } from "../../../../src/control-plane/events/switch-events.ts";
import type { SwitchEnd } from "../../../../src/control-plane/switch/switch-event.ts";
import { ProxyError } from "../../../../src/core/errors.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const END: SwitchEnd = {
  from: "v1",
  to: "v2",
  trigger: "switch",
  outcome: "done",
  forced: false,
  actor: "token:ci",
  reason: "release 42",
  epoch: 8,
  durationMs: 222.4567,
  phaseSeconds: { prepare: 0.2 },
  error: null,
};

function start() {
  const published: DaemonEvent[] = [];
  const clock = new ManualClock({ nowMs: 50_000, wallMs: Date.UTC(2030, 0, 1) });
  return {
    published,
    observe: createSwitchEvents({ publish: (event) => void published.push(event) }, clock),
  };
}

test("a switch that was done is told with who did it, why and how long it took", () => {
  const { published, observe } = start();
  observe.switchEnded(END);
  assert.deepEqual(published, [
    {
      type: "switched",
      from: "v1",
      to: "v2",
      epoch: 8,
      trigger: "switch",
      forced: false,
      reason: "release 42",
      actor: "token:ci",
      duration_ms: 222.5,
    },
  ]);
});

test("one that was not done is told with its code; of a fault of our own nothing but that", () => {
  const { published, observe } = start();
  const told = { type: "refused", from: "v1", to: "v2", trigger: "switch", actor: "token:ci" };
  observe.switchEnded({
    ...END,
    outcome: "cooling_down",
    error: new ProxyError("SWITCH_COOLING_DOWN", "in 9 s"),
  });
  observe.switchEnded({ ...END, outcome: "failed", error: new TypeError("inner detail") });
  assert.deepEqual(published, [
    { ...told, code: "SWITCH_COOLING_DOWN", message: "in 9 s" },
    {
      ...told,
      code: "ADMIN_INTERNAL_ERROR",
      message: "a fault of the proxy itself; the log has the details",
    },
  ]);
});

test("phases, pauses and resumes are told as they come, the end of a pause as people read time", () => {
  const { published, observe } = start();
  const during = { from: "v1", to: "v2", trigger: "switch", epoch: 7 } as const;
  observe.changed({ type: "phase", phase: "hold", during });
  observe.changed({ type: "paused", untilMs: 60_000, reason: null, actor: "loopback" });
  observe.changed({ type: "resumed", actor: "limit" });
  assert.deepEqual(published, [
    { type: "phase", phase: "hold", ...during },
    { type: "paused", until: "2030-01-01T00:00:10.000Z", reason: null, actor: "loopback" },
    { type: "resumed", actor: "limit" },
  ]);
});
