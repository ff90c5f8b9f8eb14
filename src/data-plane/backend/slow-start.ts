/**
 * SlowStart: how much of its weight a backend has while it climbs, after it came, or came back. Pure.
 *
 * Its caches are cold and its connections few: the whole of its share at once could take it down again.
 */
const FIRST = 0.1;

export class SlowStart {
  readonly #durationMs: number;
  /** Long ago before it began for the first time: a backend that was there when the worker began does not climb. */
  #beganAtMs = Number.NEGATIVE_INFINITY;

  /** @param durationMs 0: none. */
  constructor(durationMs: number) {
    this.#durationMs = durationMs;
  }

  begin(nowMs: number): void {
    this.#beganAtMs = nowMs;
  }

  isOver(nowMs: number): boolean {
    return this.#durationMs === 0 || nowMs - this.#beganAtMs >= this.#durationMs;
  }

  /** From a tenth up to 1, in a straight line. */
  factor(nowMs: number): number {
    if (this.isOver(nowMs)) return 1;
    const passed = Math.max(0, nowMs - this.#beganAtMs) / this.#durationMs;
    return FIRST + (1 - FIRST) * passed;
  }
}
