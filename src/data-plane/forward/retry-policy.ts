/**
 * Retry policy: which failure of an attempt lets a request be sent once more, and where to. Pure; of a whole worker.
 *
 * Of which nothing was sent may go anywhere, whatever it is. Once something was, only what does no harm twice is sent
 * again: idempotent, and without a body, as nothing of a body is kept. nginx (`proxy_next_upstream`) draws that line too;
 * HAProxy (`retry-on`) and Envoy (`retry_on`) leave it to the operator.
 */
import type { RetryCondition } from "../../core/retry-conditions.ts";

/** Safe methods (RFC 9110 §9.2.1). */
const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);
/** RFC 9110 §9.2.2. Of what nobody has registered we know nothing. */
const IDEMPOTENT: ReadonlySet<string> = new Set([...SAFE, "PUT", "DELETE"]);

interface CauseSpec {
  /** What of the operator's list allows it. */
  readonly condition: RetryCondition | "status";
  /** Methods that may be sent again, without a body; null: nothing was sent, so all may. */
  readonly methods: ReadonlySet<string> | null;
  /** A fresh connection may mend it, so that the same backend will do where there is no other one. */
  readonly maySameMend: boolean;
}

/** What has become of an attempt. */
export const CAUSES = {
  connectFailed: { condition: "connect-failure", methods: null, maySameMend: true },
  /** All connections are busy, and the queue is full. */
  noRoom: { condition: "connect-failure", methods: null, maySameMend: false },
  connectTimedOut: { condition: "connect-failure", methods: null, maySameMend: false },
  /** A reused connection closed before the first byte: the request crossed with the closing of an idle one. */
  idleClosed: { condition: "dead-connection", methods: SAFE, maySameMend: true },
  /** A fresh one did: the backend has died. Its other connections do too, and those requests are moved: so is this one. */
  freshClosed: { condition: "dead-connection", methods: SAFE, maySameMend: false },
  closed: { condition: "closed", methods: IDEMPOTENT, maySameMend: true },
  timedOut: { condition: "response-timeout", methods: IDEMPOTENT, maySameMend: false },
  invalidAnswer: { condition: "invalid-answer", methods: IDEMPOTENT, maySameMend: false },
  status: { condition: "status", methods: IDEMPOTENT, maySameMend: false },
} as const satisfies Record<string, CauseSpec>;

export type Cause = keyof typeof CAUSES;

/** Above every status: none is retried. */
const NO_STATUS = 1_000;

export class RetryPolicy {
  /** How often a request is sent again. */
  readonly retries: number;
  /** The attempt's number is told to the backend. */
  readonly hasAttemptCount: boolean;
  /** No status below is retried. */
  readonly lowestStatus: number;
  readonly #conditions: ReadonlySet<RetryCondition | "status">;

  constructor(retries: number, conditions: readonly RetryCondition[], hasAttemptCount: boolean) {
    this.retries = retries;
    this.hasAttemptCount = hasAttemptCount;
    const statuses = conditions.filter((each) => typeof each === "number");
    this.lowestStatus = Math.min(NO_STATUS, conditions.includes("5xx") ? 500 : NO_STATUS, ...statuses);
    this.#conditions = new Set([...conditions, "status"]);
  }

  hasStatus(status: number): boolean {
    return this.#conditions.has(status) || (status >= 500 && status < 600 && this.#conditions.has("5xx"));
  }

  /** Whether a request may be sent again for that. A status is asked for by itself, see `hasStatus`. */
  allows(cause: Cause, { method, hasBody }: { readonly method: string; readonly hasBody: boolean }): boolean {
    const { condition, methods }: CauseSpec = CAUSES[cause];
    if (!this.#conditions.has(condition)) return false;
    return methods === null || (!hasBody && methods.has(method));
  }
}
