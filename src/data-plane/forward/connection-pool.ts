/**
 * ConnectionPool: all connections of this worker to one backend.
 *
 * Takes the connection that was used last (LIFO: the others may idle out), opens one while there are fewer than the
 * limit, and else lets the request wait in a queue with a bound. It measures no time but that of idle connections:
 * how long a request may wait here is its own affair (see exchange.ts), which leaves by `leave`.
 */
import type { Socket } from "node:net";
import { ProxyError } from "../../core/errors.ts";
import { backendTransport, type Engine } from "../sockets/open-transport.ts";
import {
  type AnswerHandler,
  type AnswerLimits,
  BackendConnection,
  type ConnectionOwner,
} from "./backend-connection.ts";
import { type ConnectLimits, Connector } from "./connect.ts";
import { isStale } from "./idle-limit.ts";

export interface PoolLimits extends ConnectLimits, AnswerLimits {
  readonly maxConnections: number;
  readonly maxIdleConnections: number;
  readonly maxQueue: number;
  readonly keepAliveTimeoutMs: number;
  readonly engine: Engine;
}

/** A request on its way to a connection. */
export interface Waiter extends AnswerHandler {
  /** No reused connection, because one of those has just failed it. */
  readonly needsFreshConnection: boolean;
  /** Every connection is busy: the request waits until one is free. */
  onQueued(): void;
  /** A connection is being opened for it. */
  onConnecting(): void;
  /** The connection is its own; `isReused` when it lay open before, so that it may have died meanwhile. */
  onConnected(connection: BackendConnection, isReused: boolean): void;
  /** POOL_EXHAUSTED, BACKEND_CONNECT_FAILED or BACKEND_CONNECT_TIMEOUT. */
  onNoConnection(error: ProxyError): void;
}

interface Opening {
  /** null: it has left, or there was none; the connection is opened all the same, for whoever comes next. */
  waiter: Waiter | null;
  /** Of a spare one: who asked for it. */
  readonly onSpare: SpareHandler | null;
  cancel(): void;
}

/** How the opening of a spare connection ended; null: it is open. */
export type SpareHandler = (error: ProxyError | null) => void;

/** A connection that is idle so long gives its read buffer back. */
const REST_AFTER_MS = 1_000;
const SHORTEST_LOOK_MS = 20;
const LONGEST_LOOK_MS = 1_000;

export class ConnectionPool implements ConnectionOwner {
  readonly origin: string;
  limits: PoolLimits;
  readonly #connector: Connector;
  readonly #idle: BackendConnection[] = []; // the last was used last
  readonly #queue: Waiter[] = []; // in order of arrival; short, and not a Set: see core/roster.ts
  readonly #openings: Opening[] = [];
  readonly #closeIdle: NodeJS.Timeout;
  /** Somebody keeps the idle ones alive, see keep-warm.ts: only the backend's limit closes them. */
  isKept = false;
  /** Connections that are open or being opened. */
  #size = 0;
  #isEnding = false;
  /** The backend's addresses; empty: its name is looked up when connecting. */
  #addresses: ReadonlySet<string> = new Set();
  /** Some connections may go to addresses that have left: each is looked at before it is used again. */
  #hasLeavers = false;
  /** Its backend has left: nothing is kept for later. */
  #isRetired = false;

  readonly #onLost: () => void;

  /** @param onLost a connection could not be made, and whom it was made for has left: nobody else tells of it. */
  constructor(origin: URL, limits: PoolLimits, onLost: () => void = () => {}) {
    this.#onLost = onLost;
    this.origin = origin.origin;
    this.limits = limits;
    this.#connector = new Connector(origin, limits);
    const lookMs = Math.min(LONGEST_LOOK_MS, Math.max(SHORTEST_LOOK_MS, limits.keepAliveTimeoutMs / 4));
    this.#closeIdle = setInterval(() => this.#closeStale(performance.now()), lookMs).unref();
  }

