/**
 * Retry budget: retries are at most a share of the requests, so that a backend that fails is not buried under them.
 *
 * Each request puts its share in, each retry takes one out. A small reserve lets the first ones be retried, and what
 * was saved up lets a backend die without a loss: all that ran on it fails at once, at most all that runs. So as
 * many may be saved up as run at the time: the others then have, once, no more to do than what they shared before.
 * Pure.
 */
const RESERVE = 10;
/** What quiet times may save up, however little runs. */
const MOST = 100;

export class RetryBudget {
  /** Nothing is ever sent again. */
  readonly isOff: boolean;
  readonly #share: number;
  #left: number;

  /** @param share retries per request, 0 to 1; 0: never. */
  constructor(share: number) {
    this.#share = share;
    this.isOff = share === 0;
    this.#left = share === 0 ? 0 : RESERVE;
  }

  /** A request begins. @param inFlight how many run, with it. */
  note(inFlight: number): void {
    if (this.#left < MOST || this.#left < inFlight) this.#left += this.#share;
  }

  /** @returns whether a retry is within the budget; it is then spent. */
  take(inFlight: number): boolean {
    // What a busy hour has saved up is not for the quiet one behind it.
    this.#left = Math.min(this.#left, Math.max(MOST, inFlight));
    if (this.#left < 1 || this.isOff) return false;
    this.#left--;
    return true;
  }
}
