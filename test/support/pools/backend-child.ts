/**
 * One backend of a pool, as a process of its own that can be killed, stopped and stood still:
 * `backend-child.js NAME PORT`, port 0 for any.
 *
 * Answers `NAME BYTES`, the bytes of the body it was sent. Fails, or takes its time, as its parent tells it; `/health`
 * is always well. SIGTERM ends it in order: no new connection, what runs is finished, then it exits.
 */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, Server as NetServer, type Socket } from "node:net";
import { Random } from "../../load/random.ts";
import type { Behaviour, FromBackend, ToBackend } from "./behaviour.ts";

/** Longer than any test: whoever closes an idle connection first, it is not this one. */
const KEEP_ALIVE_MS = 600_000;
/** After SIGTERM: how long connections that lie open are still answered, each with its last answer. */
const LAST_ANSWERS_MS = 300;

const [name = "", port = "0"] = process.argv.slice(2);
let behaviour: Behaviour = {};
let random = new Random(0);
let requests = 0;
let isEnding = false;
const sockets = new Set<Socket>();
/** Those with a request that is not answered yet. */
const busy = new Set<Socket>();

const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (req, res) => {
  let bytes = 0;
  busy.add(req.socket);
  res.on("finish", () => busy.delete(req.socket));
  req.on("data", (piece: Buffer) => {
    bytes += piece.length;
  });
  req.on("end", () => {
    if (req.url === "/health") return void res.end("well");
    requests++;
    const isFailure = fails();
    if (behaviour.delayMs === undefined) reply(res, bytes, isFailure);
    else setTimeout(() => reply(res, bytes, isFailure), behaviour.delayMs);
  });
});

server.on("connection", (socket: Socket) => {
  sockets.add(socket);
  socket.on("close", () => sockets.delete(socket));
});

function reply(res: ServerResponse, bytes: number, isFailure: boolean): void {
  const body = `${name} ${bytes}`;
  res.statusCode = isFailure ? 500 : 200;
  if (isEnding) res.setHeader("Connection", "close");
  res.setHeader("Content-Length", body.length);
  res.end(body);
}

function fails(): boolean {
  const { fail } = behaviour;
  if (fail === undefined) return false;
  return fail === "alternating" ? requests % 2 === 0 : random.chance(fail.ratio);
}

process.on("message", (message: ToBackend) => {
  if (message.do === "behave") {
    behaviour = message.behaviour;
    if (typeof behaviour.fail === "object") random = new Random(behaviour.fail.seed);
  }
  tell({ requests });
});

process.on("SIGTERM", () => {
  server.on("close", () => process.exit(0));
  setImmediate(stop);
});

/** What waits to be accepted is accepted first: the kernel resets whoever does, with what was sent already. */
function stop(): void {
  isEnding = true;
  if (behaviour.closesIdle === true) return void server.close();
  NetServer.prototype.close.call(server); // that of node:http closes what is idle at once
  setTimeout(() => {
    for (const socket of sockets) if (!busy.has(socket)) socket.destroy();
  }, LAST_ANSWERS_MS);
}

process.on("disconnect", () => process.exit(0));

function tell(message: FromBackend): void {
  process.send?.(message);
}

server.listen({ port: Number(port), host: "127.0.0.1", backlog: 4_096 });
await once(server, "listening");
tell({ port: (server.address() as AddressInfo).port });
