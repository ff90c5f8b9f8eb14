/**
 * Turns: when a backend is probed next. Pure; what is random is handed in.
 *
 * Each backend has a place in time of its own, one interval from the other, and its probes are moved around it a
 * little: so many that began spread out stay spread out, and none stays in step with what else runs at that rhythm.
 */

/** The pause between two probes is the interval give or take so much of it; each probe is moved by up to half. */
const JITTER_RATIO = 0.1;

export interface Turn {
  /** How many intervals after the first, 0 or more. */
  readonly number: number;
  /** May have passed. */
  readonly dueMs: number;
}

/**
 * @returns how many probes may run at once: room for every sixteenth backend, so that with an interval of 5 s each may
 *   take 300 ms. No more than so many connections of the primary, whatever hangs.
 */
export function mostAtOnce(backends: number): number {
  return Math.min(256, Math.max(16, Math.ceil(backends / 16)));
}

/** @returns when the backend `index` of `total` that come at once has its first turn: they fill the interval evenly. */
export function firstTurnMs(nowMs: number, index: number, total: number, intervalMs: number): number {
  return nowMs + (index / total) * intervalMs;
}

/**
 * @param startMs of the first turn.
 * @param last the turn that has been.
 * @param begunMs when its probe began: late, it stands for all the turns that have passed by then.
 * @param random from 0 to below 1.
 */
export function nextTurn(
  startMs: number,
  intervalMs: number,
  last: number,
  begunMs: number,
  random: number,
): Turn {
  const number = Math.max(last + 1, Math.floor((begunMs - startMs) / intervalMs) + 1);
  const shiftMs = (random - 0.5) * JITTER_RATIO * intervalMs;
  return { number, dueMs: startMs + number * intervalMs + shiftMs };
}
