/**
 * Past attempts: what a request that is sent once more keeps of those that failed. Nearly none has any.
 */
import type { Backend } from "../backend/backend.ts";
import { headOfAttempt } from "./attempt-head.ts";
import type { ForwardedRequest } from "./headers.ts";

export class PastAttempts {
  /** Of each, in order; the same one twice when there was no other. */
  readonly backends: Backend[] = [];
  /** The head of an answer has to come by then, whoever gives it; ms of the sweeper's clock. */
  answerByMs: number;
  /** An answer is held back: where the request goes when it has been dropped. */
  next: Backend | null = null;

  constructor(answerByMs: number) {
    this.answerByMs = answerByMs;
  }

  /** The head as this attempt sends it. */
  head(request: ForwardedRequest, to: Backend, hasAttemptCount: boolean): string {
    const [first] = this.backends;
    const moved = { from: first?.authority ?? to.authority, to: to.authority };
    return headOfAttempt(request, moved, hasAttemptCount ? this.backends.length + 1 : null);
  }
}