  /** Connections in use or being opened, open and idle, and requests that wait for one. */
  get load(): { active: number; idle: number; queued: number } {
    return { active: this.#size - this.#idle.length, idle: this.#idle.length, queued: this.#queue.length };
  }

  /** For how many requests of a crowd there is room now; half of the queue is left to what comes beside them. */
  get room(): number {
    const { maxConnections, maxQueue } = this.limits;
    const { active, queued } = this.load;
    return maxConnections + Math.floor(maxQueue / 2) - active - queued;
  }

  /**
   * The next connections go to these. One to an address that is not among them takes no new request: it is closed,
   * at once when it is idle, else when what runs on it has ended.
   *
   * @param addresses IP addresses; empty: not known, so that none has left.
   * @param mayBeOld see connect.ts.
   */
  setAddresses(addresses: readonly string[], mayBeOld = false): void {
    const before = this.#addresses;
    this.#addresses = new Set(addresses);
    this.#connector.setAddresses(addresses, mayBeOld);
    const haveLeft = before.size === 0 || [...before].some((address) => !this.#addresses.has(address));
    this.#hasLeavers = addresses.length > 0 && this.#size > 0 && (this.#hasLeavers || haveLeft);
    if (!this.#hasLeavers) return;
    for (const connection of [...this.#idle]) if (this.#hasLeft(connection)) connection.abort();
  }

  #hasLeft(connection: BackendConnection): boolean {
    return this.#hasLeavers && !this.#addresses.has(connection.peerAddress ?? "");
  }

  /** Those that lie open, for keep-warm.ts; the one used last is the last. */
  get idle(): readonly BackendConnection[] {
    return this.#idle;
  }

  /** How many connections were in use at once since `sinceMs`: one is opened or taken only when all others are busy. */
  usedSince(sinceMs: number): number {
    const wereUsed = this.#idle.filter(({ isUsed, idleSinceMs }) => isUsed && idleSinceMs >= sinceMs);
    return this.#size - this.#idle.length + wereUsed.length;
  }

  /** How many connections are open or being opened, without those that idle out by `untilMs`. */
  lasting(untilMs: number): number {
    const lost = this.#idle.filter((connection) => this.#isStale(connection, untilMs));
    return this.#size - lost.length;
  }

  /**
   * Opens a connection for nobody: it becomes idle, or goes to the first that waits. A limit is never passed for it.
   *
   * @returns gives it up, and nothing more is told then; null when there is no room.
   */
  openSpare(onSpare: SpareHandler): (() => void) | null {
    if (this.#isEnding || this.#size >= this.limits.maxConnections) return null;
    const opening = this.#startOpening(null, onSpare);
    return () => {
      const at = this.#openings.indexOf(opening);
      if (at === -1) return; // it is over
      this.#openings.splice(at, 1);
      opening.cancel();
      this.#size--;
      this.#serveQueue();
    };
  }

  /** Takes an idle connection out, for a request of our own on it alone. @returns whether it is still idle. */
  takeOut(connection: BackendConnection): boolean {
    const at = this.#idle.indexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
    return at !== -1;
  }

  /** Calls back at once when a connection is idle or the queue is full, else later. */
  acquire(waiter: Waiter): void {
    const used = waiter.needsFreshConnection ? undefined : this.#takeIdle();
    if (used !== undefined) return waiter.onConnected(used, true);
    if (this.#mayOpen(waiter)) return this.#open(waiter);
    if (this.#queue.length >= this.limits.maxQueue || this.#isEnding) {
      return waiter.onNoConnection(
        new ProxyError("POOL_EXHAUSTED", "all connections are busy and the queue is full"),
      );
    }
    this.#queue.push(waiter);
    waiter.onQueued();
  }

  /** The request no longer waits, neither in the queue nor for a connection that is being opened. */
  leave(waiter: Waiter): void {
    const at = this.#queue.indexOf(waiter);
    if (at !== -1) this.#queue.splice(at, 1);
    const opening = this.#openings.find((each) => each.waiter === waiter);
    if (opening !== undefined) opening.waiter = null;
  }

  /** The backend has left its pool: what it runs and what waits here ends on it, and nothing is kept open after that. */
  retire(): void {
    this.#isRetired = true;
    for (const connection of [...this.#idle]) connection.abort();
  }

  /** No connection is open or being opened, and nobody waits. */
  get isEmpty(): boolean {
    return this.#size === 0 && this.#queue.length === 0;
  }

  /** Closes what is idle and refuses what waits; what runs ends by itself. */
  destroy(): void {
    this.#isEnding = true;
    clearInterval(this.#closeIdle);
    const openings = this.#openings.splice(0);
    for (const { cancel } of openings) cancel();
    this.#size -= openings.length;
    for (const waiter of [...this.#queue.splice(0), ...openings.map((each) => each.waiter)]) {
      waiter?.onNoConnection(new ProxyError("POOL_EXHAUSTED", "the worker is ending"));
    }
    for (const { onSpare } of openings) onSpare?.(new ProxyError("POOL_EXHAUSTED", "the worker is ending"));
    for (const connection of [...this.#idle]) connection.abort();
  }

  #takeIdle(): BackendConnection | undefined {
    const connection = this.#idle.pop();
    if (connection === undefined || !this.#isStale(connection, performance.now())) return connection;
    connection.abort();
    return this.#takeIdle();
  }

  #mayOpen({ needsFreshConnection }: Waiter): boolean {
    if (this.#isEnding) return false;
    if (this.#size < this.limits.maxConnections) return true;
    if (!needsFreshConnection) return false;
    // At the limit, so an idle one makes room; the oldest is the least likely to be of use.
    this.#idle[0]?.abort();
    return this.#size < this.limits.maxConnections;
  }

  #open(waiter: Waiter): void {
    this.#startOpening(waiter, null);
    waiter.onConnecting();
  }

  #startOpening(waiter: Waiter | null, onSpare: SpareHandler | null): Opening {
    this.#size++;
    const opening: Opening = { waiter, onSpare, cancel: () => {} };
    this.#openings.push(opening);
    opening.cancel = this.#connector.connect((error, socket) => {
      this.#openings.splice(this.#openings.indexOf(opening), 1);
      if (socket === null) this.#noteFailure(opening, error as ProxyError);
      else this.#noteOpen(opening.waiter, socket);
      onSpare?.(error);
    });
    return opening;
  }

  #noteFailure({ waiter, onSpare }: Opening, error: ProxyError): void {
    this.#size--;
    waiter?.onNoConnection(error);
    if (waiter === null && onSpare === null) this.#onLost();
    this.#serveQueue();
  }

  #noteOpen(waiter: Waiter | null, socket: Socket): void {
    const connection = new BackendConnection(backendTransport(socket, this.limits.engine), this);
    if (waiter !== null) waiter.onConnected(connection, false);
    else this.onReleased(connection);
  }

  onReleased(connection: BackendConnection): void {
    const first = this.#queue[0];
    if (this.#isEnding) connection.abort();
    else if (connection.idleLimitMs === 0 || this.#hasLeft(connection)) connection.abort();
    else if (first !== undefined && !first.needsFreshConnection) {
      this.#queue.shift();
      first.onConnected(connection, true);
    } else if (this.#isRetired && first === undefined) connection.abort();
    else {
      connection.idleSinceMs = performance.now();
      this.#idle.push(connection);
      if (first !== undefined) this.#serveQueue();
      else if (this.limits.maxIdleConnections === 0) connection.abort();
    }
  }

  onGone(connection: BackendConnection): void {
    this.#size--;
    const at = this.#idle.lastIndexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
    if (this.#queue.length > 0) this.#serveQueue();
  }

  /** Starts what waits, as far as there is room. */
  #serveQueue(): void {
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      const used = first.needsFreshConnection ? undefined : this.#takeIdle();
      if (used === undefined && !this.#mayOpen(first)) return;
      this.#queue.shift();
      if (used !== undefined) first.onConnected(used, true);
      else this.#open(first);
    }
  }

  /** What is idle above the limit goes now and not when it was released: a burst would close and open it at once. */
  #closeStale(nowMs: number): void {
    const most = this.#isRetired ? 0 : this.limits.maxIdleConnections;
    const surplus = this.isKept ? 0 : this.#idle.length - most;
    for (const connection of this.#idle.slice(0, Math.max(0, surplus))) connection.abort();
    for (const connection of [...this.#idle]) {
      if (this.#isStale(connection, nowMs)) connection.abort();
      else if (nowMs - connection.idleSinceMs > REST_AFTER_MS) connection.rest();
    }
  }

  #isStale(connection: BackendConnection, nowMs: number): boolean {
    const ownLimitMs = this.isKept ? Number.POSITIVE_INFINITY : this.limits.keepAliveTimeoutMs;
    return isStale(connection, ownLimitMs, nowMs);
  }
}
