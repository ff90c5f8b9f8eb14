/**
 * Trial: a few requests that show whether a backend may be used again. Pure.
 *
 * A request that takes part holds a place until it has ended, whatever its end; only what it says of the backend
 * counts. One that takes long gives its place to another, and is still heard.
 */
import type { Outcome } from "../../core/outcome.ts";

export interface TrialPlace {
  /** Which trial it belongs to: those of an earlier one are not heard. */
  readonly round: number;
  readonly sinceMs: number;
}

export type TrialVerdict = "passed" | "failed" | "open";

/** A download or a stream may run for hours: the trial does not wait for it. */
const PLACE_LIMIT_MS = 10_000;

export class Trial {
  readonly #atOnce: number;
  readonly #needed: number;
  #round = 0;
  #good = 0;
  #places: TrialPlace[] = [];

  /** @param needed so many good ones pass it; one that failed fails it. */
  constructor({ atOnce, needed }: { atOnce: number; needed: number }) {
    this.#atOnce = atOnce;
    this.#needed = needed;
  }

  get hasRoom(): boolean {
    return this.#places.length < this.#atOnce;
  }

  /** Anew: what began before is not heard. */
  begin(): void {
    this.#round++;
    this.#good = 0;
    this.#places = [];
  }

  /** @returns null: every place is held. */
  enter(nowMs: number): TrialPlace | null {
    if (!this.hasRoom) return null;
    const place: TrialPlace = { round: this.#round, sinceMs: nowMs };
    this.#places.push(place);
    return place;
  }

  leave(place: TrialPlace, outcome: Outcome): TrialVerdict {
    this.#places = this.#places.filter((held) => held !== place);
    if (place.round !== this.#round || outcome === "none") return "open";
    if (outcome === "failed") return "failed";
    this.#good++;
    return this.#good >= this.#needed ? "passed" : "open";
  }

  /** Takes back the places of those that take too long. */
  tick(nowMs: number): void {
    this.#places = this.#places.filter(({ sinceMs }) => nowMs - sinceMs < PLACE_LIMIT_MS);
  }
}
