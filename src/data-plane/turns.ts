/**
 * Turns: of many pieces of work at most so many run at a time; the others wait, first come, first served.
 *
 * Holds no time limit: whoever waits keeps one for the work itself.
 */
export class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  /** @returns and throws what the work does. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift(); // takes this place over
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
