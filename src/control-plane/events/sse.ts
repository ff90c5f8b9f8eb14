/**
 * SSE: one event as the text of an event stream (HTML Standard, "Server-sent events"). Pure.
 */

/** What a browser waits before it connects again. */
export const RETRY_MS = 1_000;

/** Ignored by every reader; keeps proxies in between from taking the stream for dead. */
export const HEARTBEAT = ":\n\n";

/** @param data JSON.stringify escapes every line break, so that it is one line. */
export function eventText(id: string, type: string, data: Readonly<Record<string, unknown>>): string {
  return `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
}
