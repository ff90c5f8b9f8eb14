/** What `npm run bench:profile` leaves behind: the types of a profile in bench/results. */
import type { Environment } from "../environment.ts";
import type { Place } from "./places.ts";
import type { CallCount } from "./system-calls.ts";

export interface Profile {
  readonly kind: "profile";
  readonly environment: Environment;
  readonly connections: number;
  /** Left out where there is no perf. */
  readonly recorded?: Recorded;
  /** Left out where there is no strace. */
  readonly traced?: Traced;
}

export interface Recorded {
  readonly hertz: number;
  readonly seconds: number;
  readonly samples: number;
  readonly places: Readonly<Partial<Record<Place, number>>>;
  /** Of toLines() in tree.ts. */
  readonly tree: readonly string[];
}

export interface Traced {
  readonly requests: number;
  readonly calls: readonly CallCount[];
}
