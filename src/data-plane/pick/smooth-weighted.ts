/**
 * In proportion to the weights, evenly spread: 5, 1, 1 gives A A B A C A A. nginx's smooth weighted round-robin. Pure.
 *
 * Each pick gives every available row its weight, takes the row that has most, and takes the sum of the weights from
 * it. What a row has is so what it is owed. With every change of that sum it is brought to the new scale: a row that
 * is owed half a pick stays owed half a pick, where the plain numbers could be worth hundreds under smaller weights.
 */
import type { Balancer, BalancerKind, BalancerOptions, Candidates } from "./balancer.ts";

/** Workers begin at different places of the cycle; of a longer one, within so many picks. */
const MOST_PICKS_AHEAD = 1_024;

class SmoothWeighted implements Balancer {
  /** Column: what each row is owed. */
  #owed = new Float64Array(0);
  #names: readonly string[] = [];
  /** The sum of the weights at the last pick: the scale of `#owed`. */
  #total = 0;
  readonly #offset: number;

  constructor({ worker, workers }: BalancerOptions) {
    this.#offset = worker / workers;
  }

  reset(candidates: Candidates): void {
    const before = new Map(this.#names.map((name, row) => [name, this.#owed[row] as number]));
    const { names, configuredWeights } = candidates;
    this.#owed = Float64Array.from(names, (name) => before.get(name) ?? 0);
    this.#names = [...names];
    if (names.some((name) => before.has(name))) return;
    const ahead = Math.floor(Math.min(cycleOf(configuredWeights), MOST_PICKS_AHEAD) * this.#offset);
    for (let i = 0; i < ahead; i++) this.pick({ ...candidates, weights: configuredWeights });
  }

  pick(candidates: Candidates): number {
    const { names, weights } = candidates;
    const owed = this.#owed;
    const rows = names.length;
    let total = 0;
    let best = -1;
    let most = Number.NEGATIVE_INFINITY;
    for (let row = 0; row < rows; row++) {
      const weight = weights[row] as number;
      if (weight > 0) {
        total += weight;
        const now = (owed[row] as number) + weight;
        owed[row] = now;
        if (now > most) {
          most = now;
          best = row;
        }
      }
    }
    if (best === -1) return -1;
    if (total !== this.#total) {
      this.#rescale(weights, total);
      return this.pick(candidates); // the sum is the same now
    }
    owed[best] = most - total;
    return best;
  }

  /** Takes back what was given for this pick. */
  #rescale(weights: Float64Array, total: number): void {
    const factor = this.#total === 0 ? 1 : total / this.#total;
    for (let row = 0; row < this.#owed.length; row++) {
      this.#owed[row] = ((this.#owed[row] as number) - (weights[row] as number)) * factor;
    }
    this.#total = total;
  }
}

/** After so many picks all begins anew: the sum of whole weights without a common divisor. */
function cycleOf(weights: Float64Array): number {
  if (!weights.every(Number.isInteger)) return weights.length;
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return sum === 0 ? 0 : sum / weights.reduce(greatestDivisor, 0);
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

export const smoothWeighted: BalancerKind = {
  needsKey: false,
  needsLatency: false,
  create: (options) => new SmoothWeighted(options),
};
