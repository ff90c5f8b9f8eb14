/**
 * Breaker: spares a backend that fails again and again, and the clients the wait for it. Pure: told the outcomes and
 * the time.
 *
 *   closed ── too many fail, or too many in a row ─► open ── its time is over ─► half-open ── all good ─► closed
 *                                                     ▲                             └── one failed ─► open, twice as long
 *
 * Unlike an ejection it asks nobody: the last backend of a pool is spared too.
 */
import type { BreakerConfig } from "../../config/pool-config.ts";
import type { Outcome } from "../../core/outcome.ts";
import { OutcomeWindow } from "./outcome-window.ts";
import { Trial, type TrialPlace } from "./trial.ts";

export type BreakerState = "closed" | "open" | "half-open";

/** The longest time open, in first ones. */
const MOST_TIMES = 10;

export class Breaker {
  readonly #config: BreakerConfig;
  readonly #window: OutcomeWindow;
  readonly #trial: Trial;
  #state: BreakerState = "closed";
  #failuresInRow = 0;
  /** How long it opens the next time, in first ones. */
  #times = 1;
  #openUntilMs = 0;

  constructor(config: BreakerConfig) {
    this.#config = config;
    this.#window = new OutcomeWindow(config.window, config.minRequests);
    this.#trial = new Trial({ atOnce: config.halfOpenRequests, needed: config.halfOpenRequests });
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Whether it lets another one through. */
  get isPassable(): boolean {
    return this.#state === "closed" || (this.#state === "half-open" && this.#trial.hasRoom);
  }

  /** When it becomes half-open; means nothing unless it is open. */
  get openUntilMs(): number {
    return this.#openUntilMs;
  }

  /** An attempt begins that half-open lets through; null: it is not such a one. */
  enter(nowMs: number): TrialPlace | null {
    return this.#state === "half-open" ? this.#trial.enter(nowMs) : null;
  }

  /** An attempt that half-open let through has ended. @returns whether state or passability may have changed. */
  leave(place: TrialPlace, outcome: Outcome, nowMs: number): boolean {
    const verdict = this.#trial.leave(place, outcome);
    if (this.#state !== "half-open") return false;
    if (verdict === "passed") this.close();
    else if (verdict === "failed") this.#open(nowMs);
    return true;
  }

  /** Any other attempt has ended. @returns whether the state has changed. */
  note(isFailure: boolean, nowMs: number): boolean {
    if (this.#state !== "closed") return false; // it began before
    this.#window.note(isFailure);
    this.#failuresInRow = isFailure ? this.#failuresInRow + 1 : 0;
    if (!isFailure || !this.#isTooBad) return false;
    this.#open(nowMs);
    return true;
  }

  /** Once a second. @returns whether state or passability may have changed. */
  tick(nowMs: number): boolean {
    if (this.#state === "closed") return false;
    if (this.#state === "half-open") {
      this.#trial.tick(nowMs);
      return true;
    }
    if (nowMs < this.#openUntilMs) return false;
    this.#halfOpen();
    return true;
  }

  /** The backend was away, and is back: whether it is well now is asked at once. */
  tryNow(): void {
    if (this.#state === "open") this.#halfOpen();
  }

  /** With nothing held against the backend. */
  close(): void {
    this.#state = "closed";
    this.#times = 1;
    this.#failuresInRow = 0;
    this.#window.clear();
  }

  get #isTooBad(): boolean {
    const { consecutiveFailures, minRequests, errorRatio } = this.#config;
    if (this.#failuresInRow >= consecutiveFailures) return true;
    return this.#window.count >= minRequests && this.#window.ratio >= errorRatio;
  }

  #halfOpen(): void {
    this.#state = "half-open";
    this.#trial.begin();
  }

  #open(nowMs: number): void {
    this.#state = "open";
    this.#openUntilMs = nowMs + this.#config.openForMs * this.#times;
    this.#times = Math.min(MOST_TIMES, this.#times * 2);
  }
}
