/**
 * Error reply: a code of our table as an HTTP answer: problem+json (RFC 9457) and `Proxy-Status` (RFC 9209).
 */
import { FORWARD_ERRORS, type ForwardErrorCode } from "../../core/errors.ts";
import { PROBLEM_TYPE, problemBody } from "../../http/problem.ts";

/** How long a client should wait when the proxy itself is full. */
const RETRY_AFTER_SECONDS = "1";

/** The body. Where a backend is and why it failed is for the log; a client is told what happened, not where. */
export function errorText(code: ForwardErrorCode, message: string): string {
  const { source, about } = FORWARD_ERRORS[code];
  return problemBody(code, source === "backend" ? about : message);
}

/** Name, value, … of the answer, without its length. */
export function errorFields(code: ForwardErrorCode): string[] {
  const spec: { readonly status: number; readonly proxyStatus?: string } = FORWARD_ERRORS[code];
  const fields = ["Content-Type", PROBLEM_TYPE, "Cache-Control", "no-store"];
  if (spec.proxyStatus !== undefined)
    fields.push("Proxy-Status", `traffic-switching; error=${spec.proxyStatus}`);
  if (spec.status === 503) fields.push("Retry-After", RETRY_AFTER_SECONDS);
  return fields;
}
