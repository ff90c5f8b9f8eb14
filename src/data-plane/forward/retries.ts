/**
 * Retries: to which backend a request goes whose attempt has failed: README, "The way of a request". Asked only then.
 *
 * What may be sent again is retry-policy.ts's to say, and how often retry-budget.ts's.
 */
import type { ForwardErrorCode } from "../../core/errors.ts";
import type { Backend } from "../backend/backend.ts";
import type { ForwardContext, Targets } from "./forward-context.ts";
import type { PastAttempts } from "./past-attempts.ts";
import { CAUSES, type Cause } from "./retry-policy.ts";

/** The attempt that has failed, and the request it was made for. */
export interface FailedAttempt {
  readonly backend: Backend;
  readonly targets: Targets;
  readonly keyHash: number;
  readonly request: { readonly method: string; readonly hasBody: boolean };
  /** Those before it. */
  readonly past: PastAttempts | null;
}

const NONE: readonly Cause[] = [];
/** The first that is allowed counts. */
const CAUSES_OF: Partial<Record<ForwardErrorCode, readonly Cause[]>> = {
  POOL_EXHAUSTED: ["noRoom"],
  BACKEND_CONNECT_FAILED: ["connectFailed"],
  BACKEND_CONNECT_TIMEOUT: ["connectTimedOut"],
  BACKEND_CLOSED: ["closed", "freshClosed"],
  BACKEND_RESPONSE_TIMEOUT: ["timedOut"],
  BACKEND_INVALID_ANSWER: ["invalidAnswer"],
};
const CLOSED_REUSED: readonly Cause[] = ["idleClosed", "closed"];

/** @param isReused its connection had lain open before. */
export function causesOf(code: ForwardErrorCode, isReused: boolean): readonly Cause[] {
  return code === "BACKEND_CLOSED" && isReused ? CLOSED_REUSED : (CAUSES_OF[code] ?? NONE);
}

/** @returns null: it is not sent again. */
export function nextAfter(
  causes: readonly Cause[],
  attempt: FailedAttempt,
  context: ForwardContext,
): Backend | null {
  const { retryPolicy, retryBudget } = context;
  if (retryBudget.isOff || tried(attempt).length >= retryPolicy.retries) return null;
  const cause = causes.find((each) => retryPolicy.allows(each, attempt.request));
  return cause === undefined ? null : nextFor(CAUSES[cause], attempt, context);
}

function nextFor(
  { methods, maySameMend }: (typeof CAUSES)[Cause],
  attempt: FailedAttempt,
  { retryBudget, load }: ForwardContext,
): Backend | null {
  const other = otherThan(attempt);
  // It has loaded nobody, and who could not be connected to is left out from now on: these cannot become a storm.
  if (other !== null && methods === null) return other;
  const next = other ?? (maySameMend && takesRetry(attempt) ? attempt.backend : null);
  return next !== null && retryBudget.take(load.inFlight) ? next : null;
}

/** One that was not tried; else one that is not the last. */
function otherThan(attempt: FailedAttempt): Backend | null {
  const { backend, targets, keyHash } = attempt;
  const before = tried(attempt);
  const other = targets.pickOther([...before, backend], keyHash);
  return other ?? (before.length === 0 ? null : targets.pickOther([backend], keyHash));
}

/** The same backend, once this attempt is over. */
function takesRetry(attempt: FailedAttempt): boolean {
  const ownPart = tried(attempt).length > 0 ? 1 : 0;
  return attempt.backend.retries - ownPart < attempt.targets.maxRetries;
}

const NOBODY: readonly Backend[] = [];

function tried({ past }: FailedAttempt): readonly Backend[] {
  return past?.backends ?? NOBODY;
}
