/**
 * Least loaded: what least-in-flight.ts and weighted-least-in-flight.ts have in common, all but what the least is. Pure.
 */
import type { Balancer, BalancerOptions, Candidates } from "./balancer.ts";
import { Turn } from "./turn.ts";

/**
 * Rows that have as little take turns.
 *
 * The search is called in each class itself: one call for both, going now here, now there, cost 10 ns a pick.
 */
export abstract class LeastLoaded implements Balancer {
  protected readonly turn: Turn;

  constructor(options: BalancerOptions) {
    this.turn = new Turn(options);
  }

  reset({ names }: Candidates): void {
    this.turn.reset(names);
  }

  abstract pick(candidates: Candidates): number;

  /** @param best the row that is picked; -1: none, and nobody's turn is over. */
  protected take(best: number): number {
    if (best !== -1) this.turn.pass(best);
    return best;
  }
}
