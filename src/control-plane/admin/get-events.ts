/**
 * GET /events: what is, then every change as it happens, as a stream of events (SSE) that the client reads
 * for as long as it likes.
 */
import type { AdminAnswer, AdminCall, AdminStream } from "../../core/admin-call.ts";
import { ProxyError } from "../../core/errors.ts";
import { problemAnswer } from "../../http/problem.ts";
import { MAX_SUBSCRIBERS } from "../events/event-subscribers.ts";
import type { AdminDeps } from "./admin-deps.ts";

const RETRY_AFTER_SECONDS = 5;

/** @throws ProxyError NOT_READY when the daemon is ending */
export function getEvents(call: AdminCall, { events }: AdminDeps): AdminAnswer | AdminStream {
  if (events.isClosed) throw new ProxyError("NOT_READY", "the daemon is ending");
  if (events.isFull) {
    return problemAnswer(
      "TOO_MANY_SUBSCRIBERS",
      `${MAX_SUBSCRIBERS} clients read events already; end one of them, or try again`,
      {},
      { "Retry-After": String(RETRY_AFTER_SECONDS) },
    );
  }
  return {
    status: 200,
    // X-Accel-Buffering: an nginx in between passes each event on at once.
    headers: { "Content-Type": "text/event-stream", "X-Accel-Buffering": "no" },
    body: "",
    open: (sink) => events.open(sink, call.headers["last-event-id"] ?? null),
  };
}
