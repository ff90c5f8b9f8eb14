/**
 * The backend of WebSockets, in a process of its own: takes every upgrade and sends each message back; to any other
 * request it answers 200 with two bytes; `node echo.js PORT`.
 */
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { ClientFrames } from "../load/frames.ts";
import { endWithParent } from "../process.ts";
import { SMALL_BODY } from "./sizes.ts";

/** @see RFC 6455 §4.2.2 */
const KEY_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const server = createServer({ keepAliveTimeout: 600_000 }, (_req, res) => res.end(SMALL_BODY));
server.on("upgrade", (req, socket) => {
  const key = createHash("sha1").update(`${req.headers["sec-websocket-key"]}${KEY_SUFFIX}`).digest("base64");
  const frames = new ClientFrames();
  socket.on("error", () => socket.destroy()).on("end", () => socket.end());
  socket.on("data", (bytes: Buffer) => {
    try {
      const echo = frames.echo(bytes);
      if (echo.length > 0) socket.write(echo);
    } catch {
      socket.destroy(); // a frame that no bench sends, such as a close
    }
  });
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n\r\n`,
  );
});

endWithParent();
server.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4_096 });
