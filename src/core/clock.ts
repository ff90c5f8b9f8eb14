/**
 * Clock: where every part of the program gets its time from, so that a test owns it.
 */
export interface Clock {
  /** Milliseconds of a clock that never jumps. On Linux it counts from boot and is shared by all processes. */
  nowMs(): number;
  /** Milliseconds since 1970, as people read it. May jump; never used to measure. */
  wallMs(): number;
}

/** CLOCK_MONOTONIC (clock_gettime(2)) and the wall clock. */
export const systemClock: Clock = {
  nowMs: () => Number(process.hrtime.bigint() / 1_000n) / 1_000,
  wallMs: () => Date.now(),
};
