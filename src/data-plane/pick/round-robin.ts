/** Each available backend in turn, whatever its weight. Pure. */
import type { Balancer, BalancerKind, BalancerOptions, Candidates } from "./balancer.ts";
import { Turn } from "./turn.ts";

export class RoundRobin implements Balancer {
  readonly #turn: Turn;

  constructor(options: BalancerOptions) {
    this.#turn = new Turn(options);
  }

  reset({ names }: Candidates): void {
    this.#turn.reset(names);
  }

  pick({ names, weights }: Candidates): number {
    const start = this.#turn.row;
    let row = firstAvailable(weights, start, names.length);
    if (row === -1) row = firstAvailable(weights, 0, start);
    if (row !== -1) this.#turn.pass(row);
    return row;
  }
}

function firstAvailable(weights: Float64Array, from: number, to: number): number {
  for (let row = from; row < to; row++) if ((weights[row] as number) > 0) return row;
  return -1;
}

export const roundRobin: BalancerKind = {
  needsKey: false,
  needsLatency: false,
  create: (options) => new RoundRobin(options),
};
