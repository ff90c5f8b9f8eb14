/** The WebSocket side of a backend of the drill: says which version it is, and sends every message back. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { Version } from "../core/version.ts";
import { acceptOf, encodeFrame, FrameReader, OPCODE } from "./websocket.ts";

/** Between the two pieces of an echo: a close frame that does not look at frames would land amid one. */
const PIECE_PAUSE_MS = 2;

/** Any target, any key. An echo has the version in front: `v1:` and the message. */
export function echoMessages(
  version: Version,
  { req, socket, head }: { req: IncomingMessage; socket: Duplex; head: Buffer },
): void {
  const accept = acceptOf(req.headers["sec-websocket-key"] ?? "");
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Accept: ${accept}\r\nX-Version: ${version}\r\n\r\n`,
  );
  const reader = new FrameReader();
  const send = inPieces(socket);
  const read = (bytes: Buffer): void => {
    for (const { opcode, payload } of reader.push(bytes) ?? []) {
      if (opcode === OPCODE.text) send(Buffer.concat([Buffer.from(`${version}:`), payload]), OPCODE.text);
      if (opcode === OPCODE.close) send(payload, OPCODE.close);
    }
  };
  socket.on("error", () => undefined); // "close" follows
  socket.on("data", read);
  socket.on("end", () => socket.end());
  if (head.length > 0) read(head);
}

/** One frame after the other; the first half of each, and the second a moment later. Ends after a close frame. */
function inPieces(socket: Duplex): (payload: Buffer, opcode: number) => void {
  let last = Promise.resolve();
  return (payload, opcode) => {
    const frame = encodeFrame(opcode, payload, false);
    const middle = frame.length >> 1;
    last = last.then(async () => {
      socket.write(frame.subarray(0, middle));
      await delay(PIECE_PAUSE_MS);
      socket.write(frame.subarray(middle));
      if (opcode === OPCODE.close) socket.end();
    });
  };
}
