/**
 * Waiting with a limit: every wait of a test ends, and a wait that ended too late says what it waited for.
 *
 * Holds no events of its own; whoever has an event to await passes its promise to `withLimit`, whoever has
 * only a state to look at polls it with `waitUntil`.
 */
import { setTimeout as delay } from "node:timers/promises";

export const DEFAULT_LIMIT_MS = 5_000;

/**
 * @param what ends the sentence "waited 5000 ms for …".
 * @param details called when the limit passes, for what helps to understand why: an output, a buffer.
 * @throws Error when `promise` has not settled within `limitMs`.
 */
export async function withLimit<T>(
  promise: Promise<T>,
  limitMs: number,
  what: string,
  details?: () => string,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  // Made here, so that its stack leads to the test that waits.
  const late = new Error(`waited ${Math.round(limitMs)} ms for ${what}`);
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      if (details) late.message += `\n${details()}`;
      reject(late);
    }, limitMs);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Asks again and again until the answer is neither `undefined`, `false` nor `null`, and returns that answer.
 *
 * @throws Error when there is none within `limitMs`, with the last thing that `look` threw as its cause.
 */
export async function waitUntil<T>(
  what: string,
  look: () => T | Promise<T>,
  options: { limitMs?: number; intervalMs?: number; details?: () => string } = {},
): Promise<NonNullable<Exclude<T, false>>> {
  const { limitMs = DEFAULT_LIMIT_MS, intervalMs = 10, details } = options;
  const late = new Error(`waited ${Math.round(limitMs)} ms until ${what}`);
  const endMs = performance.now() + limitMs;
  for (;;) {
    try {
      const seen = await withLimit(Promise.resolve(look()), Math.max(1, endMs - performance.now()), what);
      if (seen !== undefined && seen !== null && seen !== false) {
        return seen as NonNullable<Exclude<T, false>>;
      }
    } catch (error) {
      late.cause = error;
    }
    if (performance.now() >= endMs) {
      if (details) late.message += `\n${details()}`;
      throw late;
    }
    await delay(intervalMs);
  }
}
