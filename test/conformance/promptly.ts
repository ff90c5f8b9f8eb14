/** How soon one end learns what the other has done. */
import { setTimeout as delay } from "node:timers/promises";
import type { Scene } from "./case.ts";

/** What we promise. */
const PROMISED_MS = 100;
/** What fails a case: five times as long, because the machine may be busy with others. */
const ALLOWED_MS = 500;
/** Busier still: what is late must not be later than so many requests that begin after it, one after the other. */
const ALLOWED_REQUESTS = 5;

const LATE = Symbol("late");

/**
 * Waits for what shall follow at once, and says so when it took longer than we promise.
 *
 * @param what ends the sentence "waited 500 ms for …".
 * @param scene where requests can go through meanwhile: without, 500 ms are all there is.
 * @throws Error when it takes over 500 ms, and as long as five requests.
 */
export async function promptly<T>(what: string, happening: Promise<T>, scene?: Scene): Promise<T> {
  const beginMs = performance.now();
  const stop = new AbortController();
  try {
    const late = delay(ALLOWED_MS, LATE, { signal: stop.signal }).catch(() => LATE);
    let result = await Promise.race([happening, late]);
    for (let i = 0; result === LATE && scene !== undefined && i < ALLOWED_REQUESTS; i++) {
      result = await Promise.race([happening, scene.settled().then(() => LATE)]);
    }
    const tookMs = performance.now() - beginMs;
    if (result === LATE) throw new Error(`waited ${tookMs.toFixed(0)} ms for ${what}`);
    if (tookMs > PROMISED_MS) console.log(`${what}: after ${tookMs.toFixed(0)} ms`);
    return result as T;
  } finally {
    stop.abort();
  }
}
