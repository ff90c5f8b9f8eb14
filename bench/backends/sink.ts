/**
 * The backend of uploads, in a process of its own: reads the whole body, throws it away, and only then answers
 * 200 with two bytes; `node sink.js PORT`. Straight on the socket, so that it costs less than a proxy.
 *
 * nginx would do, but its `return 200` answers before it has read the body.
 */
import { createServer, type Socket } from "node:net";
import { endWithParent } from "../process.ts";
import { SMALL_BODY } from "./sizes.ts";

const HEAD_END = "\r\n\r\n";
const MOST_HEAD_BYTES = 16 * 1024;

function answer(status: string, isLast: boolean): string {
  const body = status.startsWith("200") ? SMALL_BODY : "";
  const fields = `Content-Length: ${body.length}\r\n${isLast ? "Connection: close\r\n" : ""}`;
  return `HTTP/1.1 ${status}\r\n${fields}\r\n${body}`;
}

const KEPT = Buffer.from(answer("200 OK", false), "latin1");

function onConnection(socket: Socket): void {
  let unread: Buffer = Buffer.alloc(0);
  let bodyLeft = 0;
  let isLast = false;
  const reply = (): void => {
    if (isLast) socket.end(answer("200 OK", true));
    else socket.write(KEPT);
  };
  /** @returns how many bytes the head has; 0: it is not whole. */
  const readHead = (bytes: Buffer): number => {
    const end = bytes.indexOf(HEAD_END);
    if (end < 0) return 0;
    const head = bytes.toString("latin1", 0, end + 2);
    isLast = /\r\nconnection: *close\r\n/i.test(head);
    bodyLeft = Number(/\r\ncontent-length: *(\d+)\r\n/i.exec(head)?.[1] ?? 0);
    if (/\r\ntransfer-encoding:/i.test(head)) socket.end(answer("411 Length Required", true));
    return end + HEAD_END.length;
  };
  socket.on("data", (chunk) => {
    let bytes = unread.length > 0 ? Buffer.concat([unread, chunk]) : chunk;
    while (bytes.length > 0) {
      if (bodyLeft === 0) {
        const headBytes = readHead(bytes);
        if (headBytes === 0) break;
        bytes = bytes.subarray(headBytes);
        if (bodyLeft === 0) reply();
      } else {
        const taken = Math.min(bodyLeft, bytes.length);
        bodyLeft -= taken;
        bytes = bytes.subarray(taken);
        if (bodyLeft === 0) reply();
      }
    }
    unread = bytes;
    if (unread.length > MOST_HEAD_BYTES) socket.destroy();
  });
  socket.on("error", () => socket.destroy());
}

endWithParent();
createServer({ noDelay: true }, onConnection).listen({
  port: Number(process.argv[2]),
  host: "127.0.0.1",
  backlog: 4_096,
});
