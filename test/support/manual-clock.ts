/** A Clock that stands still until a test moves it. Fires no timers. */
import type { Clock } from "../../src/core/clock.ts";

export class ManualClock implements Clock {
  #nowMs: number;
  #wallMs: number;

  constructor(start: { nowMs?: number; wallMs?: number } = {}) {
    this.#nowMs = start.nowMs ?? 1_000_000;
    this.#wallMs = start.wallMs ?? Date.UTC(2030, 0, 1);
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#wallMs;
  }

  /** Time passes: both clocks move on. */
  advance(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`a clock cannot advance by ${ms} ms`);
    this.#nowMs += ms;
    this.#wallMs += ms;
  }

  /** Somebody sets the wall clock; the other one does not notice. Negative is back in time. */
  jumpWall(ms: number): void {
    this.#wallMs += ms;
  }

  /** The machine was restarted: the monotonic clock counts from boot again. */
  reboot(options: { offMs?: number; nowMs?: number } = {}): void {
    this.#nowMs = options.nowMs ?? 1_000;
    this.#wallMs += options.offMs ?? 0;
  }
}
