/**
 * The same key to the same backend, while the load allows it: a hash ring with bounded loads. Pure.
 *
 * A backend that is not available, or that runs more than 1.25 times its fair share of what is in flight, is passed
 * over for the next one on the ring: keys come back to it as soon as it can take them.
 *
 * @see Mirrokni, Thorup, Zadimoghaddam: Consistent Hashing with Bounded Loads
 */
import type { Balancer, BalancerKind, Candidates } from "./balancer.ts";
import { HashRing } from "./hash-ring.ts";

const LOAD_BOUND = 1.25;
/** So many points are looked at; where hardly anybody is available, the rows themselves then. */
const MOST_STEPS = 64;

class ConsistentHash implements Balancer {
  #ring = new HashRing([], new Float64Array(0));
  /** How much may be in flight for each unit of weight. A column: as a result of a call it could be allocated. */
  readonly #bound = new Float64Array(1);

  /** A ring of 1,000 takes some 40 ms: one that stays as it is is not made again. */
  reset({ names, configuredWeights }: Candidates): void {
    if (!this.#ring.isOf(names, configuredWeights)) this.#ring = new HashRing(names, configuredWeights);
  }

  pick(candidates: Candidates, keyHash: number): number {
    const { weights, inFlight } = candidates;
    const { rows } = this.#ring;
    let isBoundKnown = false; // an idle backend needs none
    let at = this.#ring.find(keyHash);
    for (let left = Math.min(MOST_STEPS, rows.length); left > 0; left--) {
      const row = rows[at] as number;
      if ((weights[row] as number) > 0) {
        if (inFlight[row] === 0) return row;
        if (!isBoundKnown) this.#findBound(candidates);
        isBoundKnown = true;
        if (this.#isWithinBound(candidates, row)) return row;
      }
      at = at + 1 < rows.length ? at + 1 : 0;
    }
    if (!isBoundKnown) this.#findBound(candidates);
    return this.#anyWithinBound(candidates, keyHash);
  }

  /** This request included; what is not available does not count. */
  #findBound({ names, weights, inFlight }: Candidates): void {
    let weight = 0;
    let running = 1;
    for (let row = 0; row < names.length; row++) {
      const own = weights[row] as number;
      if (own > 0) {
        weight += own;
        running += inFlight[row] as number;
      }
    }
    this.#bound[0] = (LOAD_BOUND * running) / weight;
  }

  /** False for a weight of 0. */
  #isWithinBound({ weights, inFlight }: Candidates, row: number): boolean {
    return (inFlight[row] as number) < (this.#bound[0] as number) * (weights[row] as number);
  }

  /** The first row from one on that hangs on the key; there is one when any is available. */
  #anyWithinBound(candidates: Candidates, keyHash: number): number {
    const rows = candidates.names.length;
    let row = rows === 0 ? 0 : keyHash % rows;
    for (let left = rows; left > 0; left--) {
      if (this.#isWithinBound(candidates, row)) return row;
      row = row + 1 < rows ? row + 1 : 0;
    }
    return -1;
  }
}

export const consistentHash: BalancerKind = {
  needsKey: true,
  needsLatency: false,
  create: () => new ConsistentHash(),
};
