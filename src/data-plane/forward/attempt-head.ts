/**
 * Attempt head: the head of a request that is sent once more. Pure. That of the first attempt is headers.ts's.
 *
 * `X-Attempt-Count: 2` tells the backend that somebody may have seen this request before, as Envoy's
 * `x-envoy-attempt-count` does, without the product in the name. It stands behind all other fields.
 */
import type { ForwardedRequest } from "./headers.ts";

/**
 * @param moved `host:port` of the first attempt's backend, and of this one's: `Host` where the client sent none.
 * @param attempt its number from 2 on; null: it is not told.
 */
export function headOfAttempt(
  { head, isHostOurs }: Pick<ForwardedRequest, "head" | "isHostOurs">,
  { from, to }: { readonly from: string; readonly to: string },
  attempt: number | null,
): string {
  const renamed = isHostOurs ? head.replace(`\r\nHost: ${from}\r\n`, () => `\r\nHost: ${to}\r\n`) : head;
  return attempt === null ? renamed : `${renamed.slice(0, -2)}X-Attempt-Count: ${attempt}\r\n\r\n`;
}
