/**
 * The backend of the suite: a bare socket server that reads strictly, records everything, and answers as a case
 * tells it to.
 *
 * A request that no case asked for is never answered: cases either take each with `request()`, or let all be
 * answered with `respond()`.
 */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { withLimit } from "../support/wait.ts";
import { BackendConnection, type ConnectionOwner } from "./backend-connection.ts";
import type { SeenRequest } from "./seen-request.ts";
import { Signal } from "./signal.ts";

export const DEFAULT_WAIT_LIMIT_MS = 3_000;
/** How long a proxy may take to close its end of an idle connection that we have closed. */
const CLOSE_LIMIT_MS = 500;

export const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** Gives the bytes of an answer; nothing when it has answered by itself. */
export type Responder = (
  seen: SeenRequest,
) => string | Uint8Array | undefined | Promise<string | Uint8Array | undefined>;

export class RecordingBackend implements ConnectionOwner {
  readonly changed = new Signal();
  /** How long a wait of this case may take unless it says otherwise. */
  waitLimitMs = DEFAULT_WAIT_LIMIT_MS;
  readonly #server: Server = createServer({ allowHalfOpen: true, noDelay: true });
  #host = "";
  #port = 0;
  #connections: BackendConnection[] = [];
  #requests: SeenRequest[] = [];
  #unclaimed: SeenRequest[] = [];
  #violations: string[] = [];
  #responder: Responder | undefined;
  #fences = new Map<string, string>();

  constructor() {
    this.#server.on("connection", (socket) => {
      this.#connections.push(new BackendConnection(socket, this));
      this.changed.notify();
    });
  }

  /** @param port 0 is any free one. */
  async listen(port = 0, host = "127.0.0.1"): Promise<void> {
    this.#server.listen(port, host);
    await once(this.#server, "listening");
    this.#host = host;
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  get port(): number {
    return this.#port;
  }

  /** Every request of this case, oldest first, whether or not it was answered. */
  get requests(): readonly SeenRequest[] {
    return this.#requests;
  }

  get requestsSeen(): number {
    return this.#requests.length;
  }

  /** Every connection of this case, oldest first. */
  get connections(): readonly BackendConnection[] {
    return this.#connections;
  }

  get connectionsSeen(): number {
    return this.#connections.length;
  }

  /** Those that neither side has closed. */
  get connectionsOpen(): number {
    return this.#connections.filter(({ ending }) => ending === undefined).length;
  }

  /** What was not exactly one well-formed request after the other. A case that leaves any has failed. */
  get violations(): readonly string[] {
    const leftovers = this.#connections.map(({ leftover }) => leftover).filter(({ length }) => length > 0);
    return [
      ...this.#violations,
      ...leftovers.map(
        (bytes) => `no request, but bytes: ${JSON.stringify(bytes.toString("latin1", 0, 200))}`,
      ),
    ];
  }

  /** Requests that the case neither took nor let be answered. A case that leaves any has failed. */
  get unclaimed(): readonly SeenRequest[] {
    return this.#unclaimed;
  }

  /** Takes the next request whose head has arrived, on any connection. */
  async request(limitMs = this.waitLimitMs): Promise<SeenRequest> {
    return await this.requestUnless(() => undefined, limitMs);
  }

  /** Like `request()`, and fails as soon as `inVain` says why none will come; looked at when `changed` is told. */
  async requestUnless(inVain: () => string | undefined, limitMs = this.waitLimitMs): Promise<SeenRequest> {
    const next = (): SeenRequest | undefined => {
      const reason = this.#unclaimed.length === 0 ? inVain() : undefined;
      if (reason !== undefined) throw new Error(`no request at the backend: ${reason}`);
      return this.#unclaimed.shift();
    };
    return await this.changed.until("a request at the backend", next, limitMs, () => this.#describe());
  }

  /**
   * From now on answers every request by itself, those on one connection in their order.
   *
   * @param responder by default `200 OK` with `ok`, once the whole request has come.
   */
  respond(responder: Responder = respondOk): void {
    this.#responder = responder;
    for (const seen of this.#unclaimed.splice(0)) this.#answer(seen);
  }

  /** Resolves when `holds`; looked at each time something happens here. @param what ends "waited 3000 ms for …". */
  async until(what: string, holds: () => boolean, limitMs = this.waitLimitMs): Promise<void> {
    await this.changed.until(what, holds, limitMs, () => this.#describe());
  }

  /** Connections are refused until the case ends, or `startListening()`; those that are open stay. */
  async stopListening(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close(); // its event would wait for every connection
    await new Promise(setImmediate);
  }

  async startListening(): Promise<void> {
    if (!this.#server.listening) await this.listen(this.#port, this.#host);
  }

  /** For the runner: a request to `target` is answered with `body` and recorded nowhere. */
  expectFence(target: string, body: string): void {
    this.#fences.set(target, body);
  }

  /**
   * For the runner: ends every connection, and forgets the case. An idle connection is closed as a server closes
   * it, and the proxy's own end of it awaited: then it has noticed, and the next case does not meet it.
   */
  async reset(): Promise<void> {
    await this.startListening();
    this.#responder = undefined;
    const open = this.#connections.splice(0);
    await Promise.all(open.map((connection) => this.#endConnection(connection)));
    this.#connections = this.#connections.filter(({ socket }) => !socket.destroyed);
    this.#requests = [];
    this.#unclaimed = [];
    this.#violations = [];
    this.#fences = new Map();
    this.waitLimitMs = DEFAULT_WAIT_LIMIT_MS;
  }

  async close(): Promise<void> {
    for (const { socket } of this.#connections) socket.destroy();
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
  }

  requestSeen(request: SeenRequest): void {
    const fence = this.#fences.get(request.target);
    if (fence !== undefined) {
      request.answer(`HTTP/1.1 200 OK\r\nContent-Length: ${fence.length}\r\n\r\n${fence}`);
      return;
    }
    this.#requests.push(request);
    if (this.#responder) this.#answer(request);
    else this.#unclaimed.push(request);
  }

  violationSeen(what: string): void {
    this.#violations.push(what);
  }

  readonly #answering = new WeakMap<BackendConnection, Promise<void>>();

  #answer(seen: SeenRequest): void {
    const responder = this.#responder;
    const before = this.#answering.get(seen.connection) ?? Promise.resolve();
    const answered = before.then(async () => {
      const bytes = await responder?.(seen);
      if (bytes !== undefined) seen.answer(bytes);
    });
    // A request that broke off has no answer; what was malformed stands in `violations`.
    const settled = answered.catch(() => undefined);
    this.#answering.set(seen.connection, settled);
  }

  async #endConnection({ socket, requests, ending }: BackendConnection): Promise<void> {
    if (socket.destroyed) return;
    const isIdle =
      ending === undefined && requests.every(({ isAnswered, isComplete }) => isAnswered && isComplete);
    const closed = once(socket, "close");
    socket.resume();
    if (isIdle) {
      socket.end();
      await withLimit(closed, CLOSE_LIMIT_MS, "the proxy to close an idle connection").catch(() => undefined);
    }
    socket.destroy();
    await closed.catch(() => undefined);
  }

  #describe(): string {
    const lines = this.#requests.slice(-5).map(({ requestLine }) => requestLine);
    const seen = lines.length > 0 ? `the backend saw ${lines.join(" | ")}` : "the backend saw no request";
    return this.violations.length > 0 ? `${seen}; ${this.violations.join("; ")}` : seen;
  }
}

async function respondOk(seen: SeenRequest): Promise<string> {
  await seen.discardBody();
  return OK;
}
