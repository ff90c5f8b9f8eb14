/**
 * Scrape: answers `/metrics` for the whole daemon: asks every worker, adds up, writes text or JSON.
 *
 * Runs in the primary. Values are read anew for each scrape and belong to it alone. Only what the switch
 * reports (how switches ended, how long their phases took) is counted here.
 */
import { availableParallelism } from "node:os";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import type { Build } from "./build.ts";
import { type ExpositionFormat, type Family, writeExposition } from "./exposition.ts";
import {
  daemonFamilies,
  type Scrape,
  type SubscriberView,
  type SwitchView,
  type WorkerSource,
} from "./families.ts";
import { type PoolSource, poolSights } from "./pool-sights.ts";
import { processFamilies, registryFamilies, startProcessMetrics } from "./process-families.ts";
import { type MetricsSummary, summarize } from "./summary.ts";
import { SwitchMetrics } from "./switch-metrics.ts";

/** A worker that stays silent longer is named and counted with what it last said. */
export const SCRAPE_TIMEOUT_MS = 500;

export interface Metrics {
  text(format: ExpositionFormat): Promise<string>;
  summary(): Promise<MetricsSummary>;
  /** What the switcher reports to: its `observe`. */
  readonly switches: Pick<SwitchMetrics, "switchEnded">;
}

export interface MetricsSources {
  readonly config: Pick<Config, "backends" | "upstream">;
  readonly workers: WorkerSource;
  readonly switchView: () => SwitchView;
  readonly pools: () => PoolSource;
  readonly subscribers: SubscriberView;
  readonly build: Build;
  readonly clock: Clock;
}

export function createMetrics(sources: MetricsSources): Metrics {
  const { config, workers, switchView, pools, subscribers, build, clock } = sources;
  const primary = startProcessMetrics();
  const switches = new SwitchMetrics(config.backends.map(({ version }) => version));

  const read = async (): Promise<Scrape> => {
    const { stats, silent } = await workers.collect(SCRAPE_TIMEOUT_MS);
    // No await from here on: a worker that dies between two of these lines would count twice or not at all.
    return {
      stats,
      silent,
      retired: workers.retired(),
      workers: workers.workers(),
      size: workers.size,
      switch: switchView(),
      pools: poolSights(
        pools(),
        [...stats.values()].map((each) => each.pools ?? []),
      ),
      subscribers,
    };
  };

  return {
    async text(format) {
      const scrape = await read();
      const everyStats = [...scrape.stats.values(), ...scrape.retired];
      const families: Family[] = [
        ...daemonFamilies(scrape, config, build),
        ...(await registryFamilies(switches.registry)),
        ...(await processFamilies(primary, everyStats)),
      ];
      return writeExposition(families, format);
    },
    async summary() {
      return summarize(await read(), config, build, {
        wallMs: clock.wallMs(),
        uptimeSeconds: process.uptime(),
        residentBytes: process.memoryUsage.rss(),
        cpuCores: availableParallelism(),
      });
    },
    switches,
  };
}
