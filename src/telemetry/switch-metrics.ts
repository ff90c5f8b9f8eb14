/**
 * Switch metrics: how switches ended and how long their phases took; the only metrics that the primary
 * counts itself, as they happen.
 */
import { Counter, Histogram, Registry } from "prom-client";
import type { Version } from "../core/version.ts";
import { METRIC_PREFIX, METRICS } from "./metrics.ts";

export const SWITCH_PHASES = ["prepare", "persist", "hold", "commit"] as const;
export type SwitchPhase = (typeof SWITCH_PHASES)[number];

/** How a call ended. Dry runs, no-ops and names that are not configured are no switches. A closed set. */
export type SwitchOutcome =
  | "done"
  | "nothing_to_roll_back"
  | "in_progress"
  | "expectation_failed"
  | "cooling_down"
  | "gate_refused"
  | "not_ready"
  | "write_failed"
  | "failed";

/** What is counted of a switch that has ended. */
export interface CountedEnd {
  readonly from: Version;
  readonly to: Version;
  readonly outcome: SwitchOutcome;
  readonly trigger: "switch" | "rollback" | "fail-over";
  /** Of the phases that ran. */
  readonly phaseSeconds: Partial<Record<SwitchPhase, number>>;
}

export class SwitchMetrics {
  readonly registry = new Registry();
  readonly #versions: ReadonlySet<Version>;
  readonly #switches: Counter;
  readonly #durations: Histogram;

  constructor(versions: readonly Version[]) {
    this.#versions = new Set(versions);
    this.#switches = new Counter({
      name: `${METRIC_PREFIX}switches_total`,
      help: METRICS.switches_total.help,
      labelNames: METRICS.switches_total.labels,
      registers: [this.registry],
    });
    this.#durations = new Histogram({
      name: `${METRIC_PREFIX}switch_duration_seconds`,
      help: METRICS.switch_duration_seconds.help,
      labelNames: METRICS.switch_duration_seconds.labels,
      buckets: [...METRICS.switch_duration_seconds.buckets],
      registers: [this.registry],
    });
    for (const from of versions) {
      for (const to of versions) {
        if (from !== to) this.#switches.inc({ from, to, outcome: "done", trigger: "switch" }, 0);
      }
    }
    for (const phase of SWITCH_PHASES) this.#durations.zero({ phase });
  }

  switchEnded({ from, to, outcome, trigger, phaseSeconds }: CountedEnd): void {
    this.#switches.inc({ from: this.#known(from), to: this.#known(to), outcome, trigger });
    for (const phase of SWITCH_PHASES) {
      const seconds = phaseSeconds[phase];
      if (seconds !== undefined) this.#durations.observe({ phase }, seconds);
    }
  }

  /** A name that is not configured (any more) makes no label of its own. */
  #known(version: Version): Version {
    return this.#versions.has(version) ? version : "unknown";
  }
}
