/** Numbers by chance from a seed (mulberry32): for spreading load, not for secrets. Allocates nothing. */
import type { BalancerOptions } from "./balancer.ts";
import { GOLDEN, mix } from "./hash.ts";

const STEP = 0x6d2b79f5;
/** Numbers go up to here: what is larger does not stay a small integer in V8 and is allocated. */
const RANGE = 2 ** 31;

export class RandomSource {
  #state: number;

  /** Workers with one seed do not walk in step. */
  constructor({ seed, worker }: BalancerOptions) {
    this.#state = mix((seed | 0) ^ mix(Math.imul(worker, GOLDEN)));
  }

  /** A whole number from 0 up to, not including, `limit`, which is at most 2^21 (each is as likely then). */
  below(limit: number): number {
    return Math.floor(this.share() * limit);
  }

  /** From 0 up to, not including, 1. */
  share(): number {
    this.#state = (this.#state + STEP) | 0;
    let word = this.#state;
    word = Math.imul(word ^ (word >>> 15), word | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 1) / RANGE;
  }
}
