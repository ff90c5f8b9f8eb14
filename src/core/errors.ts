/**
 * Every failure that a client or an operator can meet: one class, one table.
 *
 * `status` is what is answered, `source` whose fault it is, `proxyStatus` the error type of RFC 9209
 * §2.3 that the `Proxy-Status` field of a failed forward carries. README.md lists the same table and
 * a test holds the two equal.
 */
interface ErrorSpec {
  readonly status: number;
  readonly source: "client" | "proxy" | "backend";
  readonly about: string;
  readonly proxyStatus?: string;
}

/** Failures of a client's request on the traffic port. */
export const FORWARD_ERRORS = {
  MALFORMED_REQUEST: {
    status: 400,
    source: "client",
    about: "the request is not valid HTTP",
    proxyStatus: "http_request_error",
  },
  REQUEST_TIMEOUT: {
    status: 408,
    source: "client",
    about:
      "the request, or the next piece of its body, did not arrive in time, or the body came slower than server.min_body_rate",
    proxyStatus: "http_request_error",
  },
  BODY_TOO_LARGE: {
    status: 413,
    source: "client",
    about: "the body is larger than server.max_body_bytes",
    proxyStatus: "http_request_error",
  },
  TARGET_TOO_LONG: {
    status: 414,
    source: "client",
    about: "the request target is longer than server.max_target_bytes",
    proxyStatus: "http_request_error",
  },
  HEADERS_TOO_LARGE: {
    status: 431,
    source: "client",
    about:
      "the request head, or the trailers, are larger than server.max_header_bytes or have more than server.max_header_count fields",
    proxyStatus: "http_request_error",
  },
  CLIENT_ABORTED: {
    status: 499,
    source: "client",
    about: "the client left before the answer was complete; counted and logged, never sent",
  },
  BACKEND_CONNECT_FAILED: {
    status: 502,
    source: "backend",
    about: "no connection to the backend",
    proxyStatus: "connection_refused",
  },
  BACKEND_CLOSED: {
    status: 502,
    source: "backend",
    about: "the backend closed or reset the connection before its answer was complete",
    proxyStatus: "connection_terminated",
  },
  BACKEND_INVALID_ANSWER: {
    status: 502,
    source: "backend",
    about:
      "the backend's answer is not valid HTTP, its head is larger than upstream.max_header_bytes or has more than upstream.max_header_count fields, too many interim answers came before it, or it is a 101 that nobody asked for",
    proxyStatus: "http_protocol_error",
  },
  POOL_EXHAUSTED: {
    status: 503,
    source: "proxy",
    about:
      "every connection to the backend is busy and the queue is full, or the wait in it took longer than upstream.queue_timeout",
    proxyStatus: "connection_limit_reached",
  },
  NO_BACKEND_AVAILABLE: {
    status: 503,
    source: "proxy",
    about:
      "no backend of the active version takes requests now: each is drained, full, or judged unfit, see GET /status",
    proxyStatus: "destination_unavailable",
  },
  TOO_MANY_REQUESTS_IN_FLIGHT: {
    status: 503,
    source: "proxy",
    about: "more than server.max_in_flight requests run",
    proxyStatus: "proxy_internal_response",
  },
  HOLD_FULL: {
    status: 503,
    source: "proxy",
    about:
      "requests wait until a switch or a pause is over, and switch.hold.max_requests or switch.hold.max_bytes is reached",
    proxyStatus: "proxy_internal_response",
  },
  TOO_MANY_CONNECTIONS: {
    status: 503,
    source: "proxy",
    about:
      "the client's address, or all clients together, have more connections than server.max_connections_per_client or server.max_connections",
    // A limit of the config refused it; RFC 9209's connection_limit_reached is about the next hop.
    proxyStatus: "http_request_denied",
  },
  BACKEND_CONNECT_TIMEOUT: {
    status: 504,
    source: "backend",
    about: "no connection to the backend within upstream.connect_timeout",
    proxyStatus: "connection_timeout",
  },
  BACKEND_RESPONSE_TIMEOUT: {
    status: 504,
    source: "backend",
    about: "no answer from the backend within upstream.response_timeout",
    proxyStatus: "http_response_timeout",
  },
  BACKEND_BODY_TIMEOUT: {
    status: 504,
    source: "backend",
    about: "nothing more of the answer's body within upstream.body_idle_timeout; the answer is cut",
    proxyStatus: "connection_read_timeout",
  },
  DRAIN_DEADLINE: {
    status: 504,
    source: "proxy",
    about:
      "the version was switched away from, or the backend drained or removed, and switch.drain.deadline passed; or the daemon is ending and server.shutdown_grace passed",
    proxyStatus: "proxy_internal_response",
  },
  LOOP_DETECTED: {
    status: 508,
    source: "client",
    about: "the request's Forwarded or Via names this proxy: it was here before",
    proxyStatus: "proxy_loop_detected",
  },
  INTERNAL_ERROR: {
    status: 500,
    source: "proxy",
    about: "a fault of the proxy itself; the log has the details",
    proxyStatus: "proxy_internal_error",
  },
} as const satisfies Record<string, ErrorSpec>;

