/**
 * Admin listener: the server of the admin API, on its own port, with or without TLS, or on a Unix socket. Runs in
 * the primary.
 *
 * Tight limits, since nobody needs more: small heads, short waits, few connections. What a call does is
 * the router's.
 */
import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { AdminTls } from "../../config/schema.ts";
import type { AdminAnswer, AdminCall } from "../../core/admin-call.ts";
import { ProxyError, StartError } from "../../core/errors.ts";
import { hostAndPort } from "../../core/host-and-port.ts";
import { readAdminCall, writeAdminAnswer } from "../../http/admin-exchange.ts";
import { isStream, writeAdminStream } from "../../http/admin-stream.ts";
import { problemAnswer, problemFromError } from "../../http/problem.ts";
import type { AdminLog } from "./admin-deps.ts";
import { clientNameOf } from "./client-certificate.ts";
import { ConnectionTurns } from "./connection-turns.ts";
import { refuseConnect, refuseRaw } from "./raw-refusal.ts";
import { listenOnSocket, type SocketPlace } from "./socket-file.ts";

const MAX_CONNECTIONS = 256;
const MAX_HEADER_BYTES = 16 * 1_024;
const HANDSHAKE_TIMEOUT_MS = 10_000;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 15_000;
const KEEP_ALIVE_TIMEOUT_MS = 5_000;
/** For a client to take a whole answer: one that reads nothing would keep its connection, and the answer in memory. */
const ANSWER_TIMEOUT_MS = 30_000;
/** How often Node looks for connections past their time limits. */
const TIMEOUT_CHECK_MS = 1_000;
const CONTINUE = "100-continue";
/** What calls that run get when the listener closes. */
const CLOSE_LIMIT_MS = 2_000;

export interface AdminListenerOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** In place of host and port. */
  readonly socket: SocketPlace | null;
  readonly tls: AdminTls | null;
  /** Never rejects. */
  readonly handle: (call: AdminCall) => Promise<AdminAnswer>;
  readonly log: AdminLog;
  readonly answerTimeoutMs?: number;
}

export interface AdminListener {
  /** `http://127.0.0.1:8081`, `https://127.0.0.1:8081`, `unix:/run/traffic-switching.sock` */
  readonly url: string;
  /** 0 on a Unix socket. */
  readonly port: number;
  /** Stops accepting, lets calls that run end within 2 s, then cuts the rest, streams too. Never rejects. */
  close(): Promise<void>;
}

/** @throws StartError when it cannot listen, with what to do about it. */
export async function startAdminListener(options: AdminListenerOptions): Promise<AdminListener> {
  const { host, port, socket, tls, log, answerTimeoutMs = ANSWER_TIMEOUT_MS } = options;
  let isClosing = false;
  const names = new WeakMap<Socket, string>();
  const turns = new ConnectionTurns();
  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const answer = await answerCall(req, names.get(req.socket), options);
    if (isClosing) res.shouldKeepAlive = false;
    if (isStream(answer)) return writeAdminStream(req, res, answer);
    writeAdminAnswer(req, res, answer);
    limitAnswer(res, answerTimeoutMs);
  };
  const onRequest: RequestListener = (req, res) => turns.take(req, res, () => void answer(req, res));
  const server = makeServer(tls, names, onRequest);
  server.maxConnections = MAX_CONNECTIONS;
  server.on("checkExpectation", onRequest);
  server.on("connect", (_, connection) => {
    connection.on("error", () => {}); // Node.js no longer listens
    if (!turns.endAfterWholeCalls(connection as Socket)) refuseConnect(connection);
  });
  server.on("clientError", (error, connection) => {
    if (!turns.endAfterWholeCalls(connection as Socket)) refuseRaw(error, connection);
  });
  // Also those whose handshake runs: the server's own list knows them only after it.
  const connections = new Set<Socket>();
  server.on("connection", (connection) => {
    connections.add(connection);
    connection.on("close", () => connections.delete(connection));
  });
  if (socket === null) await listen(server, host, port);
  else await listenOnSocket(server, socket);
  server.on("error", (error) => log.error({ err: error }, "the admin listener failed"));

  const boundPort = socket === null ? (server.address() as AddressInfo).port : 0;
  const address = `${tls === null ? "http" : "https"}://${hostAndPort(host, boundPort)}`;
  return {
    url: socket === null ? address : `unix:${socket.path}`,
    port: boundPort,
    close() {
      isClosing = true;
      return new Promise((resolve) => {
        const timer = setTimeout(() => {
          for (const connection of connections) connection.destroy();
        }, CLOSE_LIMIT_MS);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    },
  };
}

/** @param names gets whom each connection's client certificate names, before its first request. */
function makeServer(
  tls: AdminTls | null,
  names: WeakMap<Socket, string>,
  onRequest: RequestListener,
): Server {
  const limits = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    requireHostHeader: false, // Node.js would refuse it without a word: refuseHead does
  };
  if (tls === null) return process.getBuiltinModule("node:http").createServer(limits, onRequest);
  const { cert, key, clientCa } = tls;
  const client = clientCa === null ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true };
  const server = process
    .getBuiltinModule("node:https")
    .createServer(
      { ...limits, cert, key, ...client, minVersion: "TLSv1.2", handshakeTimeout: HANDSHAKE_TIMEOUT_MS },
      onRequest,
    );
  server.prependListener("secureConnection", (connection: TLSSocket) => {
    const name = clientNameOf(connection);
    if (name !== undefined) names.set(connection, name);
  });
  return server;
}

