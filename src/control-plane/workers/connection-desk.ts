/**
 * Connection desk: counts the connections of all workers together, when their limits are kept exactly.
 *
 * Runs in the primary. Knows which worker holds what, so that a worker that died holds nothing.
 */
import { ConnectionCount, type ConnectionLimit } from "../../core/connection-count.ts";

export class ConnectionDesk {
  readonly #count: ConnectionCount;
  readonly #heldBy = new Map<number, Map<string, number>>();

  constructor(limits: { total: number; perClient: number }) {
    this.#count = new ConnectionCount(limits);
  }

  /** @returns the limit that is in the way; null: it is counted now, as the worker's. */
  enter(pid: number, address: string): ConnectionLimit | null {
    const limit = this.#count.enter(address);
    if (limit !== null) return limit;
    const held = this.#heldBy.get(pid) ?? new Map<string, number>();
    this.#heldBy.set(pid, held);
    held.set(address, (held.get(address) ?? 0) + 1);
    return null;
  }

  leave(pid: number, address: string): void {
    const held = this.#heldBy.get(pid);
    const count = held?.get(address);
    if (held === undefined || count === undefined) return; // its worker was given up meanwhile
    this.#count.leave(address);
    if (count === 1) held.delete(address);
    else held.set(address, count - 1);
  }

  /** The worker is gone, and its connections with it. */
  forget(pid: number): void {
    for (const [address, count] of this.#heldBy.get(pid) ?? []) {
      for (let i = 0; i < count; i++) this.#count.leave(address);
    }
    this.#heldBy.delete(pid);
  }
}
