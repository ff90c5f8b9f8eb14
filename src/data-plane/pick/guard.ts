/**
 * Guard: a balancer that the operator wrote, whose mistakes cost no request. Built-in ones go without.
 *
 * What it throws, and a row that does not exist or takes nothing now, is answered in its place by round-robin, for
 * this pick alone. It is said once: a mistake at each request would fill the log.
 */
import type { Balancer, BalancerKind, BalancerOptions, Candidates } from "./balancer.ts";
import { roundRobin } from "./round-robin.ts";

/** @param what the balancer did wrong, for people. @param cause what it threw. */
export type TellFault = (what: string, cause?: unknown) => void;

/** @param tell called once for each balancer made of it; must not throw. */
export function guarded(kind: BalancerKind, tell: TellFault): BalancerKind {
  return {
    needsKey: kind.needsKey,
    needsLatency: kind.needsLatency,
    create: (options) => new Guarded(kind.create(options), options, tell),
  };
}

class Guarded implements Balancer {
  readonly #balancer: Balancer;
  readonly #spare: Balancer;
  readonly #tell: TellFault;
  #isTold = false;
  /** Its reset went wrong: it may know rows that are gone, and is not asked until the next one. */
  #isLost = false;

  constructor(balancer: Balancer, options: BalancerOptions, tell: TellFault) {
    this.#balancer = balancer;
    this.#spare = roundRobin.create(options);
    this.#tell = tell;
  }

  reset(candidates: Candidates): void {
    this.#spare.reset(candidates);
    try {
      this.#balancer.reset(candidates);
      this.#isLost = false;
    } catch (cause) {
      this.#isLost = true;
      this.#fault("reset threw", cause);
    }
  }

  pick(candidates: Candidates, keyHash: number): number {
    if (this.#isLost) return this.#spare.pick(candidates, 0);
    let row = -1;
    try {
      row = this.#balancer.pick(candidates, keyHash);
    } catch (cause) {
      this.#fault("pick threw", cause);
      return this.#spare.pick(candidates, 0);
    }
    if (Number.isInteger(row) && row < candidates.names.length && (candidates.weights[row] ?? 0) > 0)
      return row;
    dropPromise(row);
    const spare = this.#spare.pick(candidates, 0);
    if (spare !== -1) this.#fault(`pick gave ${describe(row)}, which is no row whose weight is above 0`);
    return spare;
  }

  #fault(what: string, cause?: unknown): void {
    if (this.#isTold) return;
    this.#isTold = true;
    this.#tell(what, cause);
  }
}

/** Of an `async pick`: one that rejects and that nobody looks at would end the worker. */
function dropPromise(row: unknown): void {
  if (row instanceof Promise) row.catch(() => {});
}

/** What should be a number and may be anything. */
function describe(row: unknown): string {
  return typeof row === "number" ? String(row) : `a ${typeof row}`;
}
