/**
 * The backend on which the least runs, whatever its configured weight; in turn where several have the least. Pure.
 *
 * On one of which only a part counts now (degraded, or just back) each request counts for more.
 */
import type { BalancerKind, Candidates } from "./balancer.ts";
import { LeastLoaded } from "./least-loaded.ts";

class LeastInFlight extends LeastLoaded {
  pick(candidates: Candidates): number {
    const start = this.turn.row;
    const best = leastOf(candidates, start, candidates.names.length, -1);
    return this.take(leastOf(candidates, 0, start, best));
  }
}

/** @param best of the rows that were looked at before, which wins when none has less; -1: none. */
function leastOf(candidates: Candidates, from: number, to: number, best: number): number {
  const { weights, inFlight } = candidates;
  let found = best;
  let least = best === -1 ? Number.POSITIVE_INFINITY : (inFlight[best] as number) * burden(candidates, best);
  for (let row = from; row < to && least > 0; row++) {
    const running = inFlight[row] as number;
    if (running < least && (weights[row] as number) > 0) {
      const load = running === 0 ? 0 : running * burden(candidates, row);
      if (load < least) {
        least = load;
        found = row;
      }
    }
  }
  return found;
}

/** How much a request counts there: 1 where the whole weight does. */
function burden({ weights, configuredWeights }: Candidates, row: number): number {
  return Math.max(1, (configuredWeights[row] as number) / (weights[row] as number));
}

export const leastInFlight: BalancerKind = {
  needsKey: false,
  needsLatency: false,
  create: (options) => new LeastInFlight(options),
};
