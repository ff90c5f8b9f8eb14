/**
 * HTTP listener: the node:http server of the traffic port with its limits, and what it answers when a
 * request cannot even be parsed.
 */
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Config } from "../../config/schema.ts";
import type { ForwardErrorCode } from "../../core/errors.ts";
import { type Share, shareOf } from "../forward/agent.ts";
import { writeRawError } from "../forward/error-reply.ts";

export interface ListenerEvents {
  onRequest: RequestListener;
  /** Whether a request that asks for an upgrade gets one; otherwise it is a request like any other. */
  isUpgrade(request: IncomingMessage): boolean;
  onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  onMalformed(code: ForwardErrorCode, message: string): void;
}

/** Node looks for connections that are too slow this often: a limit is kept to a quarter of it. */
const SHORTEST_CHECK_MS = 50;
const LONGEST_CHECK_MS = 1_000;

export interface HttpListener {
  readonly server: Server;
  /** Every open connection, upgraded ones included. */
  readonly connections: ReadonlySet<Socket>;
}

export function createHttpListener(config: Config, share: Share, events: ListenerEvents): HttpListener {
  const { server: limits } = config;
  const server = createServer({
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headerTimeoutMs,
    requestTimeout: 0, // an upload may take as long as it goes on: see exchange.ts
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.max(
      SHORTEST_CHECK_MS,
      Math.min(LONGEST_CHECK_MS, Math.floor(limits.headerTimeoutMs / 4)),
    ),
    requireHostHeader: false, // headers.ts refuses, with a reason
    noDelay: true,
    optimizeEmptyRequests: true, // no stream events for a request without a body: 1 µs less
    shouldUpgradeCallback: (request: IncomingMessage) => events.isUpgrade(request),
  });
  server.maxHeadersCount = 0; // Node would cut the list short; admit.ts refuses instead
  server.maxConnections = shareOf(limits.maxConnections, share);
  server.timeout = 0;
  const connections = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
  });
  server.on("request", events.onRequest);
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    events.onUpgrade(request, socket, head);
  });
  server.on("connect", (_: IncomingMessage, socket: Duplex) => {
    socket.on("error", () => {});
    refuse(socket, "MALFORMED_REQUEST", "CONNECT is not served here");
  });
  const refused = new WeakSet<Socket>();
  server.on("clientError", (error: Error & { code?: string; rawPacket?: Buffer }, socket: ServerSocket) => {
    if (refused.has(socket)) return; // what still comes behind the error is thrown away
    refused.add(socket);
    const { code, message } = nameParseError(error);
    refuseInTurn(socket, code, message);
  });

  /** The answers to the requests before it go first: a client takes what comes for the oldest one's. */
  function refuseInTurn(socket: ServerSocket, code: ForwardErrorCode, message: string): void {
    const answer = socket._httpMessage ?? null;
    if (!socket.writable) socket.destroy();
    else if (answer?.req.complete) answer.once("close", () => refuseInTurn(socket, code, message));
    else if (answer?.headersSent)
      socket.destroy(); // the fault is in its body, and it was answered before that
    else refuse(socket, code, message);
  }

  function refuse(socket: Duplex, code: ForwardErrorCode, message: string): void {
    events.onMalformed(code, message);
    writeRawError(socket, code, message);
    setTimeout(() => socket.destroy(), CLOSE_AFTER_MS).unref(); // a client that never closes its side
  }
  return { server, connections };
}

const CLOSE_AFTER_MS = 1_000;

function nameParseError(error: Error & { code?: string; rawPacket?: Buffer }): {
  code: ForwardErrorCode;
  message: string;
} {
  switch (error.code) {
    case "HPE_HEADER_OVERFLOW":
      // No end of line yet: it was the target that did not end.
      return error.rawPacket !== undefined && !error.rawPacket.includes("\n")
        ? { code: "TARGET_TOO_LONG", message: "the request target is too long" }
        : { code: "HEADERS_TOO_LARGE", message: "the request head is too large" };
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return { code: "REQUEST_TIMEOUT", message: "the request head did not arrive in time" };
    default:
      return { code: "MALFORMED_REQUEST", message: "the request is not valid HTTP" };
  }
}

/** node:http keeps the answer that a connection is busy with on its socket. */
type ServerSocket = Socket & { _httpMessage?: ServerResponse | null };
