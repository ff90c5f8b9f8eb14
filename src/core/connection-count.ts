/**
 * Connection count: how many connections clients have, in all and each, held against the limits.
 *
 * Pure. Kept by each worker for its share of the limits, or by the primary for all of them.
 */

/** The limits that a client's connection can be one too many for. */
export const CONNECTION_LIMITS = ["max_connections", "max_connections_per_client"] as const;
export type ConnectionLimit = (typeof CONNECTION_LIMITS)[number];

export class ConnectionCount {
  readonly #limits: { readonly total: number; readonly perClient: number };
  readonly #byClient = new Map<string, number>(); // no entry is 0: it grows no further than the connections
  #total = 0;

  /** @param limits Infinity: none. */
  constructor(limits: { total: number; perClient: number }) {
    this.#limits = limits;
  }

  get total(): number {
    return this.#total;
  }

  /** @returns the limit that one more connection of this client would pass; null: it is counted now. */
  enter(address: string): ConnectionLimit | null {
    if (this.#total >= this.#limits.total) return "max_connections";
    if (this.#limits.perClient !== Number.POSITIVE_INFINITY) {
      const count = this.#byClient.get(address) ?? 0;
      if (count >= this.#limits.perClient) return "max_connections_per_client";
      this.#byClient.set(address, count + 1);
    }
    this.#total++;
    return null;
  }

  leave(address: string): void {
    this.#total--;
    const count = this.#byClient.get(address);
    if (count === undefined) return;
    if (count === 1) this.#byClient.delete(address);
    else this.#byClient.set(address, count - 1);
  }
}

/**
 * Whether the limits are kept exactly, over all workers together: each connection is then asked for at the primary. A
 * large limit alone is shared out instead (looseShareOf): asking costs more than its exactness is worth.
 */
export function isCountedTogether(
  { maxConnections, maxConnectionsPerClient }: { maxConnections: number; maxConnectionsPerClient: number },
  workers: number,
): boolean {
  if (workers === 1) return false;
  return maxConnectionsPerClient !== Number.POSITIVE_INFINITY || maxConnections < LARGE_LIMIT;
}

const LARGE_LIMIT = 5_000;
