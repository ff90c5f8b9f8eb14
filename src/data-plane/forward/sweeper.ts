/**
 * Sweeper: one timer per worker that holds every running request against its time limits.
 *
 * A request only notes when it last moved, by a clock that is set here; looking at all of them a few times
 * a second is cheaper than a timer or two per request.
 */
import type { Clock } from "../../core/clock.ts";
import type { Backend } from "../backend/backend.ts";

const SHORTEST_TICK_MS = 10;
const LONGEST_TICK_MS = 250;

export interface Sweeper {
  /** The time as of the last sweep. */
  readonly coarse: { nowMs: number };
  stop(): void;
}

/** @param limitsMs the time limits to be kept: each is exact to a quarter of the shortest. */
export function startSweeper(
  backends: readonly Backend[],
  clock: Clock,
  limitsMs: readonly number[],
): Sweeper {
  const coarse = { nowMs: clock.nowMs() };
  const tickMs = Math.max(SHORTEST_TICK_MS, Math.min(LONGEST_TICK_MS, Math.min(...limitsMs) / 4));
  const timer = setInterval(() => {
    coarse.nowMs = clock.nowMs();
    for (const { requests } of backends) {
      requests.each((request) => request.checkTimeLimits(coarse.nowMs));
    }
  }, tickMs).unref();
  return { coarse, stop: () => clearInterval(timer) };
}
