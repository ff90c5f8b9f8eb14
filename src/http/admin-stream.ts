/**
 * Admin stream: writes an AdminStream to the client of the admin listener, for as long as it lasts.
 *
 * Runs in the primary. Knows nothing of what is streamed; whoever writes decides how much may wait.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AdminAnswer, AdminSink, AdminStream } from "../core/admin-call.ts";
import { answerFields } from "./admin-exchange.ts";

/** What a client gets to take the last of an ended stream; then it is cut. */
const END_LIMIT_MS = 500;

export function isStream(answer: AdminAnswer | AdminStream): answer is AdminStream {
  return "open" in answer;
}

/** Sends the head and opens the stream. Never throws; a client that has left is no failure. */
export function writeAdminStream(req: IncomingMessage, res: ServerResponse, stream: AdminStream): void {
  if (res.destroyed || res.headersSent || res.socket === null) return;
  res.shouldKeepAlive = false; // the end of the stream is the end of the connection
  res.writeHead(stream.status, answerFields(stream));
  if (req.method === "HEAD") {
    res.end();
    return;
  }
  res.socket.setNoDelay(true);
  res.on("error", () => {}); // it left; "close" follows
  res.once("close", stream.open(sinkOf(res)));
}

function sinkOf(res: ServerResponse): AdminSink {
  return {
    write: (text) => void (res.destroyed || res.write(text)),
    waitingBytes: () => res.writableLength,
    end: () => {
      res.end();
      const timer = setTimeout(() => res.destroy(), END_LIMIT_MS);
      res.once("close", () => clearTimeout(timer));
    },
    destroy: () => void res.destroy(),
  };
}
