/** Round robin: each available backend in turn. Weights count only as 0 or not 0. */
import type { Balancer, BalancerOptions, Candidates } from "./balancer.ts";

export class RoundRobin implements Balancer {
  readonly #options: BalancerOptions;
  #next = 0;

  constructor(options: BalancerOptions) {
    this.#options = options;
  }

  reset({ names }: Candidates): void {
    const { worker, workers } = this.#options;
    this.#next = Math.floor((names.length * worker) / workers);
  }

  pick({ weights }: Candidates): number {
    for (let tried = 0; tried < weights.length; tried++) {
      const row = this.#next < weights.length ? this.#next : 0;
      this.#next = row + 1;
      if ((weights[row] ?? 0) > 0) return row;
    }
    return -1;
  }
}
