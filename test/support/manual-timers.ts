/** Timers of which none fires before a test says so. */
import type { Timers } from "../../src/core/timers.ts";

export class ManualTimers implements Timers {
  #nowMs = 0;
  readonly #pending = new Set<{ readonly dueMs: number; readonly run: () => void }>();
  #soon: (() => void)[] = [];

  /** Those that are not called off and have not fired. */
  get pending(): number {
    return this.#pending.size;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { dueMs: this.#nowMs + ms, run };
    this.#pending.add(timer);
    return () => void this.#pending.delete(timer);
  }

  soon(run: () => void): void {
    this.#soon.push(run);
  }

  /** Time passes; what is due fires. */
  pass(ms: number): void {
    this.#nowMs += ms;
    for (const timer of [...this.#pending]) {
      if (timer.dueMs > this.#nowMs || !this.#pending.delete(timer)) continue;
      timer.run();
    }
  }

  /** One round of the event loop. @returns whether there was anything to do. */
  round(): boolean {
    const due = this.#soon;
    this.#soon = [];
    for (const run of due) run();
    return due.length > 0;
  }
}
