/**
 * Sweeper: one timer per worker that holds every request and every connection against its time limits.
 *
 * Each only notes when it last moved, by a clock that is set here; looking at all of them a few times
 * a second is cheaper than a timer or two per request.
 */
import type { Clock } from "../../core/clock.ts";

const SHORTEST_TICK_MS = 10;
const LONGEST_TICK_MS = 250;

export interface Sweeper {
  /** The time as of the next sweep: what is noted by it is never older than it says, so that no limit passes early. */
  readonly coarse: { nowMs: number };
  stop(): void;
}

/**
 * @param limitsMs the time limits to be kept: each passes late by at most a quarter of the shortest, or 500 ms.
 * @param look is told the time, to look at everything that runs.
 */
export function startSweeper(
  clock: Clock,
  limitsMs: readonly number[],
  look: (nowMs: number) => void,
): Sweeper {
  const tickMs = Math.max(SHORTEST_TICK_MS, Math.min(LONGEST_TICK_MS, Math.min(...limitsMs) / 8));
  const coarse = { nowMs: clock.nowMs() + tickMs };
  const timer = setInterval(() => {
    const nowMs = clock.nowMs();
    coarse.nowMs = nowMs + tickMs;
    // After what has come meanwhile: a process that stood still must not blame its clients for it.
    setImmediate(look, nowMs);
  }, tickMs).unref();
  return { coarse, stop: () => clearInterval(timer) };
}
