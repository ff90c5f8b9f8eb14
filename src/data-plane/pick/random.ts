/**
 * By chance, in proportion to the weights. Pure.
 *
 * A row is guessed and kept with the chance weight / heaviest, which gives the proportions without a look at the
 * others; where most guesses fail (few are available, one is far heavier), the weights are summed up.
 */
import type { Balancer, BalancerKind, BalancerOptions, Candidates } from "./balancer.ts";
import { RandomSource } from "./random-source.ts";

const GUESSES = 8;

class WeightedRandom implements Balancer {
  readonly #random: RandomSource;
  #heaviest = 0;

  constructor(options: BalancerOptions) {
    this.#random = new RandomSource(options);
  }

  reset({ configuredWeights }: Candidates): void {
    this.#heaviest = configuredWeights.reduce((most, weight) => Math.max(most, weight), 0);
  }

  pick({ names, weights }: Candidates): number {
    const rows = names.length;
    if (rows === 0) return -1;
    for (let guess = 0; guess < GUESSES; guess++) {
      const row = this.#random.below(rows);
      if (this.#random.share() * this.#heaviest < (weights[row] as number)) return row;
    }
    let total = 0;
    for (let row = 0; row < rows; row++) {
      if ((weights[row] as number) > 0) total += weights[row] as number; // most are 0 here
    }
    let left = this.#random.share() * total;
    let last = -1; // rounding may leave a rest behind the last one
    for (let row = 0; row < rows; row++) {
      const weight = weights[row] as number;
      if (weight > 0) {
        last = row;
        left -= weight;
        if (left < 0) return row;
      }
    }
    return last;
  }
}

export const random: BalancerKind = {
  needsKey: false,
  needsLatency: false,
  create: (options) => new WeightedRandom(options),
};
