/**
 * What a backend of the drill answers.
 *
 * | Path | Answer |
 * |---|---|
 * | `POST /upload` | the number and the SHA-256 of the bytes that came |
 * | `/events` | numbered events (SSE) from 1, each written in two pieces, until the client leaves |
 * | anything else | the target it was asked for |
 *
 * Each says which version answers.
 */
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { systemClock } from "../core/clock.ts";
import type { Version } from "../core/version.ts";
import { encodeEvent } from "./event-stream.ts";

const EVENT_PAUSE_MS = 15;
/** Between the two pieces of an event: a cut that does not look at events has something to tear. */
const PIECE_PAUSE_MS = 5;

export function answer(version: Version, req: IncomingMessage, res: ServerResponse): void {
  if (req.url === "/upload") return answerUpload(version, req, res);
  req.resume();
  if (req.url === "/events") return sendEvents(version, res);
  sendJson(res, { version, target: req.url });
}

function answerUpload(version: Version, req: IncomingMessage, res: ServerResponse): void {
  const hash = createHash("sha256");
  let bytes = 0;
  req.on("data", (piece: Buffer) => {
    bytes += piece.length;
    hash.update(piece);
  });
  req.on("end", () => sendJson(res, { version, bytes, sha256: hash.digest("hex") }));
}

function sendJson(res: ServerResponse, value: object): void {
  const body = JSON.stringify(value);
  res.writeHead(200, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) });
  res.end(body);
}

function sendEvents(version: Version, res: ServerResponse): void {
  res.writeHead(200, {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Version": version,
  });
  let id = 0;
  let timer: NodeJS.Timeout;
  const sendFirstPiece = (): void => {
    const event = encodeEvent({ id: ++id, sentAtMs: systemClock.nowMs() });
    const middle = event.length >> 1;
    res.write(event.slice(0, middle));
    timer = setTimeout(() => {
      res.write(event.slice(middle));
      timer = setTimeout(sendFirstPiece, EVENT_PAUSE_MS);
    }, PIECE_PAUSE_MS);
  };
  sendFirstPiece();
  res.on("close", () => clearTimeout(timer));
}