/** Refusals of a call of the admin API. */
export const ADMIN_ERRORS = {
  MALFORMED_CALL: {
    status: 400,
    source: "client",
    about: "the body is not the JSON object that the call takes",
  },
  UNAUTHORIZED: { status: 401, source: "client", about: "the bearer token is missing or wrong" },
  FORBIDDEN: {
    status: 403,
    source: "client",
    about: "the caller may not do this; the message says what to set, or which role is needed",
  },
  UNKNOWN_VERSION: { status: 404, source: "client", about: "no version of that name is configured" },
  UNKNOWN_BACKEND: { status: 404, source: "client", about: "the version has no backend of that name" },
  NOT_FOUND: { status: 404, source: "client", about: "no such path on the admin listener" },
  METHOD_NOT_ALLOWED: {
    status: 405,
    source: "client",
    about: "the path does not take this method; see Allow",
  },
  CALL_TIMEOUT: { status: 408, source: "client", about: "the body of the call did not arrive within 10 s" },
  SWITCH_IN_PROGRESS: { status: 409, source: "client", about: "another switch is running, or about to" },
  NOTHING_TO_ROLL_BACK: {
    status: 409,
    source: "client",
    about: "the last change was no switch, or was already rolled back",
  },
  LAST_BACKEND: {
    status: 409,
    source: "client",
    about:
      "no other backend of the version could take traffic then; force passes it, but not for its very last one",
  },
  BACKEND_OF_A_NAME: {
    status: 409,
    source: "client",
    about: "DNS says whether the backend is there (resolve: all); it can be drained and weighted",
  },
  TOO_MANY_BACKENDS: {
    status: 409,
    source: "client",
    about: "1,000 backends of the version, or as many changes by hand, are there already",
  },
  EXPECTATION_FAILED: {
    status: 412,
    source: "client",
    about: "`expect` does not match the active version or the epoch",
  },
  CALL_TOO_LARGE: { status: 413, source: "client", about: "the body of the call is larger than 16 KiB" },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    source: "client",
    about: "the call needs Content-Type: application/json",
  },
  UNSUPPORTED_EXPECT: {
    status: 417,
    source: "client",
    about: "the Expect field asks for something else than 100-continue",
  },
  GATE_REFUSED: {
    status: 422,
    source: "backend",
    about: "the target did not pass its probes; nothing changed",
  },
  IDEMPOTENCY_KEY_REUSED: {
    status: 422,
    source: "client",
    about: "the Idempotency-Key was used with another body",
  },
  SWITCH_COOLING_DOWN: {
    status: 429,
    source: "client",
    about: "the last switch was less than switch.min_interval ago; see Retry-After",
  },
  STATE_WRITE_FAILED: {
    status: 500,
    source: "proxy",
    about: "the state folder could not be written; nothing changed",
  },
  ADMIN_INTERNAL_ERROR: {
    status: 500,
    source: "proxy",
    about: "a fault of the proxy itself; the log has the details",
  },
  NOT_READY: { status: 503, source: "proxy", about: "no worker is ready to switch, or the daemon is ending" },
  TOO_MANY_CALLS: {
    status: 503,
    source: "proxy",
    about:
      "8 dry runs probe already, 100 calls wait for the first one with their Idempotency-Key, or 100 changes of backends wait; see Retry-After",
  },
  TOO_MANY_SUBSCRIBERS: {
    status: 503,
    source: "proxy",
    about: "32 clients read GET /events already; see Retry-After",
  },
} as const satisfies Record<string, ErrorSpec>;

export const ERROR_CODES = { ...FORWARD_ERRORS, ...ADMIN_ERRORS } as const;

export type ForwardErrorCode = keyof typeof FORWARD_ERRORS;
export type AdminErrorCode = keyof typeof ADMIN_ERRORS;
export type ErrorCode = keyof typeof ERROR_CODES;

/**
 * Whether the proxy itself refuses a request with `code`. A backend's fault is none; a client that left is
 * told nothing; a connection that is one too many is counted as a connection.
 */
export function isRefusal(code: ForwardErrorCode): boolean {
  if (code === "CLIENT_ABORTED" || code === "TOO_MANY_CONNECTIONS") return false;
  return FORWARD_ERRORS[code].source !== "backend";
}

/** A failure with a code of the table. Match on `code`, never on the message. */
export class ProxyError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ProxyError";
    this.code = code;
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }
}

/** Why the daemon cannot start or go on, said to the operator without a stack; becomes the exit code. */
export class StartError extends Error {
  readonly exitCode: 1 | 2;

  constructor(message: string, exitCode: 1 | 2, options?: ErrorOptions) {
    super(message, options);
    this.name = "StartError";
    this.exitCode = exitCode;
  }
}
