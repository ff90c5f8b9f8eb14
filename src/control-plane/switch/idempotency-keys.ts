/**
 * Idempotency keys: the same key and the same body are one call, however often it is sent.
 *
 * Runs in the primary; waits for nothing. Keeps the hash of a key, never the key; at most 1,000, for 24 h after the
 * answer. Parallel calls wait for the one that runs. A call that was refused does not spend its key.
 */
import type { Clock } from "../../core/clock.ts";
import { sha256 } from "./canonical-json.ts";
import type { SwitchAnswer } from "./switch-answer.ts";

export const KEY_LIFE_MS = 24 * 60 * 60 * 1_000;
const MAX_KEYS = 1_000;
/** Each is a connection of a client that repeats itself. */
const MAX_WAITING = 100;

interface Spent {
  readonly bodyDigest: string;
  /** null while the call runs. */
  answer: SwitchAnswer | null;
  /** Infinity while the call runs. */
  expiresAtMs: number;
  /** Calls that came meanwhile. */
  waiting: number[];
}

/** What becomes of a call with a key. */
export type KeyVerdict =
  /** The first: it runs, and `settle` ends it. */
  | { readonly kind: "first" }
  /** It is answered together with the first. */
  | { readonly kind: "waits" }
  | { readonly kind: "answered"; readonly answer: SwitchAnswer }
  /** Too many wait already. */
  | { readonly kind: "crowded" }
  /** The key belongs to another body. */
  | { readonly kind: "reused" };

export class IdempotencyKeys {
  readonly #clock: Clock;
  readonly #spent = new Map<string, Spent>(); // by the hash of the key, oldest first
  readonly #running = new Map<number, string>(); // by call, the hash of its key

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(call: number, key: string, bodyDigest: string): KeyVerdict {
    const hash = keyDigest(key);
    const before = this.#find(hash);
    if (before === undefined) {
      this.#running.set(call, hash);
      this.#keep(hash, { bodyDigest, answer: null, expiresAtMs: Number.POSITIVE_INFINITY, waiting: [] });
      return { kind: "first" };
    }
    if (before.bodyDigest !== bodyDigest) return { kind: "reused" };
    if (before.answer !== null) return { kind: "answered", answer: before.answer };
    if (before.waiting.length >= MAX_WAITING) return { kind: "crowded" };
    before.waiting.push(call);
    return { kind: "waits" };
  }

  /**
   * A call has ended.
   *
   * @param answer null: it was refused.
   * @returns the calls that waited for it; none for a call without a key.
   */
  settle(call: number, answer: SwitchAnswer | null): readonly number[] {
    const hash = this.#running.get(call);
    const spent = hash === undefined ? undefined : this.#spent.get(hash);
    if (hash === undefined || spent === undefined) return [];
    this.#running.delete(call);
    const { waiting } = spent;
    spent.waiting = [];
    spent.answer = answer;
    spent.expiresAtMs = this.#clock.nowMs() + KEY_LIFE_MS;
    if (answer === null) this.#spent.delete(hash);
    return waiting;
  }

  /** A call of an earlier life of this daemon. */
  remember(hash: string, spent: { bodyDigest: string; answer: SwitchAnswer; ageMs: number }): void {
    const { bodyDigest, answer, ageMs } = spent;
    const expiresAtMs = this.#clock.nowMs() + KEY_LIFE_MS - ageMs;
    this.#keep(hash, { bodyDigest, answer, expiresAtMs, waiting: [] });
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
    const answered = [...this.#spent].filter(([, { answer }]) => answer !== null);
    // Whoever asks every minute for what is so already shall not make a switch forgotten.
    const [oldest] = answered.find(([, { answer }]) => answer?.changed === false) ?? answered[0] ?? [];
    if (oldest !== undefined) this.#spent.delete(oldest);
  }
}

/** What the history keeps of a key. */
export function keyDigest(key: string): string {
  return sha256(key);
}
