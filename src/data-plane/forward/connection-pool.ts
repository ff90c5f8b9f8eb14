/**
 * ConnectionPool: all connections of this worker to one backend, as an undici Dispatcher that the Agent's
 * factory makes.
 *
 * undici's own Pool has no bound on its queue, none on idle connections, and looks for a free connection
 * by scanning all of them. This one takes the connection that was used last (LIFO: the others may idle
 * out), and refuses at once what no longer fits into the queue. It measures no time: how long a request
 * may wait here is the request's own affair (see exchange.ts), which leaves the queue by `cancel`.
 */
import diagnostics from "node:diagnostics_channel";
import { isIP, type Socket } from "node:net";
import { buildConnector, Client, Dispatcher } from "undici";
import { ProxyError } from "../../core/errors.ts";
import { prepareBackendSocket } from "./backend-socket.ts";

export interface PoolLimits {
  readonly maxConnections: number;
  readonly maxIdleConnections: number;
  readonly maxQueue: number;
  readonly connectTimeoutMs: number;
  /** On top of the time to connect, for `https:`. */
  readonly tlsHandshakeTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
}

/** What a handler may be told besides undici's own events. */
export interface PoolHandler extends Dispatcher.DispatchHandler {
  /** Set by the sender: no reused connection, because one of those has just failed it. */
  needsFreshConnection?: boolean;
  /** Every connection is busy: the request waits until it starts, or until `cancel` takes it out. */
  onQueued?(cancel: () => void): void;
  /** A connection is its own now; `isReused` when it has carried an answer before. */
  onConnectionAssigned?(isReused: boolean): void;
}

interface Waiting {
  readonly options: Dispatcher.DispatchOptions;
  readonly handler: PoolHandler;
}

/** Backends may send more header than we take from clients: some set many cookies at once. */
const MAX_ANSWER_HEAD_BYTES = 64 * 1024;

export class ConnectionPool extends Dispatcher {
  readonly #origin: URL;
  readonly #limits: PoolLimits;
  readonly #connect: buildConnector.connector;
  readonly #idle: Connection[] = []; // open; the last was used last
  readonly #closed: Connection[] = []; // not open; ready to connect again
  readonly #queue: Waiting[] = []; // in order of arrival; short, and not a Set: see running-requests.ts
  #busy = 0;
  #isEnding = false;

  constructor(origin: URL, limits: PoolLimits) {
    super();
    this.#origin = origin;
    this.#limits = limits;
    // One for all connections: it keeps the TLS sessions.
    const handshakeMs = origin.protocol === "https:" ? limits.tlsHandshakeTimeoutMs : 0;
    this.#connect = connectorFor(origin, limits.connectTimeoutMs + handshakeMs);
  }

  /** Connections in use or being opened, open and idle, and requests that wait for one. */
  get load(): { active: number; idle: number; queued: number } {
    return { active: this.#busy, idle: this.#idle.length, queued: this.#queue.length };
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: PoolHandler): boolean {
    const connection = this.#take(handler.needsFreshConnection === true);
    if (connection !== undefined) {
      this.#start(connection, options, handler);
    } else if (this.#queue.length < this.#limits.maxQueue) {
      const waiting: Waiting = { options, handler };
      this.#queue.push(waiting);
      handler.onQueued?.(() => this.#leaveQueue(waiting));
    } else {
      handler.onResponseError?.(
        NO_CONTROLLER,
        new ProxyError("POOL_EXHAUSTED", "all connections are busy and the queue is full"),
      );
    }
    return true; // back-pressure is the bound on the queue
  }

  override close(): Promise<void>;
  override close(done: () => void): void;
  override close(done?: () => void): Promise<void> | undefined {
    return this.destroy(null, done ?? undefined);
  }

  override destroy(): Promise<void>;
  override destroy(error: Error | null): Promise<void>;
  override destroy(done: () => void): void;
  override destroy(error: Error | null, done: (() => void) | undefined): Promise<void> | undefined;
  override destroy(): Promise<void> {
    this.#isEnding = true;
    for (const { handler } of this.#queue) {
      handler.onResponseError?.(NO_CONTROLLER, new ProxyError("POOL_EXHAUSTED", "the worker is ending"));
    }
    this.#queue.length = 0;
    const all = [...this.#idle, ...this.#closed];
    return Promise.all(all.map(({ client }) => client.destroy())).then(() => undefined);
  }

  #take(mustBeFresh: boolean): Connection | undefined {
    const used = mustBeFresh ? undefined : this.#idle.pop();
    if (used !== undefined) return used;
    if (this.#busy + this.#idle.length < this.#limits.maxConnections)
      return this.#closed.pop() ?? this.#open();
    if (!mustBeFresh) return undefined;
    // At the limit, so an idle one makes room; the oldest is the least likely to be of use.
    const oldest = this.#idle.shift();
    if (oldest === undefined) return undefined;
    this.#discard(oldest);
    return this.#open();
  }

  #open(): Connection {
    const client = new Client(this.#origin, {
      connect: (options, done) =>
        this.#connect(options, (...[error, socket]) => {
          if (error !== null) return done(error, null);
          connection.socket = prepareBackendSocket(socket);
          done(null, socket);
        }),
      // Never more than one request is given to a connection. With 1, undici would wait a whole round of the
      // event loop after each answer; it looks at an idle connection once more before it writes anyway.
      pipelining: 2,
      headersTimeout: 0, // the exchange keeps its own time limits, see sweeper.ts
      bodyTimeout: 0,
      keepAliveTimeout: this.#limits.keepAliveTimeoutMs,
      keepAliveMaxTimeout: this.#limits.keepAliveTimeoutMs,
      maxHeaderSize: MAX_ANSWER_HEAD_BYTES,
      allowH2: false,
    });
    const connection = new Connection(client, (released) => this.#release(released));
    client.on("disconnect", () => {
      connection.socket = null;
      this.#forgetIdle(connection);
    });
    return connection;
  }

