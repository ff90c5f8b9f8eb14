/**
 * Open transport: which kind of transport carries a connection. See `server.engine`.
 */
import type { Server, Socket } from "node:net";
import { HandleTransport } from "./handle-transport.ts";
import { SocketTransport } from "./socket-transport.ts";
import { errorOf, listenHandleOf, takeHandle } from "./stream-binding.ts";
import type { Transport } from "./transport.ts";

export type Engine = "auto" | "node";

/** A peer that vanished without a word is found by the kernel after about this and its own probes. */
export const PROBE_IDLE_AFTER_MS = 60_000;

/** A connection that was opened to a backend; the socket is the transport's from here on. */
export function backendTransport(socket: Socket, engine: Engine): Transport {
  const handle = engine === "auto" ? takeHandle(socket) : null;
  return handle === null ? new SocketTransport(socket, true) : new HandleTransport(handle, true);
}

/** The same for a client's, in tests. */
export function clientTransport(socket: Socket, engine: Engine = "auto"): Transport {
  const handle = engine === "auto" ? takeHandle(socket) : null;
  return handle === null ? new SocketTransport(socket, false) : new HandleTransport(handle, false);
}

/**
 * Tells of every connection that comes; call it when the server listens.
 *
 * On the handle itself a connection costs half: no socket is made, and its options are those of the listening one,
 * which Linux hands down (tcp(7)).
 *
 * @returns whether it is on the handle itself.
 */
export function takeConnections(
  server: Server,
  engine: Engine,
  onTransport: (transport: Transport) => void,
): boolean {
  const listening = engine === "auto" && process.platform === "linux" ? listenHandleOf(server) : null;
  if (listening === null) {
    server.on("connection", (socket: Socket) => {
      socket.setNoDelay(true);
      socket.setKeepAlive(true, PROBE_IDLE_AFTER_MS);
      onTransport(new SocketTransport(socket, false));
    });
    return false;
  }
  listening.setNoDelay(true);
  listening.setKeepAlive(true, PROBE_IDLE_AFTER_MS / 1_000);
  listening.onconnection = (status, handle) => {
    if (handle === undefined || status !== 0) server.emit("error", errorOf("accept", status));
    else onTransport(new HandleTransport(handle, false));
  };
  return true;
}
