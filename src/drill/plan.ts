/**
 * Plan: what the drill calls, in which order, and how long it waits after each. Pure.
 *
 * Four moves that end where they began, over and over: a switch, its rollback, a switch, a switch back. Most follow
 * each other while the drain of the one before still runs; after every seventh and the last it runs out, so that
 * streams and WebSockets of the version that was left are ended: of either version in turn.
 */
import type { Version } from "../core/version.ts";

export interface Move {
  readonly call: "switch" | "rollback";
  readonly to: Version;
  /** How long requests may wait while the workers move; null without. */
  readonly hold: string | null;
  readonly pauseMs: number;
  /** The call is rehearsed with `dry_run` before. */
  readonly isRehearsed: boolean;
  /** A worker is killed in the pause after it. */
  readonly killsWorker: boolean;
}

/** Of the daemon under drill: longer than an upload takes on a busy machine, and short enough to be waited for. */
export const DRAIN = { deadlineMs: 4_000, websocketWindowMs: 1_500 };

const SHORT_PAUSE_MS = 700;
const LONG_PAUSE_MS = DRAIN.deadlineMs + 500;
const LONG_PAUSE_EVERY = 7;
const HOLD = "2s";

const CYCLE = [
  { call: "switch", to: "v2" },
  { call: "rollback", to: "v1" },
  { call: "switch", to: "v2" },
  { call: "switch", to: "v1" },
] as const;

/** @param count at least 1. The first version is v1. */
export function planMoves(count: number): Move[] {
  // Odd moves go to v2: a worker that is born onto the version of the config instead of the active one shows.
  const killAfter = Math.ceil(count / 2) | 1;
  return Array.from({ length: count }, (_, index): Move => {
    const { call, to } = CYCLE[index % CYCLE.length] ?? CYCLE[0];
    const number = index + 1;
    const isLast = number === count;
    const isHoldCycle = Math.floor(index / CYCLE.length) % 2 === 1;
    return {
      call,
      to,
      hold: isHoldCycle && call === "switch" ? HOLD : null,
      pauseMs: isLast || number % LONG_PAUSE_EVERY === 0 ? LONG_PAUSE_MS : SHORT_PAUSE_MS,
      isRehearsed: number === (count < 3 ? 1 : 3),
      killsWorker: number === killAfter,
    };
  });
}
