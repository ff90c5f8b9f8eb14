/**
 * Exchange: one client's request, its attempts at the backend, and the answer on its way back.
 *
 * It is undici's handler and keeps everything of one request in one object with fixed fields: no closure
 * is made per request. It reads no clock of its own but at its start and end; the sweeper tells it the
 * time (checkTimeLimits). It ends exactly once, when node:http closes the response.
 *
 *   queued ─► waiting ─► streaming ─► flushing ─► ended
 *      └─────────┴── failed: error reply, or the client's message is broken off ──┘
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Dispatcher } from "undici";
import { ERROR_CODES, type ForwardErrorCode, ProxyError } from "../../core/errors.ts";
import type { Backend } from "../backend/backend.ts";
import type { RunningRequest } from "../backend/running-requests.ts";
import type { PoolHandler } from "./connection-pool.ts";
import { replyWithError } from "./error-reply.ts";
import { isUpstreamFailure, nameFailure } from "./failures.ts";
import { answerHeaders, type RequestHeaders } from "./headers.ts";
import { type BodyOwner, RequestBody } from "./request-body.ts";
import { noteStreamed } from "./stream-garbage.ts";

/** What all exchanges of a worker share. */
export interface ForwardContext {
  readonly agent: Dispatcher;
  readonly limits: ForwardLimits;
  /** The time as of the last sweep, ms; exact enough for time limits and free per request. */
  readonly coarse: { nowMs: number };
  /** Requests of this worker that run, over all versions. */
  readonly load: { inFlight: number };
  /** The worker is ending: answers ask the client to close. */
  readonly ending: { isEnding: boolean };
  /** Told once when the exchange has ended. */
  onEnd(exchange: Exchange): void;
  /** Told of the failure that a request ends with. */
  onFailure(backend: Backend, code: ForwardErrorCode, message: string): void;
  /** Told of an attempt's failure that another attempt may mend. */
  onRetry(backend: Backend, code: ForwardErrorCode): void;
}

export interface ForwardLimits {
  readonly queueTimeoutMs: number;
  readonly responseTimeoutMs: number;
  readonly upstreamBodyIdleMs: number;
  readonly clientBodyIdleMs: number;
  readonly maxBodyBytes: number;
  readonly retries: number;
}

const QUEUED = 0; // for a connection: in the pool's queue, or one is being opened
const WAITING = 1; // sent, or being sent; no answer yet
const STREAMING = 2; // the answer's body is coming
const FLUSHING = 3; // all of the answer is handed to the client's socket
const ENDED = 4;
type Phase = typeof QUEUED | typeof WAITING | typeof STREAMING | typeof FLUSHING | typeof ENDED;

/** Safe methods (RFC 9110 §9.2.1): may be sent again after a reused connection turned out to be dead. */
const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

const SMALL_BODY_BYTES = 4 * 1024;

/** After an answer that came before the end of the upload: how long the rest may take to be thrown away. */
const LINGER_MS = 5_000;

const EXCHANGE = Symbol("exchange");
type Response = ServerResponse & { [EXCHANGE]?: Exchange };

export class Exchange implements PoolHandler, RunningRequest, BodyOwner {
  readonly backend: Backend;
  readonly method: string;
  readonly startedAtMs = performance.now();
  /** Status for the record: what was answered, 499 when the client left first. */
  status = 0;
  needsFreshConnection = false;
  place = 0;

  readonly #context: ForwardContext;
  readonly #request: IncomingMessage;
  readonly #response: Response;
  readonly #socket: Socket;
  readonly #target: string;
  readonly #headers: RequestHeaders;
  readonly #hasBody: boolean;
  #body: RequestBody | null = null;
  #controller: Dispatcher.DispatchController | null = null;
  #cancelQueued: (() => void) | null = null;
  #phase: Phase = QUEUED;
  #attempt = 0;
  #isConnectionReused = false;
  /** The answer is ours to write; whatever the attempt still says is not heard. */
  #isFailed = false;
  #isPaused = false;
  #lastProgressMs: number;
  // The answer's head, held back until the first piece of its body: both leave in one write.
  #heldStatus = 0;
  #heldStatusText = "";
  #heldFields: string[] | null = null;
  #contentLength = -1;

