/**
 * WeightDrift: how much of its weight a backend keeps that answers some of its requests badly. Pure.
 *
 * Half of it at the ratio that makes it degraded, less as the ratio grows; back up step by step once the ratio is
 * far below, and neither in between, so that it does not swing.
 */
const HALF = 0.5;
/** It stays in use: else nothing could be seen of it any more. */
const LEAST = 0.1;
const STEP_PER_SECOND = 0.1;
/** The part of the degraded ratio under which it climbs. */
const CALM = 1 / 3;
const SECOND_MS = 1_000;
/** Tenths do not add up to 1 exactly. */
const ROUNDING = 1e-9;

export class WeightDrift {
  readonly #degradedRatio: number;
  #factor = 1;
  #climbedAtMs = 0;

  constructor(degradedRatio: number) {
    this.#degradedRatio = degradedRatio;
  }

  get factor(): number {
    return this.#factor;
  }

  /** A failure has made the ratio this. @returns whether the factor has changed. */
  lower(ratio: number, nowMs: number): boolean {
    if (ratio < this.#degradedRatio) return false;
    this.#climbedAtMs = nowMs;
    const factor = Math.max(LEAST, Math.min(HALF, 1 - ratio));
    if (factor >= this.#factor) return false;
    this.#factor = factor;
    return true;
  }

  /** A step up for each second that has passed. @returns whether the factor has changed. */
  climb(ratio: number, nowMs: number): boolean {
    if (this.#factor === 1) return false;
    if (ratio >= this.#degradedRatio * CALM) {
      this.#climbedAtMs = nowMs;
      return false;
    }
    const steps = Math.floor((nowMs - this.#climbedAtMs) / SECOND_MS);
    if (steps < 1) return false;
    this.#climbedAtMs += steps * SECOND_MS;
    const factor = this.#factor + steps * STEP_PER_SECOND;
    this.#factor = factor > 1 - ROUNDING ? 1 : factor;
    return true;
  }

  reset(): void {
    this.#factor = 1;
  }
}
