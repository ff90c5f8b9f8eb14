/**
 * Idempotency keys: the same key and the same body are one call, however often it is sent.
 *
 * Runs in the primary. Keeps the hash of a key, never the key; at most 1,000, for 24 h after the answer. Parallel
 * calls wait for the one that runs. A call that was refused does not spend its key.
 */
import type { Clock } from "../../core/clock.ts";
import { sha256 } from "./canonical-json.ts";
import type { SwitchAnswer } from "./switch-answer.ts";
import { SwitchRefusal } from "./switch-refusal.ts";

export const KEY_LIFE_MS = 24 * 60 * 60 * 1_000;
const MAX_KEYS = 1_000;

interface Spent {
  readonly bodyDigest: string;
  readonly answer: Promise<SwitchAnswer>;
  /** Infinity while the call runs. */
  expiresAtMs: number;
}

export class IdempotencyKeys {
  readonly #clock: Clock;
  readonly #spent = new Map<string, Spent>(); // by the hash of the key, oldest first

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Runs the call, or gives the answer of the same call before.
   *
   * @throws SwitchRefusal IDEMPOTENCY_KEY_REUSED when the key belongs to another body; what `run` throws.
   */
  async once(
    key: string | null,
    bodyDigest: string,
    run: () => Promise<SwitchAnswer>,
  ): Promise<SwitchAnswer> {
    if (key === null) return run();
    const hash = keyDigest(key);
    const before = this.#find(hash);
    if (before === undefined) return this.#runFirst(hash, bodyDigest, run);
    if (before.bodyDigest !== bodyDigest) {
      throw new SwitchRefusal(
        "IDEMPOTENCY_KEY_REUSED",
        "this Idempotency-Key was used with another body; a new call needs a new key",
      );
    }
    return before.answer;
  }

  /** A call of an earlier life of this daemon. */
  remember(hash: string, spent: { bodyDigest: string; answer: SwitchAnswer; ageMs: number }): void {
    this.#keep(hash, {
      bodyDigest: spent.bodyDigest,
      answer: Promise.resolve(spent.answer),
      expiresAtMs: this.#clock.nowMs() + KEY_LIFE_MS - spent.ageMs,
    });
  }

  async #runFirst(hash: string, bodyDigest: string, run: () => Promise<SwitchAnswer>): Promise<SwitchAnswer> {
    const spent: Spent = { bodyDigest, answer: run(), expiresAtMs: Number.POSITIVE_INFINITY };
    this.#keep(hash, spent);
    try {
      const answer = await spent.answer;
      spent.expiresAtMs = this.#clock.nowMs() + KEY_LIFE_MS;
      return answer;
    } catch (error) {
      if (this.#spent.get(hash) === spent) this.#spent.delete(hash);
      throw error;
    }
  }

  #find(hash: string): Spent | undefined {
    const spent = this.#spent.get(hash);
    if (spent === undefined || spent.expiresAtMs > this.#clock.nowMs()) return spent;
    this.#spent.delete(hash);
    return undefined;
  }

  #keep(hash: string, spent: Spent): void {
    this.#spent.delete(hash); // so that it becomes the newest
    this.#spent.set(hash, spent);
    if (this.#spent.size <= MAX_KEYS) return;
    for (const [oldest, { expiresAtMs }] of this.#spent) {
      if (expiresAtMs === Number.POSITIVE_INFINITY) continue; // still runs
      this.#spent.delete(oldest);
      return;
    }
  }
}

/** What the history keeps of a key. */
export function keyDigest(key: string): string {
  return sha256(key);
}
