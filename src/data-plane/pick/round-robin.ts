/**
 * Each available backend in turn, whatever its configured weight. Pure.
 *
 * One of which only a part counts now (degraded, or just back) lets so much of its turns pass.
 */
import type { Balancer, BalancerKind, BalancerOptions, Candidates } from "./balancer.ts";
import { Turn } from "./turn.ts";

export class RoundRobin implements Balancer {
  readonly #turn: Turn;
  /** Column: how much of a turn each row has saved up; only of those that let turns pass. */
  #saved = new Float64Array(0);

  constructor(options: BalancerOptions) {
    this.#turn = new Turn(options);
  }

  reset({ names }: Candidates): void {
    this.#turn.reset(names);
    this.#saved = new Float64Array(names.length);
  }

  pick(candidates: Candidates): number {
    const start = this.#turn.row;
    const rows = candidates.names.length;
    let row = this.#firstOf(candidates, start, rows);
    if (row === -1) row = this.#firstOf(candidates, 0, start);
    if (row === -1) row = this.#firstToSave(candidates);
    if (row !== -1) this.#turn.pass(row);
    return row;
  }

  #firstOf({ weights, configuredWeights }: Candidates, from: number, to: number): number {
    for (let row = from; row < to; row++) {
      const weight = weights[row] as number;
      if (
        weight > 0 &&
        (weight >= (configuredWeights[row] as number) || this.#saves(row, weight, configuredWeights))
      )
        return row;
    }
    return -1;
  }

  /** Its turn, of which only a part is its own. @returns whether that makes a whole one with what it saved. */
  #saves(row: number, weight: number, configuredWeights: Float64Array): boolean {
    const saved = (this.#saved[row] as number) + weight / (configuredWeights[row] as number);
    this.#saved[row] = saved >= 1 ? saved - 1 : saved;
    return saved >= 1;
  }

  /** All that are available let their turn pass: as many rounds pass as it takes. @returns -1: none is available. */
  #firstToSave({ weights, configuredWeights }: Candidates): number {
    let first = -1;
    let fewest = Number.POSITIVE_INFINITY;
    for (let row = 0; row < weights.length; row++) {
      const part = (weights[row] as number) / (configuredWeights[row] as number);
      const rounds = part > 0 ? (1 - (this.#saved[row] as number)) / part : Number.POSITIVE_INFINITY;
      if (rounds < fewest) {
        fewest = rounds;
        first = row;
      }
    }
    if (first === -1) return -1;
    for (let row = 0; row < weights.length; row++) {
      const weight = weights[row] as number;
      if (weight > 0)
        this.#saved[row] =
          (this.#saved[row] as number) + (fewest * weight) / (configuredWeights[row] as number);
    }
    this.#saved[first] = 0;
    return first;
  }
}

export const roundRobin: BalancerKind = {
  needsKey: false,
  needsLatency: false,
  create: (options) => new RoundRobin(options),
};
