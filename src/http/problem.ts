/**
 * Problem: a refusal as `application/problem+json` (RFC 9457), the same for the admin API and for a forward
 * that failed. Used in both planes; holds nothing and sends nothing.
 */
import type { AdminAnswer } from "../core/admin-call.ts";
import { ERROR_CODES, type ErrorCode, type ProxyError } from "../core/errors.ts";
import { STATUS_PHRASES } from "../core/status-phrases.ts";

export const PROBLEM_TYPE = "application/problem+json";

/** The body of a failed forward, in one line that ends with a newline. */
export function problemBody(code: ErrorCode, message: string): string {
  return `${JSON.stringify(membersOf(code, message))}\n`;
}

function membersOf(code: ErrorCode, message: string): Readonly<Record<string, unknown>> {
  const { status } = ERROR_CODES[code];
  return {
    type: "about:blank",
    title: STATUS_PHRASES[status] ?? "Client Closed Request", // 499 is the one status that Node has no phrase for
    status,
    detail: message,
    success: false,
    code,
    message,
  };
}

/**
 * A refusal of a call of the admin API, indented for curl like its other answers.
 *
 * @param extra further members, such as what each probe saw; it cannot replace one of ours.
 * @param headers fields besides Content-Type, such as `Allow`.
 */
export function problemAnswer(
  code: ErrorCode,
  message: string,
  extra: Readonly<Record<string, unknown>> = {},
  headers: Readonly<Record<string, string>> = {},
): AdminAnswer {
  const members = membersOf(code, message);
  // Ours first for the eye, and again last so that they win.
  const body = { ...members, ...extra, ...members };
  return {
    status: ERROR_CODES[code].status,
    headers: { "Content-Type": PROBLEM_TYPE, ...headers },
    body: `${JSON.stringify(body, null, 2)}\n`,
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
