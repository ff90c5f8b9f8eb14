/**
 * HTTP listener: takes in the connections of the traffic port, within their limits, and looks at all of them a few
 * times a second for those that are too slow.
 */
import { createServer, type Server } from "node:net";
import type { ConnectionLimit } from "../../core/connection-count.ts";
import { withoutMapping } from "../../core/mapped-address.ts";
import { Roster } from "../../core/roster.ts";
import { errorFields, errorText } from "../forward/error-reply.ts";
import { type Engine, takeConnections } from "../sockets/open-transport.ts";
import { NOBODY, type Transport } from "../sockets/transport.ts";
import { ClientConnection, type ConnectionContext } from "./client-connection.ts";
import { clientSide } from "./client-side.ts";

export interface ListenerOptions {
  readonly engine: Engine;
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

/** A refused connection stays until its client has read why, but only so many, and so long. */
const MAX_REFUSED = 1_000;
const REFUSED_MS = 1_000;

export class HttpListener {
  readonly server: Server;
  /** Connections that have come so far, refused ones included. */
  accepted = 0;
  readonly #options: ListenerOptions;
  readonly #clients = new Roster<ClientConnection>();
  readonly #transports = new Set<Transport>();
  /** Whether connections are carried by their TCP handles; known when it listens. */
  isOnHandles = false;
  #refused = 0;
  #onEmpty: (() => void) | null = null;

  constructor(options: ListenerOptions) {
    this.#options = options;
    // Half-open: how a client's end is taken is for its connection to say.
    this.server = createServer({ allowHalfOpen: true });
    this.server.once("listening", () => {
      const onTransport = (transport: Transport): void => this.#accept(transport);
      this.isOnHandles = takeConnections(this.server, options.engine, onTransport);
    });
  }

  /** Open connections, upgraded ones included. */
  get connections(): number {
    return this.#transports.size;
  }

  #accept(transport: Transport): void {
    this.accepted++;
    const address = withoutMapping(transport.remoteAddress ?? "unknown");
    const verdict = this.#options.gate.enter(address);
    if (verdict === null || typeof verdict === "string") return this.#admit(transport, address, verdict);
    transport.pause(); // until somebody looks after it
    void verdict.then((limit) => {
      transport.resume();
      this.#admit(transport, address, limit);
    });
  }

  #admit(transport: Transport, address: string, verdict: Verdict): void {
    if (verdict !== null && verdict !== "uncounted") return this.#refuse(transport, verdict);
    if (transport.isDestroyed) {
      if (verdict === null) this.#options.gate.leave(address); // it has left meanwhile
      return;
    }
    const side = clientSide(address, this.#options.isTrusted(address));
    const client = new ClientConnection(transport, side, this.#options.context);
    this.#clients.add(client);
    this.#transports.add(transport);
    transport.onceClosed(() => {
      if (verdict === null) this.#options.gate.leave(address);
      this.#clients.delete(client);
      this.#transports.delete(transport);
      if (this.#onEmpty !== null && this.#transports.size === 0) this.#onEmpty();
    });
  }

  /** The newest goes: those that are served are left alone. */
  #refuse(transport: Transport, limit: ConnectionLimit): void {
    this.#options.onRefusedConnection(limit);
    if (transport.isDestroyed) return; // it has left meanwhile
    if (this.#refused >= MAX_REFUSED) return transport.destroy();
    this.#refused++;
    const timer = setTimeout(() => transport.destroy(), REFUSED_MS);
    transport.onceClosed(() => {
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
    // What it asks for is read and thrown away: a reset would take the answer with it.
    transport.user = { ...NOBODY, onFin: () => transport.destroySoon() };
    transport.writeText(`${head}\r\n${body}`);
    transport.end();
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
    for (const transport of this.#transports) transport.destroy();
  }

  /** Takes no more connections. @param done told when the last one has ended. */
  close(done: () => void): void {
    this.server.close();
    if (this.#transports.size === 0) done();
    else this.#onEmpty = done;
  }
}
