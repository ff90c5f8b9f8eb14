/** Tally: the samples of one of our metrics as they are added up. Pure. */
import type { Family, Sample } from "./exposition.ts";
import { METRIC_PREFIX, METRICS, type MetricKey, type MetricLabels } from "./metrics.ts";

/** Sums per set of labels, in the order in which they first came. */
export class Tally<K extends MetricKey> {
  readonly #key: K;
  readonly #sums = new Map<string, { labels: MetricLabels<K>; value: number }>();

  constructor(key: K) {
    this.#key = key;
  }

  add(labels: MetricLabels<K>, value: number): this {
    const id = Object.values(labels).join("\n");
    const sum = this.#sums.get(id);
    if (sum === undefined) this.#sums.set(id, { labels, value });
    else sum.value += value;
    return this;
  }

  family(): Family {
    return family(
      this.#key,
      [...this.#sums.values()].map((sum) => ({ suffix: "", ...sum })),
    );
  }
}

export function family(key: MetricKey, samples: readonly Sample[]): Family {
  const { type, help } = METRICS[key];
  return { name: METRIC_PREFIX + key, type, help, samples };
}
