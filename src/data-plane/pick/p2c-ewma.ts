/**
 * Of two backends by chance the one that would answer sooner: latency × (in flight + 1) / weight. Pure.
 *
 * Two are enough: the worst is avoided, and no herd runs to the one that is best at the moment. Where one of the
 * two has no latency yet, load alone decides: it gets its part, not all. Now and then the costs are not looked at:
 * a backend that was slow once would else never be asked again, and nobody would learn that it is fast.
 */
import type { Balancer, BalancerKind, BalancerOptions, Candidates } from "./balancer.ts";
import { RandomSource } from "./random-source.ts";

/** One pick of so many goes by chance alone. With 2 backends the worse one gets 0.4 %: the others' p99 is not its. */
const BLIND_ONE_IN = 128;
/** So often a row is guessed before the available ones are counted. */
const GUESSES = 4;

class P2cEwma implements Balancer {
  readonly #random: RandomSource;

  constructor(options: BalancerOptions) {
    this.#random = new RandomSource(options);
  }

  reset(): void {}

  pick(candidates: Candidates): number {
    const { names, weights } = candidates;
    const rows = names.length;
    let first = this.#guess(weights, rows, rows);
    let second = first === -1 ? -1 : this.#guess(weights, rows - 1, first);
    if (second === -1) {
      let count = 0;
      let last = -1;
      for (let row = 0; row < rows; row++) {
        if ((weights[row] as number) > 0) {
          count++;
          last = row;
        }
      }
      if (count < 2) return last;
      const place = this.#random.below(count);
      const other = this.#random.below(count - 1);
      first = nthAvailable(weights, rows, place);
      second = nthAvailable(weights, rows, other >= place ? other + 1 : other);
    }
    if (this.#random.below(BLIND_ONE_IN) === 0) return first;
    return isCheaper(candidates, second, first) ? second : first;
  }

  /** An available row by chance, each as likely, but not `except`; -1: none was hit. @param others rows but that one. */
  #guess(weights: Float64Array, others: number, except: number): number {
    if (others === 0) return -1;
    for (let guess = 0; guess < GUESSES; guess++) {
      const drawn = this.#random.below(others);
      const row = drawn >= except ? drawn + 1 : drawn;
      if ((weights[row] as number) > 0) return row;
    }
    return -1;
  }
}

function isCheaper({ weights, inFlight, latencyMs }: Candidates, row: number, than: number): boolean {
  const rowMs = latencyMs[row] || latencyMs[than] || 1;
  const thanMs = latencyMs[than] || rowMs;
  const rowCost = rowMs * ((inFlight[row] as number) + 1) * (weights[than] as number);
  return rowCost < thanMs * ((inFlight[than] as number) + 1) * (weights[row] as number);
}

/** @param place among the available rows, from 0. */
function nthAvailable(weights: Float64Array, rows: number, place: number): number {
  let left = place;
  for (let row = 0; row < rows; row++) if ((weights[row] as number) > 0 && left-- === 0) return row;
  return -1;
}

export const p2cEwma: BalancerKind = {
  needsKey: false,
  needsLatency: true,
  create: (options) => new P2cEwma(options),
};
