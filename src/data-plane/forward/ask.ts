/**
 * Ask: a small request of our own to a backend, such as a probe, through the pool that carries its traffic.
 */
import type { ProbeField } from "../../config/probe-values.ts";
import type { AskHandler, AskRequest } from "../../health/probe.ts";
import type { Backend } from "../backend/backend.ts";
import type { AnswerHandler, BackendConnection } from "./backend-connection.ts";
import type { ConnectionPool, Waiter } from "./connection-pool.ts";

/** @returns gives it up: nothing more is told then, and its connection is closed. */
export function ask(
  pool: ConnectionPool,
  backend: Backend,
  request: AskRequest,
  handler: AskHandler,
): () => void {
  let connection: BackendConnection | null = null;
  let isOver = false;
  let mayBeStale = false;
  const end = (): void => {
    isOver = true;
    connection = null;
  };
  const fail = (message: string): void => {
    end();
    handler.onFailed(message);
  };
  const answer: AnswerHandler = {
    onInterim() {},
    onHead: ({ status, fields }) => handler.onHead(status, fields),
    onPiece: (piece) => handler.onPiece(piece),
    onAnswerEnd() {
      if (isOver) return; // given up while it was told
      end();
      handler.onEnd();
    },
    onReadDone() {},
    onBackendDrained() {},
    onUpgraded: (_, socket) => socket.destroy(),
    onFailed(_, message, hasBegun) {
      if (!mayBeStale || hasBegun) return fail(message);
      waiter.needsFreshConnection = true; // a connection that had died while it was idle says nothing
      pool.acquire(waiter);
    },
  };
  const waiter: Waiter & { needsFreshConnection: boolean } = {
    ...answer,
    needsFreshConnection: false,
    onQueued() {},
    onConnecting() {},
    onConnected(given, isReused) {
      connection = given;
      mayBeStale = isReused;
      handler.onSent();
      given.start(answer, request.method, askHead(backend, request), false);
      given.endRequest(null);
    },
    onNoConnection: ({ message }) => fail(message),
  };
  pool.acquire(waiter);
  return () => {
    if (isOver) return;
    isOver = true;
    pool.leave(waiter);
    connection?.abort();
  };
}

const NEEDS_LENGTH: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);
const OURS: readonly ProbeField[] = [
  { name: "User-Agent", value: "traffic-switching-probe" },
  { name: "Accept", value: "*/*" },
];

/** The head of such a request, which has no body. */
export function askHead({ authority }: Backend, { method, path, host, headers }: AskRequest): string {
  const given = new Set(headers.map(({ name }) => name.toLowerCase()));
  const fields = [
    { name: "Host", value: host ?? authority },
    ...OURS.filter(({ name }) => !given.has(name.toLowerCase())),
    ...headers,
    ...(NEEDS_LENGTH.has(method) ? [{ name: "Content-Length", value: "0" }] : []), // RFC 9110 §8.6
  ];
  const lines = fields.map(({ name, value }) => `${name}: ${value}\r\n`).join("");
  return `${method} ${path} HTTP/1.1\r\n${lines}\r\n`;
}
