/**
 * Balancer: the algorithm that picks a backend of a pool, and how one is made. Interfaces only; what it reads, and its
 * two calls, stand in backend/candidates.ts.
 */
import type { Balancer } from "../backend/candidates.ts";

export type { Balancer, Candidates } from "../backend/candidates.ts";

export interface BalancerOptions {
  /** What is random comes from it alone: the same seed picks the same. */
  readonly seed: number;
  /** This worker's place, from 0, and how many there are: each starts elsewhere, so that the sum is even. */
  readonly worker: number;
  readonly workers: number;
}

/** How a balancer is made; what a module of the operator exports. */
export interface BalancerKind {
  /** Whether `pick` wants a key: it is hashed for each request then. */
  readonly needsKey: boolean;
  /** Whether it goes by `latencyMs`: answers are timed for it then. */
  readonly needsLatency: boolean;
  create(options: BalancerOptions): Balancer;
}
