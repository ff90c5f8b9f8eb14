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

/** What does not end by itself: a tunnel, a stream of events. A drain ends each at a moment of its own. */
export interface LongRunning extends Running {
  /** The drain's: when it is this one's turn, ms of its clock; 0: not planned. */
  turnAtMs: number;
  /** Its turn has come: ends it as its protocol has it. Told again and again until it has ended. */
  endForDrain(): void;
  /** The drain was called off: it goes on, unless its client has been told of the end. */
  keep(): void;
}
