/**
 * Acks: which of the workers that were told something have said that they did it.
 *
 * Pure. A worker that is gone has nothing left to do: it counts as settled, but not as one that did it.
 */
/** A timer of a process that runs is some ms late, not more. */
const STOOD_STILL_MS = 1_000;

export interface Ack {
  readonly worker: number;
  readonly pid: number;
  readonly isDone: boolean;
  readonly atMs: number;
}

export class Acks {
  #deadlineMs: number;
  readonly #limitMs: number;
  #isExtended = false;
  readonly #waiting: Map<number, number>;
  readonly #settled: Ack[] = [];

  /** @param workers by process id, the number of its slot. */
  constructor(
    workers: ReadonlyMap<number, { readonly worker: number }>,
    { nowMs, limitMs }: { nowMs: number; limitMs: number },
  ) {
    this.#deadlineMs = nowMs + limitMs;
    this.#limitMs = limitMs;
    this.#waiting = new Map([...workers].map(([pid, { worker }]) => [pid, worker]));
  }

  /** It has done it, or it is gone. Whoever was not asked, or has settled, changes nothing. */
  settle(pid: number, isDone: boolean, atMs: number): void {
    const worker = this.#waiting.get(pid);
    if (worker === undefined) return;
    this.#waiting.delete(pid);
    this.#settled.push({ worker, pid, isDone, atMs });
  }

  get isComplete(): boolean {
    return this.#waiting.size === 0;
  }

  /** Who has neither done it nor gone, by process id the slot. */
  get silent(): ReadonlyMap<number, number> {
    return this.#waiting;
  }

  /** When `takeOverdue` may have something to say. */
  get wakeAtMs(): number {
    return this.#deadlineMs;
  }

  /**
   * True once: the deadline has passed and somebody is silent. Looked at much too late, this process has stood still,
   * and with a frozen machine so have the workers: once they get their time again.
   */
  takeOverdue(nowMs: number): boolean {
    if (this.isComplete || nowMs < this.#deadlineMs) return false;
    if (nowMs - this.#deadlineMs > STOOD_STILL_MS && !this.#isExtended) {
      this.#isExtended = true;
      this.#deadlineMs = nowMs + this.#limitMs;
      return false;
    }
    this.#deadlineMs = Number.POSITIVE_INFINITY;
    return true;
  }

  /** By slot. */
  get settled(): readonly Ack[] {
    return this.#settled.toSorted((a, b) => a.worker - b.worker);
  }
}
