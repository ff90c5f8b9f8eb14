/** The words of the page and its charts in a language. What they mean for a metric or a case is said here alone. */
import type { Place } from "../profile/places.ts";
import type { MetricName } from "../result.ts";
import { CHINESE } from "./words-chinese.ts";
import { ENGLISH } from "./words-english.ts";

export interface Words {
  /** Between a file's name and its ending. */
  readonly suffix: string;
  /** Of `request`, `message`, …, as the result names them. */
  readonly units: Readonly<Record<string, string>>;
  readonly metrics: Readonly<Record<MetricName, string>>;
  readonly cases: Readonly<Record<string, { readonly title: string; readonly about: string }>>;
  readonly charts: {
    readonly cpu: { readonly title: string; readonly description: string };
    readonly other: { readonly title: string; readonly description: string };
    readonly flame: { readonly title: string; readonly description: string };
    readonly user: string;
    readonly system: string;
    readonly reference: string;
    readonly isLowerBetter: string;
    readonly isHigherBetter: string;
  };
  readonly places: Readonly<Record<Place, string>>;
  readonly yes: string;
  readonly no: string;
  readonly notMeasured: string;
  readonly failed: string;
  /** `1.74× nginx`. */
  readonly against: (name: string) => string;
  readonly said: (name: string, text: string) => string;
  readonly pair: (user: string, system: string) => string;
  readonly list: (parts: readonly string[]) => string;
  readonly machine: (m: Machine) => string;
  readonly run: (r: Run) => string;
  readonly heads: {
    readonly contender: string;
    readonly version: string;
    readonly setup: string;
    readonly case: string;
    readonly figure: string;
    readonly measured: string;
    readonly floor: string;
    readonly floorHeld: string;
    readonly aim: string;
    readonly aimHeld: string;
    readonly rank: string;
    readonly better: string;
    readonly where: string;
    readonly share: string;
    readonly systemCall: string;
    readonly perRequest: string;
  };
  readonly nobody: string;
  readonly workers: (count: number) => string;
  readonly ofOthers: (rank: number, count: number) => string;
  readonly profiled: (p: Profiled) => string;
  readonly traced: (t: Traced) => string;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
}

export interface Run {
  /** A link. */
  readonly file: string;
  readonly date: string;
  readonly commit: string;
  readonly isModified: boolean;
  readonly loadAverage: string;
  readonly cases: readonly string[];
  readonly options: string;
  /** Few rounds, or a machine that had other work to do. */
  readonly isRough: boolean;
}

export interface Profiled {
  readonly file: string;
  readonly commit: string;
  readonly samples: string;
  readonly hertz: string;
  readonly seconds: string;
  readonly connections: string;
}

export interface Traced {
  readonly requests: string;
  readonly callsPerRequest: string;
}

export const LANGUAGES: readonly Words[] = [ENGLISH, CHINESE];
