/**
 * Candidates: a pool as a balancer sees it, and what a pool knows of its balancer. Interfaces only.
 *
 * A balancer only chooses: whether a backend is available, and how much of its weight counts now, is judged by the
 * pool and written into the columns that the balancer reads.
 */
import type { Fields } from "../../wire/fields.ts";

/** What a balancer sees of a pool: one row for each backend, in columns; the same row is the same backend. */
export interface Candidates {
  /** Change with the membership alone, and `reset` is told then. */
  readonly names: readonly string[];
  /** As the operator gave them. */
  readonly configuredWeights: Float64Array;
  /** What counts now, at most what is configured; 0: takes nothing now, for whatever reason. */
  readonly weights: Float64Array;
  /** Requests and tunnels that run on it, as far as this worker knows. */
  readonly inFlight: Float64Array;
  /** How long it takes to begin an answer, ms, newer ones counting more (EWMA); 0: not known yet. */
  readonly latencyMs: Float64Array;
}

export interface Balancer {
  /** Before the first pick, and whenever rows came, went or changed their configured weight. */
  reset(candidates: Candidates): void;
  /**
   * @param keyHash of what the request goes by, from 0 to 2^31 - 1: a number of 32 bits would be allocated for every
   *   other call. 0 for balancers that need none.
   * @returns a row whose weight is not 0; -1: there is none. Allocates nothing.
   */
  pick(candidates: Candidates, keyHash: number): number;
}

/**
 * The hash of what a request goes by.
 *
 * @param target path and query, or `*`. @param clientAddress who the client is, behind trusted proxies.
 */
export type KeyHash = (fields: Fields, target: string, clientAddress: string) => number;
