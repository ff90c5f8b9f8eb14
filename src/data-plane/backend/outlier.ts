/**
 * Outlier: judges a backend by its answers to real traffic: ejects it, tries it, restores it. Pure: told the outcomes
 * and the time.
 *
 *   in ── too many fail ─► ejected ── its time is over ─► trial ── all good ─► in (restored)
 *                             ▲                             └── one failed ─► ejected, for longer
 */
import type { OutlierConfig } from "../../config/pool-config.ts";
import type { Outcome } from "../../core/outcome.ts";
import { OutcomeWindow } from "./outcome-window.ts";
import { Trial, type TrialPlace } from "./trial.ts";
import { WeightDrift } from "./weight-drift.ts";

export type OutlierState = "in" | "ejected" | "trial";

/** One after the other. */
const TRIAL_REQUESTS = 3;
/** The longest ejection, in first ones. */
const MOST_TIMES = 10;

/** How many of a pool may be ejected at a time. */
export function mostEjected(size: number, maxEjectedRatio: number): number {
  return Math.floor(size * maxEjectedRatio + ROUNDING);
}

/** 100 × 0.29 is 28.999999999999996. */
const ROUNDING = 1e-9;

export class Outlier {
  readonly #config: OutlierConfig;
  readonly #mayEject: () => boolean;
  readonly #window: OutcomeWindow;
  readonly #drift: WeightDrift;
  readonly #trial = new Trial({ atOnce: 1, needed: TRIAL_REQUESTS });
  #state: OutlierState = "in";
  /** How often it was ejected lately: each time is longer by the first. */
  #ejections = 0;
  #ejectedUntilMs = 0;
  #soundSinceMs = 0;

  /** @param mayEject asked before each ejection: whether the pool can spare one more. */
  constructor(config: OutlierConfig, mayEject: () => boolean) {
    this.#config = config;
    this.#mayEject = mayEject;
    this.#window = new OutcomeWindow(config.window, config.minRequests);
    this.#drift = new WeightDrift(config.degradedRatio);
  }

  get state(): OutlierState {
    return this.#state;
  }

  get isDegraded(): boolean {
    return this.#state === "in" && this.#drift.factor < 1;
  }

  /** When the trial begins; means nothing unless it is ejected. */
  get ejectedUntilMs(): number {
    return this.#ejectedUntilMs;
  }

  /** How much of its weight counts: 0 while ejected, and while the trial has no room. */
  get factor(): number {
    if (this.#state === "in") return this.#drift.factor;
    return this.#state === "trial" && this.#trial.hasRoom ? 1 : 0;
  }

  /** An attempt begins that takes part in the trial; null: it does not. */
  enter(nowMs: number): TrialPlace | null {
    return this.#state === "trial" ? this.#trial.enter(nowMs) : null;
  }

  /** An attempt of the trial has ended. @returns whether state or factor have changed. */
  leave(place: TrialPlace, outcome: Outcome, nowMs: number): boolean {
    const verdict = this.#trial.leave(place, outcome);
    if (this.#state !== "trial") return false;
    if (verdict === "passed") this.restore(nowMs);
    else if (verdict === "failed") this.#eject(nowMs); // it counts as ejected all the time: nobody need be asked
    return true;
  }

  /** An attempt has ended that was of no trial. @returns whether state or factor have changed. */
  note(isFailure: boolean, nowMs: number): boolean {
    if (this.#state !== "in") return false; // it began before, or nothing else was left
    this.#window.note(isFailure);
    if (!isFailure || this.#window.count < this.#config.minRequests) return false;
    if (this.#isTooBad && this.#mayEject()) {
      this.#eject(nowMs);
      return true;
    }
    return this.#drift.lower(this.#window.ratio, nowMs);
  }

  /** Once a second. @returns whether state or factor may have changed. */
  tick(nowMs: number): boolean {
    if (this.#state === "in") return this.#recover(nowMs);
    if (this.#state === "trial") {
      this.#trial.tick(nowMs);
      return true;
    }
    if (nowMs < this.#ejectedUntilMs) return false;
    this.#beginTrial();
    return true;
  }

  /** The backend was away, and is back: whether it is well now is asked at once. */
  tryNow(): void {
    if (this.#state === "ejected") this.#beginTrial();
  }

  /** Puts it back, with nothing held against it but how often it was ejected. */
  restore(nowMs: number): void {
    this.#state = "in";
    this.#soundSinceMs = nowMs;
    this.#window.clear();
    this.#drift.reset();
  }

  get #isTooBad(): boolean {
    const { errorRatio } = this.#config;
    return this.#window.ratio >= errorRatio || this.#window.recentRatio >= errorRatio;
  }

  #beginTrial(): void {
    this.#state = "trial";
    this.#trial.begin();
  }

  #eject(nowMs: number): void {
    this.#state = "ejected";
    this.#ejections = Math.min(MOST_TIMES, this.#ejections + 1);
    this.#ejectedUntilMs = nowMs + this.#config.ejectForMs * this.#ejections;
  }

  #recover(nowMs: number): boolean {
    const hasClimbed = this.#drift.climb(this.#window.ratio, nowMs);
    if (this.isDegraded) this.#soundSinceMs = nowMs;
    else if (this.#ejections > 0 && nowMs - this.#soundSinceMs >= this.#config.ejectForMs * this.#ejections) {
      this.#ejections--; // sound for as long as it was ejected
      this.#soundSinceMs = nowMs;
    }
    return hasClimbed;
  }
}