  constructor(
    context: ForwardContext,
    request: IncomingMessage,
    response: ServerResponse,
    backend: Backend,
    target: string,
    headers: RequestHeaders,
  ) {
    this.#context = context;
    this.#request = request;
    this.#response = response;
    this.#socket = request.socket;
    this.backend = backend;
    this.method = request.method ?? "GET";
    this.#target = target;
    this.#headers = headers;
    this.#hasBody = headers.isChunked || (headers.contentLength ?? 0) > 0;
    this.#lastProgressMs = context.coarse.nowMs;
  }

  /** Counts from here to `onEnd` as in flight. */
  start(): void {
    this.backend.requests.add(this);
    this.#context.load.inFlight++;
    this.#response[EXCHANGE] = this;
    this.#response.on("close", onResponseClose);
    if ((this.#headers.contentLength ?? 0) > this.#context.limits.maxBodyBytes) return this.#refuseBody();
    this.#dispatch();
  }

  #dispatch(): void {
    this.#attempt++;
    this.#phase = QUEUED;
    this.#controller = null;
    this.#lastProgressMs = this.#context.coarse.nowMs;
    if (this.#hasBody) this.#body = new RequestBody(this.#request, this);
    this.#context.agent.dispatch(
      {
        origin: this.backend.origin,
        path: this.#target,
        method: this.method as Dispatcher.HttpMethod,
        headers: this.#headers.fields,
        body: this.#body,
        servername: this.backend.servername,
        reset: false, // undici would close the connection after HEAD, and after bodies it does not expect
      } as Dispatcher.DispatchOptions,
      this,
    );
  }

  onBodyProgress(bytes: number): void {
    this.#lastProgressMs = this.#context.coarse.nowMs;
    if (bytes > this.#context.limits.maxBodyBytes) this.#refuseBody();
  }

  #refuseBody(): void {
    this.#fail("BODY_TOO_LARGE", `the body is larger than ${this.#context.limits.maxBodyBytes} bytes`);
  }

  // ── undici's events ─────────────────────────────────────────────────────────────────────────────

  onQueued(cancel: () => void): void {
    this.#cancelQueued = cancel;
  }

  onConnectionAssigned(isReused: boolean): void {
    this.#cancelQueued = null;
    this.#isConnectionReused = isReused;
    this.#lastProgressMs = this.#context.coarse.nowMs;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // Left or failed while the connection was being opened: throwing keeps undici from sending, and the connection.
    if (this.#phase === ENDED || this.#isFailed) throw NOT_WANTED;
    this.#controller = controller;
    this.#phase = WAITING;
    this.#lastProgressMs = this.#context.coarse.nowMs;
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _: unknown,
    statusText = "",
  ): void {
    if (status < 200) return; // 1xx: an interim answer; the final one follows
    this.#phase = STREAMING;
    this.#lastProgressMs = this.#context.coarse.nowMs;
    const { fields, contentLength, isCoded } = answerHeaders(controller.rawHeaders as Buffer[]);
    if (isCoded) throw CODED_ANSWER; // comes back as onResponseError
    if (this.#context.ending.isEnding) fields.push("Connection", "close");
    this.#heldStatus = status;
    this.#heldStatusText = statusText;
    this.#heldFields = fields;
    this.#contentLength = contentLength;
    process.nextTick(flushHead, this); // unless the body comes with the same read
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    noteStreamed(chunk.length);
    this.#lastProgressMs = this.#context.coarse.nowMs;
    if (this.#heldFields !== null) {
      if (chunk.length === this.#contentLength) {
        this.#writeHead();
        this.#phase = FLUSHING;
        this.#endWith(chunk);
        return;
      }
      this.#writeHead();
    }
    if (!this.#response.write(chunk)) {
      controller.pause();
      if (!this.#isPaused) this.#response.once("drain", onResponseDrain);
      this.#isPaused = true;
    }
  }

  /** As a string a small body joins the head in one buffer: a plain write instead of a gathering one, 2 µs less. */
  #endWith(chunk: Buffer): void {
    if (chunk.length <= SMALL_BODY_BYTES) this.#response.end(chunk.toString("latin1"), "latin1");
    else this.#response.end(chunk);
  }

  onResponseEnd(): void {
    this.#controller = null;
    if (this.#isFailed || this.#phase >= FLUSHING) return;
    if (this.#heldFields !== null) this.#writeHead();
    this.#phase = FLUSHING;
    this.#lastProgressMs = this.#context.coarse.nowMs;
    this.#response.end();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    if (this.#isFailed || this.#phase >= FLUSHING) return;
    const { code, message } = nameFailure(error, this.#phase !== QUEUED, this.backend.origin);
    if (this.#mayRetry(code)) {
      this.#context.onRetry(this.backend, code);
      this.backend.retries++;
      this.needsFreshConnection = true;
      this.#body?.destroy();
      this.#dispatch();
    } else {
      this.#fail(code, message);
    }
  }

  /** Only what was certainly not processed is sent again: design §3. */
  #mayRetry(code: ForwardErrorCode): boolean {
    if (this.#attempt > this.#context.limits.retries || this.#response.destroyed) return false;
    if (this.#body?.isTouched === true) return false;
    if (this.#phase === QUEUED) return code === "BACKEND_CONNECT_FAILED"; // nothing was sent
    return (
      this.#phase === WAITING &&
      code === "BACKEND_CLOSED" &&
      this.#isConnectionReused &&
      !this.#hasBody &&
      SAFE_METHODS.has(this.method)
    );
  }

  // ── the client's side ───────────────────────────────────────────────────────────────────────────

  /** Writes the held head unless the body has already taken it along. */
  flushHead(): void {
    if (this.#heldFields === null || this.#phase !== STREAMING || this.#isFailed) return;
    try {
      this.#writeHead();
      this.#response.flushHeaders();
    } catch (error) {
      this.#controller?.abort(error as Error); // the backend's head is not valid: comes back as onResponseError
    }
  }

  #writeHead(): void {
    const fields = this.#heldFields ?? [];
    this.#heldFields = null;
    this.status = this.#heldStatus;
    this.#response.writeHead(this.#heldStatus, this.#heldStatusText, fields); // throws on what is not valid: see onResponseError
  }

  onClientDrained(): void {
    this.#isPaused = false;
    this.#lastProgressMs = this.#context.coarse.nowMs;
    this.#controller?.resume();
  }

  /** node:http has closed the response: sent whole, or the client is gone. */
  onClientClose(): void {
    if (this.#phase === ENDED) return;
    if (!this.#response.writableFinished && !this.#isFailed) {
      this.status = ERROR_CODES.CLIENT_ABORTED.status;
      this.#context.onFailure(
        this.backend,
        "CLIENT_ABORTED",
        "the client left before the answer was complete",
      );
    }
    this.#phase = ENDED;
    this.#abandonAttempt();
    if (!this.#request.complete && !this.#socket.destroyed) this.#linger();
    this.backend.requests.delete(this);
    this.#context.load.inFlight--;
    this.#context.onEnd(this);
  }

  /**
   * The answer came before the end of the upload. Closing now would reset the connection and could take
   * the answer with it, so the rest is read and thrown away, for a while (RFC 9112 §9.6).
   */
  #linger(): void {
    const socket = this.#socket;
    this.#request.resume();
    const cut = setTimeout(() => socket.destroy(), LINGER_MS).unref();
    const settle = (): void => clearTimeout(cut);
    this.#request.once("end", settle);
    socket.once("close", settle);
  }

  // ── ending it ───────────────────────────────────────────────────────────────────────────────────

  checkTimeLimits(nowMs: number): void {
    // node:http closes no response that is queued behind another one of its connection (pipelining).
    if (this.#socket.destroyed) return this.onClientClose();
    const idleMs = nowMs - this.#lastProgressMs;
    const { limits } = this.#context;
    switch (this.#phase) {
      case QUEUED:
        if (this.#cancelQueued !== null && idleMs > limits.queueTimeoutMs) {
          this.#fail("POOL_EXHAUSTED", `no connection was free within ${limits.queueTimeoutMs} ms`);
        }
        return;
      case WAITING:
        if (this.#body !== null && !this.#body.isComplete && !this.#body.isHeldBack) {
          if (idleMs > limits.clientBodyIdleMs) {
            this.#fail("REQUEST_TIMEOUT", `no more of the body within ${limits.clientBodyIdleMs} ms`);
          }
        } else if (idleMs > limits.responseTimeoutMs) {
          this.#fail(
            "BACKEND_RESPONSE_TIMEOUT",
            `no answer from ${this.backend.origin} within ${limits.responseTimeoutMs} ms`,
          );
        }
        return;
      case STREAMING:
        if (this.#isPaused) {
          if (idleMs > limits.clientBodyIdleMs) this.#socket.destroy(); // the client reads no more
        } else if (idleMs > limits.upstreamBodyIdleMs) {
          this.#fail(
            "BACKEND_BODY_TIMEOUT",
            `no more of the answer of ${this.backend.origin} within ${limits.upstreamBodyIdleMs} ms`,
          );
        }
        return;
      case FLUSHING:
        if (idleMs > limits.clientBodyIdleMs) this.#socket.destroy();
        return;
    }
  }

  cutForDrain(): void {
    if (this.#phase >= FLUSHING) return;
    const why = this.#context.ending.isEnding
      ? "the proxy is ending"
      : `${this.backend.version} was switched away from`;
    this.#fail("DRAIN_DEADLINE", `${why}, and the time to finish is over`);
  }

  /** Ends the attempt; answers with an error, or breaks off an answer that has begun: it must not look complete. */
  #fail(code: ForwardErrorCode, message: string): void {
    if (this.#isFailed || this.#phase === ENDED) return;
    this.#isFailed = true;
    this.#abandonAttempt();
    this.#context.onFailure(this.backend, code, message);
    if (isUpstreamFailure(code) && this.#response.headersSent) this.status = ERROR_CODES[code].status;
    if (this.#response.headersSent) {
      // For HTTP/1.0 the end of the connection is the end of the body; only a reset says "broken".
      if (this.#request.httpVersionMinor === 0) this.#socket.resetAndDestroy();
      else this.#socket.destroy();
      return;
    }
    this.status = ERROR_CODES[code].status;
    replyWithError(this.#response, code, message, this.#context.ending.isEnding);
  }

  #abandonAttempt(): void {
    this.#cancelQueued?.();
    this.#cancelQueued = null;
    this.#body?.destroy();
    this.#heldFields = null;
    const controller = this.#controller;
    this.#controller = null;
    controller?.abort(NOT_WANTED); // nothing happens when the answer was complete
  }
}

const CODED_ANSWER = new ProxyError(
  "BACKEND_INVALID_ANSWER",
  "the backend's answer has a transfer coding besides chunked, which nobody asked for",
);
/** Why an attempt is given up; nobody reads it. */
const NOT_WANTED = Object.assign(Object.create(Error.prototype) as Error, { message: "no longer wanted" });

function onResponseClose(this: Response): void {
  this[EXCHANGE]?.onClientClose();
}

function onResponseDrain(this: Response): void {
  this[EXCHANGE]?.onClientDrained();
}

function flushHead(exchange: Exchange): void {
  exchange.flushHead();
}
