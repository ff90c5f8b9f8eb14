/**
 * Stop: a worker's end. No new connection, what runs may finish, the rest is cut at the limit.
 */
import type { Drained, Drains } from "./drain.ts";
import type { HttpListener } from "./http-listener.ts";

/** A connection that falls idle is closed within this time. */
const CLOSE_IDLE_EVERY_MS = 50;
/** The queue is taken for empty after so many rounds of the event loop without a connection. */
const QUIET_ROUNDS = 3;
/** The queue never falls empty while clients go on connecting. */
const ACCEPT_LIMIT_MS = 250;
/** A connection that has not sent anything yet: for what the client has sent and we have not read. */
const FIRST_BYTES_MS = 100;
/** After the cut: for the last error answers to leave. */
const CUT_MARGIN_MS = 500;

export interface StopOptions {
  readonly listener: HttpListener;
  readonly all: Drained;
  readonly drains: Drains;
  readonly graceMs: number;
  readonly websocketWindowMs: number;
}

/** Settles in any case, at most `graceMs` and a margin later. */
export function stopListener(options: StopOptions): Promise<"drained" | "cut"> {
  const { listener, all, drains, graceMs, websocketWindowMs } = options;
  return new Promise((resolve) => {
    let outcome: "drained" | "cut" = "drained";
    let isFirstBytesOver = false;
    const begin = (): void => {
      listener.close(() => {
        clearInterval(closer);
        resolve(outcome);
      });
      const limits = { deadlineMs: graceMs, websocketWindowMs: Math.min(websocketWindowMs, graceMs) };
      setTimeout(() => {
        isFirstBytesOver = true;
      }, FIRST_BYTES_MS);
      drains.start(all, limits);
    };
    // Answers that were begun before the end had been announced leave their connection open.
    const closer = setInterval(
      () =>
        afterReading(() => {
          listener.closeIdle();
          if (isFirstBytesOver) listener.closeSilent();
        }),
      CLOSE_IDLE_EVERY_MS,
    );
    const cut = (): void => {
      outcome = "cut";
      setTimeout(() => {
        listener.closeAll();
        resolve(outcome);
      }, CUT_MARGIN_MS);
    };
    setTimeout(cut, graceMs).unref();
    acceptWaiting(listener, begin);
  });
}

/** A timer fires before the sockets are looked at: what has come by now may lie unread in the kernel. */
function afterReading(run: () => void): void {
  setImmediate(() => setImmediate(run));
}

/**
 * Takes in the connections that wait in the kernel's queue: they were made before the end, and closing the
 * queue would reset them. libuv accepts one in each round of the event loop.
 */
function acceptWaiting(listener: HttpListener, done: () => void): void {
  const endMs = performance.now() + ACCEPT_LIMIT_MS;
  let quietRounds = 0;
  let { accepted } = listener;
  const round = (): void => {
    if (listener.accepted !== accepted) quietRounds = 0;
    accepted = listener.accepted;
    if (quietRounds++ < QUIET_ROUNDS && performance.now() < endMs) return void setImmediate(round);
    done();
  };
  setImmediate(round);
}
