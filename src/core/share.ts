/** A limit over all workers, shared out to each of them. */

/** This worker's place among those that share. */
export interface Share {
  readonly index: number;
  readonly workers: number;
}

/** @returns `total` shared out over the workers, the remainder to the first ones; at least 1 each. */
export function shareOf(total: number, { index, workers }: Share): number {
  return Math.max(1, Math.floor(total / workers) + (index < total % workers ? 1 : 0));
}

/** 0 stays 0: it switches something off. */
export function shareOrNone(total: number, share: Share): number {
  return total === 0 ? 0 : shareOf(total, share);
}

/**
 * For what comes to the workers in parts that are not equal, such as connections and their requests: up to twice an
 * even part, so that nothing is refused while others have room; in sum it can be passed by as much.
 */
export function looseShareOf(total: number, share: Share): number {
  return total === 0 ? 0 : Math.min(total, 2 * shareOf(total, share));
}
