/**
 * Keep-warm, in a worker: for a while after a switch the connections of the version that was left stay open, so that
 * the way back needs no handshake.
 *
 * An idle connection that its backend would close is asked a small request shortly before. One timer for all of them;
 * it asks one at each tick, the most urgent. What cannot be asked in time is let go.
 */
import type { AskRequest } from "../health/probe.ts";
import type { Backend } from "./backend/backend.ts";
import { askHead } from "./forward/ask.ts";
import type { AnswerHandler, BackendConnection } from "./forward/backend-connection.ts";
import type { ConnectionPool } from "./forward/connection-pool.ts";
import { backendLimitMs } from "./forward/idle-limit.ts";

export interface KeepWarmOptions {
  /** How long the connections of a version are kept after it was left; 0 is not at all. */
  readonly windowMs: number;
  /** What keeps a connection alive, and how long its answer may take. */
  readonly request: AskRequest & { readonly timeoutMs: number };
  /** performance.now(), by which the pools note since when a connection is idle. */
  nowMs(): number;
  pool(backend: Backend): ConnectionPool;
}

interface Kept {
  readonly pool: ConnectionPool;
  readonly head: string;
  readonly endsAtMs: number;
  /** No request of ours is sent until then. */
  restsUntilMs: number;
}

/** The time between two requests of ours: at most 20 a second. */
const TICK_MS = 50;
/** Where the backend does not say how long it keeps an idle connection. */
const WITHOUT_HINT_MS = 30_000;
/** Asked this long before the limit, or half of the limit when that is less. */
const LEAD_MS = 1_000;
/** After a gate has passed the switch is committed, as a rule in some ms: then no connection is to be busy with us. */
const REST_MS = 1_000;
/** An answer is read to its end but not kept; past this it costs more than a connection. */
const MAX_BODY_BYTES = 1024 * 1024;

export class KeepWarm {
  readonly #options: KeepWarmOptions;
  readonly #kept = new Map<Backend, Kept>();
  /** The requests that run, and when each is given up; at most a tick's worth for each tick of their time limit. */
  readonly #asking = new Map<BackendConnection, number>();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: KeepWarmOptions) {
    this.#options = options;
  }

  /** The version was left: its connections are kept from now on. */
  start(backend: Backend): void {
    const { windowMs, request } = this.#options;
    if (windowMs === 0) return;
    const pool = this.#options.pool(backend);
    pool.isKept = true;
    const endsAtMs = this.#options.nowMs() + windowMs;
    this.#kept.set(backend, { pool, head: askHead(backend, request), endsAtMs, restsUntilMs: 0 });
    this.#timer ??= setInterval(() => this.tick(), TICK_MS).unref();
  }

  /** The version is active again, or its time is over: the pool's own limits count. */
  stop(backend: Backend): void {
    const kept = this.#kept.get(backend);
    if (kept === undefined) return;
    kept.pool.isKept = false;
    this.#kept.delete(backend);
  }

  /** A switch to this version is about to be committed. */
  rest(backend: Backend): void {
    const kept = this.#kept.get(backend);
    if (kept !== undefined) kept.restsUntilMs = this.#options.nowMs() + REST_MS;
  }

  /** The worker ends. */
  end(): void {
    for (const backend of [...this.#kept.keys()]) this.stop(backend);
  }

  /** Public for tests, which own the time. */
  tick(): void {
    const nowMs = this.#options.nowMs();
    for (const [backend, { endsAtMs }] of this.#kept) if (nowMs >= endsAtMs) this.stop(backend);
    for (const [connection, untilMs] of this.#asking) {
      if (nowMs < untilMs) continue;
      this.#asking.delete(connection);
      connection.abort();
    }
    const next = this.#mostUrgent(nowMs);
    if (next !== null) this.#ask(next.kept, next.connection, nowMs);
    if (this.#kept.size > 0 || this.#asking.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  /** The one with the least time left; null when all can still wait, even when each had to wait for all others. */
  #mostUrgent(nowMs: number): { kept: Kept; connection: BackendConnection } | null {
    let urgent: { kept: Kept; connection: BackendConnection } | null = null;
    let leastSpareMs = Number.POSITIVE_INFINITY;
    let count = 0;
    for (const kept of this.#kept.values()) {
      if (kept.restsUntilMs > nowMs) continue;
      const mostMs = Math.min(WITHOUT_HINT_MS, kept.pool.limits.keepAliveTimeoutMs);
      count += kept.pool.idle.length;
      for (const connection of kept.pool.idle) {
        const hintMs = backendLimitMs(connection);
        const limitMs = hintMs === Number.POSITIVE_INFINITY ? mostMs : hintMs;
        const leftMs = connection.idleSinceMs + limitMs - nowMs;
        if (leftMs < 0 && limitMs === hintMs) continue; // too late for it
        const spareMs = leftMs - Math.min(LEAD_MS, limitMs / 2);
        if (spareMs >= leastSpareMs) continue;
        leastSpareMs = spareMs;
        urgent = { kept, connection };
      }
    }
    return leastSpareMs <= count * TICK_MS ? urgent : null;
  }

  #ask({ pool, head }: Kept, connection: BackendConnection, nowMs: number): void {
    const { method, timeoutMs } = this.#options.request;
    if (!pool.takeOut(connection)) return;
    this.#asking.set(connection, nowMs + timeoutMs);
    const handler = new KeepAlive(connection, () => this.#asking.delete(connection));
    connection.start(handler, method, head, false);
    connection.endRequest(null);
  }
}

/** Whatever comes is well, if it ends: the connection goes back to its pool, or is closed without a word. */
class KeepAlive implements AnswerHandler {
  readonly #connection: BackendConnection;
  readonly #over: () => void;
  #bytes = 0;

  constructor(connection: BackendConnection, over: () => void) {
    this.#connection = connection;
    this.#over = over;
  }

  onPiece({ length }: Buffer): void {
    this.#bytes += length;
    if (this.#bytes <= MAX_BODY_BYTES) return;
    this.#over();
    this.#connection.abort();
  }

  onAnswerEnd(): void {
    this.#over();
  }

  onFailed(): void {
    this.#over();
  }

  onInterim(): void {}
  onHead(): void {}
  onReadDone(): void {}
  onBackendDrained(): void {}
  onUpgraded(): void {} // never asked for, so it fails
}
