/** Latencies: any number of them in a fixed size, for percentiles that are 2 % off at most. Pure. */

const SMALLEST_MS = 0.01;
const STEP = 1.02;
/** Up to 10 min; what is longer counts as that. */
const BUCKETS = 1 + Math.ceil(Math.log(600_000 / SMALLEST_MS) / Math.log(STEP));

export class Latencies {
  readonly #counts = new Uint32Array(BUCKETS);
  #total = 0;

  add(ms: number): void {
    const index = Math.ceil(Math.log(Math.max(ms, SMALLEST_MS) / SMALLEST_MS) / Math.log(STEP));
    const bucket = Math.min(index, BUCKETS - 1);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#total++;
  }

  /** @param share 0.99 is p99. @returns the upper end of its bucket in ms, rounded; null when there are none. */
  percentileMs(share: number): number | null {
    if (this.#total === 0) return null;
    let left = Math.ceil(this.#total * share);
    const bucket = this.#counts.findIndex((count) => {
      left -= count;
      return left <= 0;
    });
    return Number((SMALLEST_MS * STEP ** bucket).toPrecision(3));
  }
}