/** Never rejects. @param clientName whom the connection's client certificate names. */
async function answerCall(
  req: IncomingMessage,
  clientName: string | undefined,
  { handle, socket, log }: AdminListenerOptions,
): Promise<AdminAnswer> {
  try {
    refuseHead(req);
    const call = await readAdminCall(req, socket === null ? "admin" : "socket");
    return await handle(clientName === undefined ? call : { ...call, clientName });
  } catch (error) {
    if (error instanceof ProxyError) return problemFromError(error);
    log.error({ err: error }, "an admin call failed");
    return problemAnswer("ADMIN_INTERNAL_ERROR", "a fault of the proxy itself; the log has the details");
  }
}

/** @throws ProxyError for what no call may have. */
function refuseHead({ httpVersion, headers }: IncomingMessage): void {
  if (httpVersion !== "1.1") return; // RFC 9110 §10.1.1: an Expect of HTTP/1.0 is ignored
  if (headers.host === undefined) throw new ProxyError("MALFORMED_REQUEST", "HTTP/1.1 needs a Host field");
  const { expect = CONTINUE } = headers;
  if (!expect.toLowerCase().includes(CONTINUE))
    throw new ProxyError("UNSUPPORTED_EXPECT", `Expect may only say ${CONTINUE} here`);
}

function limitAnswer(res: ServerResponse, limitMs: number): void {
  if (res.writableFinished || res.destroyed) return;
  const timer = setTimeout(() => res.destroy(), limitMs);
  res.once("finish", () => clearTimeout(timer)).once("close", () => clearTimeout(timer));
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => reject(cannotListen(error, host, port));
    server.once("error", onError);
    server.listen({ host, port }, () => {
      server.off("error", onError);
      resolve();
    });
  });
}

function cannotListen(error: NodeJS.ErrnoException, host: string, port: number): StartError {
  const address = hostAndPort(host, port);
  const what: Record<string, string> = {
    EADDRINUSE:
      "the port is in use; end the process that listens there, or set admin.port (ADMIN_PORT, --admin-port)",
    EACCES: "not permitted; set admin.port (ADMIN_PORT, --admin-port) to 1024 or more",
    EADDRNOTAVAIL: "this machine has no such address; set admin.host (ADMIN_HOST, --admin-host)",
    ENOTFOUND: "the name is unknown; set admin.host (ADMIN_HOST, --admin-host)",
  };
  const why = what[error.code ?? ""] ?? error.message;
  return new StartError(`the admin API cannot listen on ${address}: ${why}`, 1, { cause: error });
}
