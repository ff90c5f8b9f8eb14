/**
 * Upgrade: a WebSocket's handshake to the backend, then a tunnel for its bytes. The only file that imports
 * http-proxy, and upgrades are all that it is used for.
 *
 * http-proxy pipes the two sockets and nothing more. What it gets wrong before that is put right here: it
 * sends header names in lower case and collapses `//` in the path, drops the framing of an answer that is
 * no upgrade, and lets the backend's request run on when the client leaves.
 */
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import httpProxy from "http-proxy";
import type { ForwardErrorCode } from "../../core/errors.ts";
import type { Backend } from "../backend/backend.ts";
import type { Running } from "../backend/running-requests.ts";
import { writeRawError } from "./error-reply.ts";
import { nameFailure } from "./failures.ts";
import { answerHeaders, type RequestHeaders } from "./headers.ts";

export interface UpgradeContext {
  /** From the start of connecting to the backend's answer. */
  readonly handshakeTimeoutMs: number;
  /** The handshake ended, with the backend's status or ours. */
  onHandshake(backend: Backend, status: number, durationMs: number): void;
  onFailure(backend: Backend, code: ForwardErrorCode, message: string): void;
}

/** RFC 6455 §4.1: a GET with `Upgrade: websocket`. Anything else that asks for an upgrade is served without one (RFC 9110 §7.8). */
export function isWebSocketHandshake(request: IncomingMessage): boolean {
  const { upgrade, "content-length": length = "0", "transfer-encoding": coding } = request.headers;
  // With a body, one reader would take its bytes for the tunnel's and another would not.
  return (
    request.method === "GET" &&
    upgrade?.toLowerCase() === "websocket" &&
    coding === undefined &&
    Number(length) === 0
  );
}

class Tunnel implements Running {
  readonly #client: Duplex;
  readonly #backend: Duplex;

  constructor(client: Duplex, backend: Duplex) {
    this.#client = client;
    this.#backend = backend;
  }

  cutForDrain(): void {
    this.#client.destroy();
    this.#backend.destroy();
  }
}

export type Upgrade = (
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  backend: Backend,
  target: string,
  headers: RequestHeaders,
) => void;

interface Handshake {
  readonly backend: Backend;
  readonly target: string;
  readonly headers: RequestHeaders;
  readonly startedAtMs: number;
  isConnected: boolean;
}

export function createUpgrade(context: UpgradeContext): Upgrade {
  const proxy = httpProxy.createProxyServer({});
  const handshakes = new WeakMap<IncomingMessage, Handshake>();

  proxy.on("proxyReqWs", (toBackend: ClientRequest, request: IncomingMessage, client: Socket) => {
    const handshake = handshakes.get(request);
    if (handshake === undefined) return;
    const { backend, startedAtMs } = handshake;
    rewriteHead(toBackend, request, handshake);
    toBackend.once("socket", (toBackendSocket) => {
      toBackendSocket.once("connect", () => {
        handshake.isConnected = true;
      });
    });
    toBackend.setTimeout(context.handshakeTimeoutMs, () => toBackend.destroy(HANDSHAKE_TIMEOUT));
    client.once("close", () => toBackend.destroy());
    toBackend.once("upgrade", (answer: IncomingMessage, toBackendSocket: Socket) => {
      keepHeaderNames(answer); // before http-proxy writes them to the client
      context.onHandshake(backend, 101, performance.now() - startedAtMs);
      joinEnds(backend, client, toBackendSocket);
    });
    // http-proxy adds its own listener after this event; that one is replaced.
    process.nextTick(() => {
      toBackend.removeAllListeners("response");
      toBackend.once("response", (answer: IncomingMessage) => {
        context.onHandshake(backend, answer.statusCode ?? 0, performance.now() - startedAtMs);
        passRefusal(answer, client);
      });
    });
  });

  return (request, socket, head, backend, target, headers) => {
    const startedAtMs = performance.now();
    const handshake: Handshake = { backend, target, headers, startedAtMs, isConnected: false };
    handshakes.set(request, handshake);
    socket.on("error", () => {}); // a client that resets is no fault of ours; "close" follows
    proxy.ws(request, socket as Socket, head, { target: backend.origin }, (error) => {
      if (socket.destroyed) return context.onHandshake(backend, 499, performance.now() - startedAtMs);
      const isTimeout = error === HANDSHAKE_TIMEOUT;
      const { code, message } = isTimeout
        ? { code: "BACKEND_RESPONSE_TIMEOUT" as const, message: `no answer from ${backend.origin} in time` }
        : nameFailure(error, handshake.isConnected, backend.origin);
      if (socket.writable && !isJoined(socket)) {
        context.onFailure(backend, code, message);
        context.onHandshake(backend, isTimeout ? 504 : 502, performance.now() - startedAtMs);
        writeRawError(socket, code, message);
      }
    });
  };
}

