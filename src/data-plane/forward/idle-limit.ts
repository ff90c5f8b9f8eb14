/**
 * Idle limit: how long a connection to a backend may lie idle and still be given to a request.
 *
 * Pure. The limit that counts is the backend's: a request sent at the moment at which it closes is lost.
 */
import type { BackendConnection } from "./backend-connection.ts";

export type Idle = Pick<BackendConnection, "idleSinceMs" | "idleLimitMs" | "isUsed">;

/**
 * For one on which no request was ever sent: a backend waits for the first request as for a slow one, and then closes,
 * or answers 408 unasked. Apache after 20 s, Node.js and nginx after 60 s, HAProxy as it is told, often 10 s. Longer
 * than a switch takes by its own default time limits.
 */
export const UNUSED_LIMIT_MS = 15_000;

/** What is known of the backend's own limit; Infinity: nothing. */
export function backendLimitMs({ isUsed, idleLimitMs }: Idle): number {
  return isUsed ? idleLimitMs : UNUSED_LIMIT_MS;
}

/** @param ownLimitMs ours, beside the backend's. */
export function isStale(connection: Idle, ownLimitMs: number, nowMs: number): boolean {
  return nowMs - connection.idleSinceMs > Math.min(ownLimitMs, backendLimitMs(connection));
}
