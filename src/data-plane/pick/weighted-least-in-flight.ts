/** The backend with the least in flight for its weight; in turn where several have as little. Pure. */
import type { BalancerKind, Candidates } from "./balancer.ts";
import { LeastLoaded } from "./least-loaded.ts";

class WeightedLeastInFlight extends LeastLoaded {
  pick(candidates: Candidates): number {
    const start = this.turn.row;
    const best = leastOf(candidates, start, candidates.names.length, -1);
    return this.take(leastOf(candidates, 0, start, best));
  }
}

/** @param best of the rows that were looked at before, which wins when none has less; -1: none. */
function leastOf({ weights, inFlight }: Candidates, from: number, to: number, best: number): number {
  let found = best;
  // 1 over a weight of 0 is more than any load
  let least = best === -1 ? 1 : (inFlight[best] as number);
  let leastWeight = best === -1 ? 0 : (weights[best] as number);
  for (let row = from; row < to && least > 0; row++) {
    const weight = weights[row] as number;
    const running = inFlight[row] as number;
    // running / weight < least / leastWeight, without the division; never true for a weight of 0
    if (running * leastWeight < least * weight) {
      found = row;
      least = running;
      leastWeight = weight;
    }
  }
  return found;
}

export const weightedLeastInFlight: BalancerKind = {
  needsKey: false,
  needsLatency: false,
  create: (options) => new WeightedLeastInFlight(options),
};