const HANDSHAKE_TIMEOUT = Object.assign(Object.create(Error.prototype) as Error, {
  message: "handshake timeout",
});

/** Both ends of a tunnel are joined: an error from now on is the tunnel's, not the handshake's. */
const joined = new WeakSet<Duplex>();
function isJoined(socket: Duplex): boolean {
  return joined.has(socket);
}

/** The head as the client sent it, hop-by-hop fields aside, instead of http-proxy's version of it. */
function rewriteHead(
  toBackend: ClientRequest,
  request: IncomingMessage,
  { target, headers }: Handshake,
): void {
  for (const name of toBackend.getHeaderNames()) toBackend.removeHeader(name);
  for (let i = 0; i + 1 < headers.fields.length; i += 2) {
    toBackend.appendHeader(headers.fields[i] ?? "", headers.fields[i + 1] ?? "");
  }
  toBackend.setHeader("Connection", "Upgrade");
  toBackend.setHeader("Upgrade", request.headers.upgrade ?? "websocket");
  toBackend.path = target;
}

/** http-proxy passes on the names in lower case that node:http gives; here they are as the backend sent them. */
function keepHeaderNames(answer: IncomingMessage): void {
  const named = new Map<string, string[]>();
  for (let i = 0; i + 1 < answer.rawHeaders.length; i += 2) {
    const name = answer.rawHeaders[i] ?? "";
    named.set(name, [...(named.get(name) ?? []), answer.rawHeaders[i + 1] ?? ""]);
  }
  Object.defineProperty(answer, "headers", { value: Object.fromEntries(named) });
}

const HALF_CLOSED_MS = 2_000;

/** Neither side outlives the other, and the tunnel counts for its version until both are gone. */
function joinEnds(backend: Backend, client: Socket, toBackend: Socket): void {
  const tunnel = new Tunnel(client, toBackend);
  joined.add(client);
  backend.tunnels.add(tunnel);
  toBackend.setTimeout(0); // the handshake's
  // Who has said goodbye is waited for no longer than this, or a peer that keeps its half open leaks the tunnel.
  const endSoon = (): void => void setTimeout(() => tunnel.cutForDrain(), HALF_CLOSED_MS).unref();
  client.once("end", endSoon);
  toBackend.once("end", endSoon);
  toBackend.once("close", () => client.destroySoon());
  client.once("close", () => {
    toBackend.destroySoon();
    backend.tunnels.delete(tunnel);
  });
}

/** The backend answered with something else than 101: passed on, and the connection ends with it. */
function passRefusal(answer: IncomingMessage, client: Socket): void {
  const { fields } = answerHeaders(answer.rawHeaders.map((text) => Buffer.from(text, "latin1")));
  let head = `HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\n`;
  for (let i = 0; i < fields.length; i += 2) head += `${fields[i]}: ${fields[i + 1]}\r\n`;
  client.write(`${head}Connection: close\r\n\r\n`, "latin1");
  answer.on("error", () => client.destroy());
  answer.on("aborted", () => client.destroy());
  answer.pipe(client);
}
