/**
 * Standing events: what an operator wants to read of a backend, found by comparing how it stands with how it stood
 * when somebody was last told. Pure.
 */
import type { BreakerState } from "./breaker.ts";
import type { OutlierState } from "./outlier.ts";

export type StandingEvent =
  | "degraded"
  | "recovered"
  | "ejected"
  | "on trial"
  | "restored"
  | "breaker open"
  | "breaker half-open"
  | "breaker closed"
  | "unreachable"
  | "reachable";

/** As much of a standing as anybody is told of. */
export interface Told {
  readonly outlier: OutlierState;
  readonly isDegraded: boolean;
  readonly breaker: BreakerState;
  readonly isReachable: boolean;
}

/** Of a backend of which nothing is known. */
export const UNREMARKABLE: Told = { outlier: "in", isDegraded: false, breaker: "closed", isReachable: true };

/** What has happened between the two. */
export function eventsBetween(before: Told, now: Told): readonly StandingEvent[] {
  const events: StandingEvent[] = [];
  if (now.outlier !== before.outlier) events.push(OUTLIER_EVENTS[now.outlier]);
  else if (now.isDegraded !== before.isDegraded) events.push(now.isDegraded ? "degraded" : "recovered");
  if (now.breaker !== before.breaker) events.push(`breaker ${now.breaker}`);
  if (now.isReachable !== before.isReachable) events.push(now.isReachable ? "reachable" : "unreachable");
  return events;
}

const OUTLIER_EVENTS: Readonly<Record<OutlierState, StandingEvent>> = {
  in: "restored",
  trial: "on trial",
  ejected: "ejected",
};
