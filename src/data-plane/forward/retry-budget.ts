/**
 * Retry budget: retries are at most a share of the requests, so that a backend that fails is not buried under them.
 *
 * Each request puts its share in, each retry takes one out. A small reserve lets the first ones be retried. Pure.
 */
const RESERVE = 10;
/** What quiet times may save up. */
const MOST = 100;

export class RetryBudget {
  readonly #share: number;
  #left: number;

  /** @param share retries per request, 0 to 1; 0: never. */
  constructor(share: number) {
    this.#share = share;
    this.#left = share === 0 ? 0 : RESERVE;
  }

  /** A request begins. */
  note(): void {
    if (this.#left < MOST) this.#left += this.#share;
  }

  /** @returns whether a retry is within the budget; it is then spent. */
  take(): boolean {
    if (this.#left < 1 || this.#share === 0) return false;
    this.#left--;
    return true;
  }
}
