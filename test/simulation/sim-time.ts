/**
 * Time of a simulation: a clock by hand, and timers that fire when the scheduler says so, never early.
 */
import { ManualClock } from "../support/manual-clock.ts";

interface Timer {
  readonly owner: object;
  readonly dueMs: number;
  readonly run: () => void;
}

export class SimTime {
  readonly clock = new ManualClock();
  #timers: Timer[] = [];

  /** @param owner whose timer it is: a process. @returns calls it off. */
  after(owner: object, ms: number, run: () => void): () => void {
    const timer = { owner, dueMs: this.clock.nowMs() + ms, run };
    this.#timers.push(timer);
    return () => this.#drop((each) => each === timer);
  }

  /** A process has ended. */
  forget(owner: object): void {
    this.#drop((each) => each.owner === owner);
  }

  /** Timers whose time has come, of processes that run. */
  due(isRunning: (owner: object) => boolean): readonly (() => void)[] {
    const nowMs = this.clock.nowMs();
    return this.#timers
      .filter(({ dueMs, owner }) => dueMs <= nowMs && isRunning(owner))
      .map((timer) => () => {
        this.#drop((each) => each === timer);
        timer.run();
      });
  }

  /** Until the next timer of a process that runs; null when there is none. */
  untilNextMs(isRunning: (owner: object) => boolean): number | null {
    const due = this.#timers.filter(({ owner }) => isRunning(owner)).map(({ dueMs }) => dueMs);
    return due.length === 0 ? null : Math.max(0, Math.min(...due) - this.clock.nowMs());
  }

  #drop(isGone: (timer: Timer) => boolean): void {
    this.#timers = this.#timers.filter((timer) => !isGone(timer));
  }
}
