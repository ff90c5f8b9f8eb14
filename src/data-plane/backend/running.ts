/** What runs on a backend, and how it is ended from outside. */
import type { Member } from "../../core/roster.ts";

/** A request or tunnel. */
export interface Running {
  /** The version was switched away from and its drain deadline passed. */
  cutForDrain(): void;
}

/** A request, which also has time limits. */
export interface RunningRequest extends Running, Member {
  /** Ends the request when one of its time limits has passed. */
  checkTimeLimits(nowMs: number): void;
}
