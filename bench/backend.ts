/**
 * The fixed backend, in a process of its own: 200 with two bytes, kept alive; `node backend.js PORT`.
 *
 * A GET without a body is answered straight from the socket, so that the backend is not what a fast
 * contender waits for. Everything else, with its unread bytes, goes to a node:http server that answers a
 * body with the same body and reports the rest of what it got; some paths
 * have an answer of another size.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createNetServer, type Socket } from "node:net";
import { Readable } from "node:stream";
import { SMALL_BODY as BODY, SIZED_PATHS } from "./backends/sizes.ts";
import { endWithParent } from "./process.ts";

const ANSWER = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${BODY.length}\r\nX-Saw: GET /\r\n\r\n${BODY}`,
  "latin1",
);
const PIECE = Buffer.alloc(64 * 1024, "x");
const HEAD_END = "\r\n\r\n";
const NOT_PLAIN =
  /\r\n(content-length|transfer-encoding|connection: *close|upgrade|expect) *[:\r]|close\r\n/i;

const httpServer = createServer({ keepAliveTimeout: 600_000 }, answer);

function answer(req: IncomingMessage, res: ServerResponse): void {
  res.sendDate = false;
  const sized = Object.entries(SIZED_PATHS).find(([path]) => path === req.url);
  if (sized) return sendSized(res, sized[1]);
  const chunks: Buffer[] = [];
  req.on("data", (chunk: Buffer) => chunks.push(chunk));
  req.on("end", () => {
    const body = Buffer.concat(chunks);
    const answered = body.length > 0 ? body : Buffer.from(BODY);
    res.writeHead(200, {
      "Content-Type": "text/plain",
      "Content-Length": answered.length,
      "X-Saw": `${req.method} ${req.url}`,
    });
    res.end(answered);
  });
}

function sendSized(res: ServerResponse, bytes: number): void {
  res.writeHead(200, { "Content-Type": "text/plain", "Content-Length": bytes });
  Readable.from(pieces(bytes)).pipe(res);
}

function* pieces(bytes: number): Iterable<Buffer> {
  for (let left = bytes; left > 0; left -= PIECE.length)
    yield left < PIECE.length ? PIECE.subarray(0, left) : PIECE;
}

function onConnection(socket: Socket): void {
  socket.setNoDelay(true);
  let rest = "";
  const read = (bytes: Buffer): void => {
    const text = rest + bytes.toString("latin1");
    let from = 0;
    let answers = 0;
    for (let end = text.indexOf(HEAD_END); end >= 0; end = text.indexOf(HEAD_END, from)) {
      const head = text.slice(from, end + 2);
      if (!head.startsWith("GET / HTTP/1.1\r\n") || NOT_PLAIN.test(head)) {
        socket.off("data", read);
        if (answers > 0) socket.write(repeated(answers));
        socket.unshift(Buffer.from(text.slice(from), "latin1"));
        httpServer.emit("connection", socket);
        return;
      }
      answers++;
      from = end + HEAD_END.length;
    }
    rest = text.slice(from);
    if (answers > 0) socket.write(repeated(answers));
  };
  socket.on("data", read);
  socket.on("error", () => socket.destroy());
}

function repeated(times: number): Buffer {
  return times === 1 ? ANSWER : Buffer.concat(Array.from({ length: times }, () => ANSWER));
}

endWithParent();
createNetServer(onConnection).listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4_096 });
