/**
 * Failures: what a code of our table means for the metrics. Pure.
 */
import { ERROR_CODES, type ForwardErrorCode } from "../../core/errors.ts";

/** The metric's label for a code: `backend_connect_failed`. */
export function reasonOf(code: ForwardErrorCode): string {
  return code.toLowerCase();
}

/** Whether the failure is the backend's or the way's to it, so that it counts as an upstream error. */
export function isUpstreamFailure(code: ForwardErrorCode): boolean {
  return ERROR_CODES[code].source === "backend" || code === "POOL_EXHAUSTED" || code === "DRAIN_DEADLINE";
}
