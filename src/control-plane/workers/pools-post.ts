/**
 * PoolsPost: tells one worker who the backends are, and no faster than it reads.
 *
 * A worker that hangs (a balancer's endless loop, SIGSTOP) stays until the next switch. What it is sent meanwhile is
 * kept by the system and then by this process, and a message about thousands of backends is large.
 */
import type { PoolsSnapshot } from "../../config/snapshot.ts";

/** A worker that lives has never so many before it. */
const MOST_UNREAD = 8;

export class PoolsPost {
  readonly #write: (pools: PoolsSnapshot) => Promise<void>;
  #unread = 0;
  /** The newest one, when there are too many before it. */
  #waiting: PoolsSnapshot | null = null;

  /** @param write resolves when it is on its way, or never will be. */
  constructor(write: (pools: PoolsSnapshot) => Promise<void>) {
    this.#write = write;
  }

  /** At once, or what is the newest then as soon as the worker reads again. */
  tell(pools: PoolsSnapshot): void {
    if (this.#unread >= MOST_UNREAD) {
      this.#waiting = pools;
      return;
    }
    this.#unread++;
    void this.#write(pools).then(() => this.#onWritten());
  }

  #onWritten(): void {
    this.#unread--;
    const next = this.#waiting;
    this.#waiting = null;
    if (next !== null) this.tell(next);
  }
}
