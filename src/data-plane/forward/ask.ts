/**
 * Ask: a small request of our own to a backend, such as a probe, through the pool that carries its traffic.
 */
import { askFields } from "../../health/ask-fields.ts";
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
    onUpgraded: (_, transport) => transport.destroy(),
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

/** The head of such a request, which has no body. */
export function askHead({ authority }: Backend, request: AskRequest): string {
  const lines = askFields(authority, request).map(({ name, value }) => `${name}: ${value}\r\n`);
  return `${request.method} ${request.path} HTTP/1.1\r\n${lines.join("")}\r\n`;
}
