/**
 * Retry conditions: what may be the matter with an attempt so that the request is sent once more, as operators write
 * it in `upstream.retry_on`. Names as Envoy and HAProxy have them where they have one.
 */
export const RETRY_CONDITIONS = [
  "connect-failure",
  "dead-connection",
  "closed",
  "response-timeout",
  "invalid-answer",
  "5xx",
] as const;

/** One of the names, or a single status from 500 to 599. */
export type RetryCondition = (typeof RETRY_CONDITIONS)[number] | number;
