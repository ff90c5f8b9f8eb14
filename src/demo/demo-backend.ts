/**
 * One built-in backend of the demo: says who it is, counts, is slow or streams when asked, and can be told
 * to fail. Runs in the demo's own process; no part of the daemon.
 *
 * | Path | Does |
 * |---|---|
 * | `POST /_fail?on`, `POST /_fail?off` | from now on 503 to everything, or no longer |
 * | `/slow?ms=2000` | the usual answer after that time (at most 30 s) |
 * | `/events` | an event each second (SSE) until the client leaves |
 * | anything else | one line of JSON |
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const HOST = "127.0.0.1";
const SLOW_DEFAULT_MS = 2_000;
const SLOW_LIMIT_MS = 30_000;
const EVENT_INTERVAL_MS = 1_000;

export interface DemoBackend {
  readonly version: string;
  readonly url: string;
  close(): void;
}

/** @param port is used when it is free; else any other. */
export async function startDemoBackend(version: string, port: number): Promise<DemoBackend> {
  const server = createServer(createListener(version));
  await listenOnOrElsewhere(server, port);
  return {
    version,
    url: `http://${HOST}:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Listens on `port` of the loopback address, or on any free one when that is taken. */
export async function listenOnOrElsewhere(server: Server, port: number): Promise<void> {
  try {
    server.listen(port, HOST);
    await once(server, "listening");
  } catch {
    server.listen(0, HOST);
    await once(server, "listening");
  }
}

function createListener(version: string): (req: IncomingMessage, res: ServerResponse) => void {
  let count = 0;
  let isFailing = false;
  return (req, res) => {
    req.resume();
    const { pathname, searchParams } = new URL(req.url ?? "/", `http://${HOST}`);
    if (pathname === "/_fail" && req.method === "POST") {
      isFailing = !searchParams.has("off");
      sendJson(res, 200, { version, failing: isFailing });
      return;
    }
    count++;
    if (isFailing) {
      sendJson(res, 503, { version, count, failing: true });
      return;
    }
    const answer = { version, port: req.socket.localPort, count, method: req.method, path: req.url };
    if (pathname === "/slow") answerLater(res, searchParams.get("ms"), answer);
    else if (pathname === "/events") sendEvents(res, version);
    else sendJson(res, 200, answer);
  };
}

function sendJson(res: ServerResponse, status: number, value: object): void {
  const body = `${JSON.stringify(value)}\n`;
  res.writeHead(status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) });
  res.end(body);
}

function answerLater(res: ServerResponse, ms: string | null, answer: object): void {
  const waitMs = Math.min(Number(ms ?? SLOW_DEFAULT_MS) || 0, SLOW_LIMIT_MS);
  const timer = setTimeout(() => sendJson(res, 200, answer), waitMs);
  res.on("close", () => clearTimeout(timer));
}

function sendEvents(res: ServerResponse, version: string): void {
  res.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  let id = 0;
  const send = (): void => void res.write(`id: ${++id}\ndata: ${JSON.stringify({ version, id })}\n\n`);
  send();
  const timer = setInterval(send, EVENT_INTERVAL_MS);
  res.on("close", () => clearInterval(timer));
}
