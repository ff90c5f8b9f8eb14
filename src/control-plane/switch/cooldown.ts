/**
 * Cool-down between switches: the least time from one history entry to the next switch.
 *
 * Runs in the primary. Holds one moment of the monotonic clock. The wall clock is read once, at start, and only
 * when the machine was booted anew since the last entry; so a wall clock that jumps moves nothing.
 */
import type { Clock } from "../../core/clock.ts";
import { UNKNOWN_BOOT } from "./boot-id.ts";
import type { SwitchEntry } from "./state-store.ts";

export class Cooldown {
  readonly #clock: Clock;
  readonly #gapMs: number;
  #readyAtMs: number;

  /** @param last the newest history entry, whatever made it; null when there is none. */
  constructor(
    clock: Clock,
    { gapMs, last, bootId }: { gapMs: number; last: SwitchEntry | null; bootId: string },
  ) {
    this.#clock = clock;
    this.#gapMs = gapMs;
    this.#readyAtMs = last === null ? clock.nowMs() : clock.nowMs() + gapMs - entryAgeMs(last, clock, bootId);
  }

  /** Begins anew: a history entry was just written. */
  start(): void {
    this.#readyAtMs = this.#clock.nowMs() + this.#gapMs;
  }

  /** Time until a switch is allowed, in ms, never more than the gap; 0 when allowed now. */
  remainingMs(): number {
    return Math.max(0, this.#readyAtMs - this.#clock.nowMs());
  }
}

/** How long ago an entry was written, in ms, never negative: by the monotonic clock within one boot, else by the wall clock. */
export function entryAgeMs(entry: SwitchEntry, clock: Clock, bootId: string): number {
  const isSameBoot = entry.clock.boot_id === bootId && bootId !== UNKNOWN_BOOT;
  const ageMs = isSameBoot ? clock.nowMs() - entry.clock.monotonic_ms : clock.wallMs() - Date.parse(entry.at);
  return Math.max(0, ageMs);
}

/** For people and for Retry-After: whole seconds, rounded up. */
export function wholeSeconds(ms: number): number {
  return Math.ceil(ms / 1_000);
}
