/** The backend on which the least runs, whatever its weight; in turn where several have the least. Pure. */
import type { Balancer, BalancerKind, BalancerOptions, Candidates } from "./balancer.ts";
import { Turn } from "./turn.ts";

class LeastInFlight implements Balancer {
  readonly #turn: Turn;

  constructor(options: BalancerOptions) {
    this.#turn = new Turn(options);
  }

  reset({ names }: Candidates): void {
    this.#turn.reset(names);
  }

  pick(candidates: Candidates): number {
    const start = this.#turn.row;
    let best = leastOf(candidates, start, candidates.names.length, -1);
    best = leastOf(candidates, 0, start, best);
    if (best !== -1) this.#turn.pass(best);
    return best;
  }
}

/** @param best of the rows that were looked at before, which wins when none has less; -1: none. */
function leastOf({ weights, inFlight }: Candidates, from: number, to: number, best: number): number {
  let found = best;
  let least = best === -1 ? Number.POSITIVE_INFINITY : (inFlight[best] as number);
  for (let row = from; row < to && least > 0; row++) {
    const running = inFlight[row] as number;
    if (running < least && (weights[row] as number) > 0) {
      least = running;
      found = row;
    }
  }
  return found;
}

export const leastInFlight: BalancerKind = {
  needsKey: false,
  needsLatency: false,
  create: (options) => new LeastInFlight(options),
};
