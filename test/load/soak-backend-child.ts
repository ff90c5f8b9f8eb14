/**
 * The backend of the soak: `soak-backend-child VERSION`. Over node:http, which reads what the daemon sends with a
 * parser that is not ours. Tells its parent its port.
 *
 *   GET  /bytes?id&length          a body with its length
 *   GET  /stream?id&length&pieces  a body in pieces, chunked, with a trailer
 *   POST /echo                     the body as it comes; when it was chunked, its trailer too
 *   POST /store?id                 reads the body, checks it, says how long it was
 *   POST /refuse                   417 at once, without reading
 *   GET  /break?id&length&after    breaks the connection after so many bytes of the body; -1: before the answer
 *   any upgrade                    101, and then whatever comes
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { endWithParent, tellParent } from "./child.ts";
import { checkContent, contentOf } from "./content.ts";

const [version = ""] = process.argv.slice(2);
const MAX_PAUSE_MS = 5;

type Asked = (name: string) => number;
type Answer = (req: IncomingMessage, res: ServerResponse, asked: Asked) => unknown;

const ANSWERS: Readonly<Record<string, Answer>> = {
  "/": (_req, res) => res.end("up"),
  "/bytes": (_req, res, asked) => {
    res.setHeader("Content-Length", asked("length"));
    res.end(contentOf(asked("id"), 0, asked("length")));
  },
  "/stream": async (_req, res, asked) => {
    const [id, length, pieces] = [asked("id"), asked("length"), asked("pieces")];
    res.writeHead(200, { "Transfer-Encoding": "chunked", Trailer: "X-End" });
    for (let i = 0; i < pieces && !res.destroyed; i++) {
      const cut = (n: number): number => Math.floor((length * n) / pieces);
      const piece = contentOf(id, cut(i), cut(i + 1));
      if (piece.length > 0) res.write(piece);
      await delay(i % (MAX_PAUSE_MS + 1));
    }
    res.addTrailers({ "X-End": String(id) });
    res.end();
  },
  "/echo": (req, res) => {
    if (req.headers["transfer-encoding"] !== undefined) res.setHeader("Trailer", "X-Got");
    else res.setHeader("Content-Length", req.headers["content-length"] ?? 0);
    res.flushHeaders();
    req.on("data", (piece: Buffer) => {
      if (!res.write(piece)) req.pause();
    });
    res.on("drain", () => req.resume());
    req.on("end", () => {
      if (res.hasHeader("Trailer")) res.addTrailers({ "X-Got": String(req.trailers["x-sent"]) });
      res.end();
    });
  },
  "/store": (req, res, asked) => {
    let length = 0;
    let fault = "";
    req.on("data", (piece: Buffer) => {
      try {
        checkContent(piece, asked("id"), length);
      } catch (error) {
        fault ||= String(error);
      }
      length += piece.length;
    });
    req.on("end", () => res.end(fault === "" ? `stored ${length}` : fault));
  },
  "/refuse": (_req, res) => {
    res.writeHead(417, { "Content-Length": 7 });
    res.end("refused");
  },
  "/break": (_req, res, asked) => {
    const after = asked("after");
    const breakOff = (): unknown => res.socket?.resetAndDestroy();
    if (after < 0) return breakOff();
    res.setHeader("Content-Length", asked("length"));
    return res.write(contentOf(asked("id"), 0, after), breakOff);
  },
};

function answer(req: IncomingMessage, res: ServerResponse): void {
  const { pathname, searchParams } = new URL(req.url ?? "", "http://backend");
  req.on("error", () => {}); // the client has left
  res.on("error", () => {});
  res.setHeader("X-Version", version);
  const found = ANSWERS[pathname];
  if (found !== undefined) return void found(req, res, (name) => Number(searchParams.get(name)));
  res.statusCode = 404;
  res.end(`no ${req.url}`);
}

// Connections stay for as long as the daemon likes: what ends one is on purpose.
const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0 }, answer);
server.on("checkContinue", (req: IncomingMessage, res: ServerResponse) => {
  if (!req.url?.startsWith("/refuse")) res.writeContinue();
  answer(req, res);
});
server.on("upgrade", (_req, socket, rest) => {
  socket.on("error", () => socket.destroy());
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-Version: ${version}\r\n\r\n`,
  );
  socket.write(rest);
  socket.pipe(socket);
});

endWithParent();
server.listen(0, "127.0.0.1", () => tellParent({ port: (server.address() as AddressInfo).port }));
