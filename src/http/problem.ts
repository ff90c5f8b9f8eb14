/**
 * Problem: a refusal as `application/problem+json` (RFC 9457), the same for the admin API and for a forward
 * that failed. Used in both planes; holds nothing and sends nothing.
 */
import { STATUS_CODES } from "node:http";
import type { AdminAnswer } from "../core/admin-call.ts";
import { ERROR_CODES, type ErrorCode, type ProxyError } from "../core/errors.ts";

export const PROBLEM_TYPE = "application/problem+json";

/**
 * The body of a refusal, ending with a newline.
 *
 * @param extra further members, such as what each probe saw; it cannot replace one of ours.
 */
export function problemBody(
  code: ErrorCode,
  message: string,
  extra: Readonly<Record<string, unknown>> = {},
): string {
  const { status } = ERROR_CODES[code];
  const members = {
    type: "about:blank",
    title: STATUS_CODES[status] ?? "Client Closed Request", // 499 is the one status that Node has no phrase for
    status,
    detail: message,
    success: false,
    code,
    message,
  };
  // Ours first for the eye, and again last so that they win.
  return `${JSON.stringify({ ...members, ...extra, ...members })}\n`;
}

/** A refusal of a call of the admin API. `headers` are fields besides Content-Type, such as `Allow`. */
export function problemAnswer(
  code: ErrorCode,
  message: string,
  extra: Readonly<Record<string, unknown>> = {},
  headers: Readonly<Record<string, string>> = {},
): AdminAnswer {
  return {
    status: ERROR_CODES[code].status,
    headers: { "Content-Type": PROBLEM_TYPE, ...headers },
    body: problemBody(code, message, extra),
  };
}

/** The same for a failure that was thrown. Its cause is not told. */
export function problemFromError(
  error: ProxyError,
  extra: Readonly<Record<string, unknown>> = {},
  headers: Readonly<Record<string, string>> = {},
): AdminAnswer {
  return problemAnswer(error.code, error.message, extra, headers);
}
