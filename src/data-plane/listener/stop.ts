/**
 * Stop: a worker's end. No new connection, what runs may finish, the rest is cut at the limit.
 */
import type { Backend } from "../backend/backend.ts";
import type { Drains } from "./drain.ts";
import type { HttpListener } from "./http-listener.ts";

/** A connection that falls idle is closed within this time. */
const CLOSE_IDLE_EVERY_MS = 50;
/** After the cut: for the last error answers to leave. */
const CUT_MARGIN_MS = 500;

export interface StopOptions {
  readonly listener: HttpListener;
  readonly backends: readonly Backend[];
  readonly drains: Drains;
  readonly graceMs: number;
  readonly websocketWindowMs: number;
}

/** Settles in any case, at most `graceMs` and a margin later. */
export function stopListener(options: StopOptions): Promise<"drained" | "cut"> {
  const {
    listener: { server, connections },
    backends,
    drains,
    graceMs,
    websocketWindowMs,
  } = options;
  return new Promise((resolve) => {
    let outcome: "drained" | "cut" = "drained";
    const begin = (): void => {
      server.close(() => {
        clearInterval(closer);
        resolve(outcome);
      });
      const limits = { deadlineMs: graceMs, websocketWindowMs: Math.min(websocketWindowMs, graceMs) };
      // node:http does not take a connection for idle that has not sent anything yet.
      for (const socket of connections) if (socket.bytesRead === 0) socket.destroy();
      for (const backend of backends) drains.start(backend, limits);
    };
    // Answers that were begun before the end had been announced leave their connection open.
    const closer = setInterval(() => server.closeIdleConnections(), CLOSE_IDLE_EVERY_MS);
    const cut = (): void => {
      outcome = "cut";
      setTimeout(() => {
        server.closeAllConnections();
        resolve(outcome);
      }, CUT_MARGIN_MS);
    };
    setTimeout(cut, graceMs).unref();
    // What waits in the kernel's queue was sent before the end: take it in, in two rounds of the event loop.
    setImmediate(() => setImmediate(begin));
  });
}