  #start(connection: Connection, options: Dispatcher.DispatchOptions, handler: PoolHandler): void {
    this.#busy++;
    handler.onConnectionAssigned?.(connection.isOpen); // only a request opens one
    connection.dispatch(options, handler);
  }

  #release(connection: Connection): void {
    this.#busy--;
    if (this.#isEnding) return this.#discard(connection);
    if (!connection.isOpen) this.#closed.push(connection);
    else if (this.#idle.length < this.#limits.maxIdleConnections) this.#idle.push(connection);
    else this.#discard(connection);
    // Not now: undici is still busy with the answer that has just ended.
    if (this.#queue.length > 0) process.nextTick(serveQueue, this);
  }

  /** Starts what waits, as far as connections are free. */
  serveQueue(): void {
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      const connection = this.#take(first.handler.needsFreshConnection === true);
      if (connection === undefined) return;
      this.#queue.shift();
      this.#start(connection, first.options, first.handler);
    }
  }

  #leaveQueue(waiting: Waiting): void {
    const at = this.#queue.indexOf(waiting);
    if (at !== -1) this.#queue.splice(at, 1);
  }

  #forgetIdle(connection: Connection): void {
    const at = this.#idle.lastIndexOf(connection);
    if (at === -1) return;
    this.#idle.splice(at, 1);
    this.#closed.push(connection);
  }

  #discard(connection: Connection): void {
    connection.client.destroy().catch(() => {}); // it has nothing left to fail
  }
}

function serveQueue(pool: ConnectionPool): void {
  pool.serveQueue();
}

/**
 * One connection, and the handler that undici sees for all its requests: passes everything on to the one
 * that runs, and notices its end. Made once, so that nothing is made per request.
 */
class Connection implements Dispatcher.DispatchHandler {
  readonly client: Client;
  socket: Socket | null = null;
  readonly #onFree: (connection: Connection) => void;
  #handler: PoolHandler | null = null;

  constructor(client: Client, onFree: (connection: Connection) => void) {
    this.client = client;
    this.#onFree = onFree;
  }

  /** undici says "disconnect" a moment after it has given up a socket. */
  get isOpen(): boolean {
    return this.socket !== null && !this.socket.destroyed;
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: PoolHandler): void {
    this.#handler = handler;
    if (options.path === "*") dispatchAsterisk(this.client, options, this);
    else this.client.dispatch(options, this);
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#handler?.onRequestStart?.(controller, context);
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Parameters<NonNullable<Dispatcher.DispatchHandler["onResponseStart"]>>[2],
    statusText?: string,
  ): void {
    this.#handler?.onResponseStart?.(controller, status, headers, statusText);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#handler?.onResponseData?.(controller, chunk);
  }

  onResponseEnd(
    controller: Dispatcher.DispatchController,
    trailers: Parameters<NonNullable<Dispatcher.DispatchHandler["onResponseEnd"]>>[1],
  ): void {
    const handler = this.#handler;
    this.#handler = null;
    handler?.onResponseEnd?.(controller, trailers);
    this.#onFree(this);
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    const handler = this.#handler;
    if (handler === null) return;
    this.#handler = null;
    // Free only after undici is through with the failure; a retry must not come back to this connection now.
    process.nextTick(this.#onFree, this);
    handler.onResponseError?.(controller, error);
  }
}

/**
 * Connects by the backend's own name alone. undici would take the `Host` of whichever request comes first for
 * the name to ask for in TLS, and that one is the client's. An address is no such name (RFC 6066 §3).
 */
function connectorFor(origin: URL, timeout: number): buildConnector.connector {
  const connect = buildConnector({ timeout, allowH2: false });
  const host = origin.hostname.replace(/^\[|\]$/g, "");
  const servername = isIP(host) === 0 ? host : undefined;
  return (options, callback) => {
    connect({ ...options, servername }, callback);
  };
}

/** undici passes none either when it refuses before a connection is there. */
const NO_CONTROLLER = null as unknown as Dispatcher.DispatchController;

/**
 * `OPTIONS *` (RFC 9110 §9.3.7): undici's API takes no target but a path, so the request is made with one
 * and its target is set when undici announces it, before it is written.
 */
function dispatchAsterisk(client: Client, options: Dispatcher.DispatchOptions, handler: PoolHandler): void {
  const setTarget = (message: unknown): void => {
    (message as { request: { path: string } }).request.path = "*";
  };
  diagnostics.subscribe("undici:request:create", setTarget);
  try {
    client.dispatch({ ...options, path: "/" }, handler);
  } finally {
    diagnostics.unsubscribe("undici:request:create", setTarget);
  }
}
