/** Waiting for a state that is told when it may have changed: nothing is polled. */
import { withLimit } from "../support/wait.ts";

export class Signal {
  readonly #waiting = new Set<() => void>();

  /** Something changed: whoever waits looks again. */
  notify(): void {
    for (const look of [...this.#waiting]) look();
  }

  /**
   * Resolves with the first answer of `look` that is neither `undefined` nor `false`.
   *
   * @param what ends the sentence "waited 3000 ms for …".
   * @throws Error when there is none within `limitMs`, and whatever `look` throws.
   */
  async until<T>(
    what: string,
    look: () => T | undefined | false,
    limitMs: number,
    details?: () => string,
  ): Promise<T> {
    let stop: (() => void) | undefined;
    const found = new Promise<T>((resolve, reject) => {
      const attempt = (): void => {
        try {
          const seen = look();
          if (seen !== undefined && seen !== false) resolve(seen);
        } catch (error) {
          reject(error);
        }
      };
      this.#waiting.add(attempt);
      stop = () => this.#waiting.delete(attempt);
      attempt();
    });
    try {
      return await withLimit(found, limitMs, what, details);
    } finally {
      stop?.();
    }
  }
}
