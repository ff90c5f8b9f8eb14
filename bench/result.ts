/**
 * What one run of the bench leaves behind: the types of a file in bench/results, and what each figure in it means.
 *
 * `npm run bench` writes it; docs/performance.md is made from it. Types and names only: nothing here measures or reads.
 */
import type { Environment } from "./environment.ts";

export interface Metric {
  readonly title: string;
  /** `UNIT` stands for the case's unit of work. */
  readonly unit: string;
  readonly isLowerBetter: boolean;
  /** After the point, in a table. */
  readonly digits: number;
}

/** Every figure that a sample can hold; which of them it does depends on the case. */
export const METRICS = {
  perSecond: { title: "rate", unit: "UNITs/s", isLowerBetter: false, digits: 0 },
  cpuUs: { title: "CPU", unit: "µs/UNIT", isLowerBetter: true, digits: 1 },
  cpuUserUs: { title: "user", unit: "µs/UNIT", isLowerBetter: true, digits: 1 },
  cpuSystemUs: { title: "system", unit: "µs/UNIT", isLowerBetter: true, digits: 1 },
  /** The same for bodies of 1 GiB. */
  cpuS: { title: "CPU", unit: "s/UNIT", isLowerBetter: true, digits: 2 },
  cpuUserS: { title: "user", unit: "s/UNIT", isLowerBetter: true, digits: 2 },
  cpuSystemS: { title: "system", unit: "s/UNIT", isLowerBetter: true, digits: 2 },
  /** CPU against wall time, 1 is one core: well below the workers' number, load or backend was the limit. */
  coreShare: { title: "cores", unit: "", isLowerBetter: true, digits: 2 },
  /** Wall time of one. */
  seconds: { title: "time", unit: "s/UNIT", isLowerBetter: true, digits: 2 },
  p50Ms: { title: "p50", unit: "ms", isLowerBetter: true, digits: 2 },
  p99Ms: { title: "p99", unit: "ms", isLowerBetter: true, digits: 2 },
  p999Ms: { title: "p99.9", unit: "ms", isLowerBetter: true, digits: 2 },
  longestMs: { title: "longest", unit: "ms", isLowerBetter: true, digits: 1 },
  failed: { title: "failed", unit: "", isLowerBetter: true, digits: 0 },
  /** Of the whole process tree; pages that two processes share count twice. */
  residentMiB: { title: "memory after", unit: "MiB", isLowerBetter: true, digits: 0 },
  /** The highest of each process, summed: an upper bound. */
  peakMiB: { title: "peak memory", unit: "MiB", isLowerBetter: true, digits: 0 },
  /** Resident before the connections were opened. */
  residentBeforeMiB: { title: "memory before", unit: "MiB", isLowerBetter: true, digits: 0 },
  connectionKiB: { title: "memory", unit: "KiB/connection", isLowerBetter: true, digits: 2 },
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof METRICS;
export type Figures = Readonly<Partial<Record<MetricName, number>>>;

/** One contender in one round, with a process of its own. */
export interface Sample extends Figures {
  readonly round: number;
}

export interface ContenderResult {
  readonly name: string;
  readonly version: string;
  /** Its set-up. */
  readonly about: string;
  readonly rounds: readonly Sample[];
  readonly median: Figures;
  readonly min: Figures;
  readonly max: Figures;
  /** By the name of the reference (`nginx`, `go`, `fast-proxy`): the median over the rounds of the ratio in one round. */
  readonly ratios: Readonly<Record<string, Figures>>;
}

export interface CaseResult {
  readonly name: string;
  readonly about: string;
  /** Of work, in the singular: `request`, `message`, `GiB`, `connection`. */
  readonly unit: string;
  /** The figure that the case is about. */
  readonly headline: MetricName;
  /** What its table shows, in this order. */
  readonly columns: readonly MetricName[];
  /** Of each contender. */
  readonly workers: number;
  readonly contenders: readonly ContenderResult[];
  readonly leftOut: readonly LeftOut[];
}

export interface LeftOut {
  readonly name: string;
  readonly why: string;
}

/** A promise about one figure of the daemon. */
export interface Floor {
  readonly case: string;
  readonly metric: MetricName;
  /** Whose figure in the same round it is divided by; without, the figure itself counts. */
  readonly against?: string;
  readonly bound: "at most" | "at least";
  readonly floor?: number;
  readonly aim?: number;
}

export interface FloorResult extends Floor {
  /** In words: `CPU per request against nginx`. */
  readonly about: string;
  /** Undefined, like the other two: one of the two contenders was not measured. */
  readonly measured?: number;
  readonly isFloorHeld?: boolean;
  readonly isAimHeld?: boolean;
}

export interface BenchResult {
  readonly kind: "bench";
  readonly environment: Environment & {
    /** By the name of the contender, or of the load driver. */
    readonly versions: Readonly<Record<string, string>>;
    /** Of the machine, over the last minute, before the run. */
    readonly loadAverage: number;
  };
  readonly options: Readonly<Record<string, unknown>>;
  readonly cases: readonly CaseResult[];
  readonly floors: readonly FloorResult[];
  /** A contender that failed takes no further part in that case, and the run counts as failed. */
  readonly failures: readonly { readonly case: string; readonly name: string; readonly why: string }[];
}

/** `npm run bench -- --against REF`. */
export interface AgainstResult {
  readonly kind: "against";
  readonly environment: Environment;
  readonly options: Readonly<Record<string, unknown>>;
  readonly against: { readonly ref: string; readonly commit: string };
  readonly cases: readonly AgainstCase[];
}

export interface AgainstCase {
  readonly name: string;
  readonly about: string;
  readonly unit: string;
  /** The figure that the comparison is about: CPU, of idle connections memory. */
  readonly metric: MetricName;
  /** In the order measured; daemons of their own for each. */
  readonly pairs: readonly { readonly ours: Sample; readonly theirs: Sample }[];
  /** Ours to theirs, of `metric` and of every other figure that all samples have. */
  readonly ratios: Readonly<Partial<Record<MetricName, PairRatio>>>;
}

export interface PairRatio {
  readonly geometricMean: number;
  readonly min: number;
  readonly max: number;
}
