/**
 * Timers: where every part of the program that waits gets its timers from, so that a test owns them.
 */

/** Runs something later. @returns calls it off. */
export type After = (ms: number, run: () => void) => () => void;

export interface Timers {
  readonly after: After;
  /** In the next round of the event loop. */
  soon(run: () => void): void;
}

export const systemTimers: Timers = {
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  soon: (run) => void setImmediate(run),
};

/** A process that has nothing else to do ends without waiting for it. */
export const afterInBackground: After = (ms, run) => {
  const timer = setTimeout(run, ms).unref();
  return () => clearTimeout(timer);
};
