import assert from "node:assert/strict";
import { test } from "node:test";
import { readBootId, UNKNOWN_BOOT } from "../../../../src/control-plane/switch/boot-id.ts";
import { Cooldown, wholeSeconds } from "../../../../src/control-plane/switch/cooldown.ts";
import { seal } from "../../../../src/control-plane/switch/history-entry.ts";
import type { SwitchEntry } from "../../../../src/control-plane/switch/state-store.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { newEntry } from "./entries.ts";

const GAP_MS = 600_000;
const HOUR_MS = 3_600_000;

/** An entry written now, by this clock. */
function entryNow(clock: ManualClock, bootId = "boot-1"): SwitchEntry {
  const at = new Date(clock.wallMs()).toISOString();
  return seal(newEntry(1, { at, clock: { boot_id: bootId, monotonic_ms: clock.nowMs() } }), null);
}

const restarted = (clock: ManualClock, last: SwitchEntry | null, bootId = "boot-1"): Cooldown =>
  new Cooldown(clock, { gapMs: GAP_MS, last, bootId });

test("with no entry a switch is allowed at once", () => {
  assert.equal(restarted(new ManualClock(), null).remainingMs(), 0);
});

test("an entry starts the cool-down, and it runs out", () => {
  const clock = new ManualClock();
  const cooldown = restarted(clock, null);
  cooldown.start();
  assert.equal(cooldown.remainingMs(), GAP_MS);
  clock.advance(GAP_MS - 1);
  assert.equal(cooldown.remainingMs(), 1);
  clock.advance(1);
  assert.equal(cooldown.remainingMs(), 0);
  clock.advance(HOUR_MS);
  assert.equal(cooldown.remainingMs(), 0);
});

for (const [name, jumpMs] of [
  ["not at all", 0],
  ["a year ahead", 8_760 * HOUR_MS],
  ["a year back", -8_760 * HOUR_MS],
] as const) {
  test(`within one boot a restart keeps what remains, when the wall clock jumped ${name}`, () => {
    const clock = new ManualClock();
    const last = entryNow(clock);
    clock.advance(100_000);
    clock.jumpWall(jumpMs);
    assert.equal(restarted(clock, last).remainingMs(), GAP_MS - 100_000);
  });

  test(`while running a cool-down from an earlier boot is not moved, when the wall clock jumps ${name}`, () => {
    const clock = new ManualClock();
    const last = entryNow(clock, "boot-0");
    clock.advance(100_000);
    const cooldown = restarted(clock, last);
    clock.jumpWall(jumpMs);
    assert.equal(cooldown.remainingMs(), GAP_MS - 100_000);
  });
}

test("after a reboot the wall clock decides", () => {
  const clock = new ManualClock();
  const last = entryNow(clock);
  clock.reboot({ offMs: 200_000 });
  assert.equal(restarted(clock, last, "boot-2").remainingMs(), GAP_MS - 200_000);
  clock.jumpWall(HOUR_MS);
  assert.equal(restarted(clock, last, "boot-2").remainingMs(), 0);
});

test("after a reboot with a wall clock set back it is the whole gap, never more", () => {
  const clock = new ManualClock();
  const last = entryNow(clock);
  clock.reboot({ offMs: -HOUR_MS });
  assert.equal(restarted(clock, last, "boot-2").remainingMs(), GAP_MS);
});

test("a monotonic time from the future, as after a move between machines, is the whole gap at most", () => {
  const clock = new ManualClock();
  const last = entryNow(clock);
  clock.reboot();
  assert.equal(restarted(clock, last, "boot-1").remainingMs(), GAP_MS);
});

test("a boot id that cannot be known is never the same boot", () => {
  const clock = new ManualClock();
  const last = entryNow(clock, UNKNOWN_BOOT);
  clock.jumpWall(100_000);
  assert.equal(restarted(clock, last, UNKNOWN_BOOT).remainingMs(), GAP_MS - 100_000);
  assert.equal(readBootId("/nowhere"), UNKNOWN_BOOT);
});

test("a gap of 0 is no cool-down", () => {
  const clock = new ManualClock();
  const cooldown = new Cooldown(clock, { gapMs: 0, last: entryNow(clock), bootId: "boot-1" });
  cooldown.start();
  assert.equal(cooldown.remainingMs(), 0);
});

test("seconds are rounded up, so Retry-After is never too short", () => {
  assert.deepEqual([0, 0.1, 999, 1_000, 1_001].map(wholeSeconds), [0, 1, 1, 1, 2]);
});
