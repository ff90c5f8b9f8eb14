/**
 * Switch metrics: how switches ended and how long their phases took; the only metrics that the primary
 * counts itself, as they happen.
 */
import { Counter, Histogram, Registry } from "prom-client";
import type { Version } from "../core/version.ts";
import { METRIC_PREFIX, METRICS } from "./metrics.ts";

export const SWITCH_PHASES = ["prepare", "persist", "hold", "commit"] as const;
export type SwitchPhase = (typeof SWITCH_PHASES)[number];

const OF_ALL = ["done", "in_progress", "gate_refused", "not_ready", "write_failed", "failed"] as const;
/** How a call ended, by what made it. Dry runs, no-ops and names that are not configured are no switches. A closed set. */
const ENDS = {
  switch: [...OF_ALL, "expectation_failed", "cooling_down"],
  rollback: [...OF_ALL, "expectation_failed"],
  "fail-over": OF_ALL,
} as const;
/** Of a rollback from a version to itself. */
const NOTHING = "nothing_to_roll_back";

type SwitchTrigger = keyof typeof ENDS;
export type SwitchOutcome = (typeof ENDS)[SwitchTrigger][number] | typeof NOTHING;

/** With more of them not all 21 series of each two are there from the start: 64 versions would have 85,000. */
const MOST_VERSIONS_AT_ZERO = 5;

/** What is counted of a switch that has ended. */
export interface CountedEnd {
  readonly from: Version;
  readonly to: Version;
  readonly outcome: SwitchOutcome;
  readonly trigger: SwitchTrigger;
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
    // `increase` does not see the first of its kind when the series begins with it.
    for (const from of versions) {
      for (const to of versions) this.#zero(from, to, versions.length <= MOST_VERSIONS_AT_ZERO);
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

  #zero(from: Version, to: Version, hasAll: boolean): void {
    const zero = (outcome: SwitchOutcome, trigger: SwitchTrigger): void =>
      this.#switches.inc({ from, to, outcome, trigger }, 0);
    if (from === to) return hasAll ? zero(NOTHING, "rollback") : undefined;
    if (!hasAll) return zero("done", "switch");
    for (const outcome of ENDS.switch) zero(outcome, "switch");
    for (const outcome of ENDS.rollback) zero(outcome, "rollback");
    for (const outcome of ENDS["fail-over"]) zero(outcome, "fail-over");
  }

  /** A name that is not configured (any more) makes no label of its own. */
  #known(version: Version): Version {
    return this.#versions.has(version) ? version : "unknown";
  }
}
