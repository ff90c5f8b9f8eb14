/**
 * Late metrics: the metrics, loaded by the first who needs them, or when the daemon has been ready for a moment.
 *
 * prom-client and what it brings along are 90 modules; before that moment nobody has anything to read.
 */
import type { Metrics, MetricsSources } from "./scrape.ts";

export class LateMetrics implements Metrics {
  readonly #sources: MetricsSources;
  #metrics: Promise<Metrics> | null = null;

  constructor(sources: MetricsSources) {
    this.#sources = sources;
  }

  /** Starts to measure, too; once. */
  load(): Promise<Metrics> {
    this.#metrics ??= import("./scrape.ts").then(({ createMetrics }) => createMetrics(this.#sources));
    return this.#metrics;
  }

  readonly text: Metrics["text"] = async (format) => (await this.load()).text(format);

  readonly summary: Metrics["summary"] = async () => (await this.load()).summary();

  readonly switches: Metrics["switches"] = {
    /** In its turn: who asks for the text after it finds it counted. */
    switchEnded: (end) => void this.load().then(({ switches }) => switches.switchEnded(end)),
  };
}
