/**
 * HTTP listener: takes in the connections of the traffic port, within their limits, and looks at all of them a few
 * times a second for those that are too slow.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { ConnectionLimit } from "../../core/connection-count.ts";
import { Roster } from "../../core/roster.ts";
import { errorFields, errorText } from "../forward/error-reply.ts";
import { ClientConnection, type ConnectionContext } from "./client-connection.ts";
import { addressOf, clientSide } from "./client-side.ts";

export interface ListenerOptions {
  readonly context: ConnectionContext;
  readonly gate: ConnectionGate;
  isTrusted(address: string): boolean;
  onRefusedConnection(limit: ConnectionLimit): void;
}

/** `uncounted`: nobody answered in time. It stays, and is not to leave. */
export type Verdict = ConnectionLimit | "uncounted" | null;

/** Who counts the connections and says which are too many. */
export interface ConnectionGate {
  /** @returns the limit that is in the way; null: it is counted until it leaves. A promise never rejects. */
  enter(address: string): Verdict | Promise<Verdict>;
  leave(address: string): void;
}

/** A peer that vanished without a word is found by the kernel after about this and its own probes. */
const PROBE_IDLE_AFTER_MS = 60_000;
/** A refused connection stays until its client has read why, but only so many, and so long. */
const MAX_REFUSED = 1_000;
const REFUSED_MS = 1_000;

export class HttpListener {
  readonly server: Server;
  readonly #options: ListenerOptions;
  readonly #clients = new Roster<ClientConnection>();
  readonly #sockets = new Set<Socket>();
  #refused = 0;

  constructor(options: ListenerOptions) {
    this.#options = options;
    // Half-open: how a client's end is taken is for its connection to say.
    this.server = createServer({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: PROBE_IDLE_AFTER_MS,
    });
    this.server.on("connection", (socket: Socket) => this.#accept(socket));
  }

  /** Open connections, upgraded ones included. */
  get connections(): number {
    return this.#sockets.size;
  }

  #accept(socket: Socket): void {
    const address = addressOf(socket);
    const verdict = this.#options.gate.enter(address);
    if (verdict === null || typeof verdict === "string") return this.#admit(socket, address, verdict);
    socket.on("error", ignore); // until somebody looks after it
    void verdict.then((limit) => {
      socket.off("error", ignore);
      this.#admit(socket, address, limit);
    });
  }

  #admit(socket: Socket, address: string, verdict: Verdict): void {
    if (verdict !== null && verdict !== "uncounted") return this.#refuse(socket, verdict);
    const leave = (): void => {
      if (verdict === null) this.#options.gate.leave(address);
    };
    if (socket.destroyed) return leave(); // it has left meanwhile
    const side = clientSide(address, this.#options.isTrusted(address));
    const client = new ClientConnection(socket, side, this.#options.context);
    this.#clients.add(client);
    this.#sockets.add(socket);
    socket.once("close", () => {
      leave();
      this.#clients.delete(client);
      this.#sockets.delete(socket);
    });
  }

  /** The newest goes: those that are served are left alone. */
  #refuse(socket: Socket, limit: ConnectionLimit): void {
    this.#options.onRefusedConnection(limit);
    socket.on("error", ignore);
    if (socket.destroyed) return; // it has left meanwhile
    if (this.#refused >= MAX_REFUSED) return void socket.destroy();
    this.#refused++;
    const timer = setTimeout(() => socket.destroy(), REFUSED_MS);
    socket.once("close", () => {
      clearTimeout(timer);
      this.#refused--;
    });
    const body = errorText("TOO_MANY_CONNECTIONS", `server.${limit} is reached`);
    const fields = [
      ...errorFields("TOO_MANY_CONNECTIONS"),
      "Content-Length",
      String(Buffer.byteLength(body)),
    ];
    let head = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n";
    for (let i = 0; i + 1 < fields.length; i += 2) head += `${fields[i]}: ${fields[i + 1]}\r\n`;
    socket.end(`${head}\r\n${body}`);
    socket.once("end", () => socket.destroySoon());
    socket.resume(); // what it asks for is thrown away: a reset would take the answer with it
  }

  checkTimeLimits(nowMs: number): void {
    this.#clients.each((client) => client.checkTimeLimits(nowMs));
  }

  /** Those between two requests. */
  closeIdle(): void {
    this.#clients.each((client) => {
      if (!client.isSilent) client.closeIfIdle();
    });
  }

  /** Those on which nothing has ever come. */
  closeSilent(): void {
    this.#clients.each((client) => {
      if (client.isSilent) client.close();
    });
  }

  closeAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

function ignore(): void {}
