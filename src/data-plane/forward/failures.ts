/**
 * What went wrong on the way to a backend: errors of undici and of the sockets, named by our codes. Pure.
 */
import { ERROR_CODES, type ForwardErrorCode, ProxyError } from "../../core/errors.ts";

/** undici's and Node's codes for "no connection in time". */
const CONNECT_TIMEOUTS: ReadonlySet<string> = new Set(["UND_ERR_CONNECT_TIMEOUT", "ETIMEDOUT"]);
/** The request is one that undici will not send: what node:http lets in and undici does not. */
const REFUSED_REQUESTS: ReadonlySet<string> = new Set(["UND_ERR_INVALID_ARG", "UND_ERR_NOT_SUPPORTED"]);
const INVALID_ANSWERS: ReadonlySet<string> = new Set([
  "UND_ERR_HEADERS_OVERFLOW",
  "UND_ERR_RES_CONTENT_LENGTH_MISMATCH",
  "ERR_INVALID_CHAR",
  "ERR_HTTP_INVALID_STATUS_CODE",
]);
/** undici has one code for a lost connection and for these two faults of the answer. */
const INVALID_ANSWER_MESSAGES: ReadonlySet<string> = new Set(["bad response", "bad upgrade"]);

export interface Failure {
  readonly code: ForwardErrorCode;
  /** For the log and the answer: names the backend, no stack. */
  readonly message: string;
}

/**
 * @param isSent the request had a connection; before that, every failure is one of connecting.
 * @param origin of the backend, for the message.
 */
export function nameFailure(error: Error, isSent: boolean, origin: string): Failure {
  if (error instanceof ProxyError) return { code: error.code as ForwardErrorCode, message: error.message };
  const code = "code" in error ? String(error.code) : "";
  if (REFUSED_REQUESTS.has(code)) return { code: "MALFORMED_REQUEST", message: error.message };
  if (!isSent) {
    return CONNECT_TIMEOUTS.has(code)
      ? { code: "BACKEND_CONNECT_TIMEOUT", message: `no connection to ${origin} in time` }
      : { code: "BACKEND_CONNECT_FAILED", message: `cannot connect to ${origin}: ${describe(error, code)}` };
  }
  const isInvalid =
    error.name === "HTTPParserError" || // undici's, which has a code only now and then
    code.startsWith("HPE_") || // Node's
    INVALID_ANSWERS.has(code) ||
    INVALID_ANSWER_MESSAGES.has(error.message);
  return isInvalid
    ? {
        code: "BACKEND_INVALID_ANSWER",
        message: `the answer of ${origin} is not valid HTTP: ${describe(error, code)}`,
      }
    : { code: "BACKEND_CLOSED", message: `${origin} closed the connection: ${describe(error, code)}` };
}

function describe(error: Error, code: string): string {
  if (error.message !== "") return error.message;
  // An AggregateError of several addresses that were tried has no text of its own.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : undefined;
  return first instanceof Error ? first.message : code;
}

/** The metric's label for a code: `backend_connect_failed`. */
export function reasonOf(code: ForwardErrorCode): string {
  return code.toLowerCase();
}

/** Whether the failure is the backend's or the way's to it, so that it counts as an upstream error. */
export function isUpstreamFailure(code: ForwardErrorCode): boolean {
  return ERROR_CODES[code].source === "backend" || code === "POOL_EXHAUSTED" || code === "DRAIN_DEADLINE";
}
