/**
 * Exchange: one client's request, its attempts at the backend, and the answer on its way back.
 *
 * Stands between the client's connection and the backend's and keeps everything of one request in one object with
 * fixed fields: no closure is made per request. Upload and answer are two halves that run side by side. It reads no
 * clock of its own but at its start and end; the sweeper tells it the time (checkTimeLimits). It ends exactly once.
 *
 *   queued ─► waiting ─► streaming ─► flushing ─► ended
 *      └─────────┴── failed: error reply, or the client's message is broken off ──┘
 */
import type { Socket } from "node:net";
import { ERROR_CODES, type ForwardErrorCode, type ProxyError } from "../../core/errors.ts";
import { type Outcome, outcomeOf } from "../../core/outcome.ts";
import type { AnswerHead } from "../../wire/answer-head.ts";
import type { Backend, OfVersion } from "../backend/backend.ts";
import type { RunningRequest } from "../backend/running.ts";
import type { Pass } from "../backend/standing.ts";
import {
  answerLines,
  interimLines,
  isEventStream,
  isStreamType,
  isWantedUpgrade,
  isWebSocket,
  mediaType,
  upgradeLines,
} from "./answer-headers.ts";
import type { BackendConnection } from "./backend-connection.ts";
import type { AnswerFraming, ClientEvents, ClientStream } from "./client-stream.ts";
import type { ConnectionPool, Waiter } from "./connection-pool.ts";
import { errorFields, errorText } from "./error-reply.ts";
import { EventStream, type EventStreamOwner } from "./event-stream.ts";
import { isUpstreamFailure } from "./failures.ts";
import type { ForwardedRequest, HeaderPolicy } from "./headers.ts";
import { PastAttempts } from "./past-attempts.ts";
import type { RetryBudget } from "./retry-budget.ts";
import { CAUSES, type Cause, type RetryPolicy } from "./retry-policy.ts";
import { noteStreamed } from "./stream-garbage.ts";
import { forwardableTrailers } from "./trailers.ts";
import { Tunnel } from "./tunnel.ts";
import { UploadPace } from "./upload-pace.ts";

/** What all exchanges of a worker share. */
export interface ForwardContext {
  pool(backend: Backend): ConnectionPool;
  readonly limits: ForwardLimits;
  readonly policy: HeaderPolicy;
  readonly retryPolicy: RetryPolicy;
  readonly retryBudget: RetryBudget;
  /** The time as of the next sweep, ms: exact enough for time limits, never early, and free per request. */
  readonly coarse: { nowMs: number };
  /** Requests of this worker that run, over all versions. */
  readonly load: { inFlight: number };
  /** The worker is ending: answers ask the client to close. */
  readonly ending: { isEnding: boolean };
  /** Told once when the exchange has ended. */
  onEnd(exchange: Exchange): void;
  /** Told of the failure that a request ends with. */
  onFailure(of: OfVersion, code: ForwardErrorCode, message: string): void;
  /** Told of an attempt's failure that another one may mend. @param code null: its answer had a status that is retried. */
  onRetry(backend: Backend, code: ForwardErrorCode | null): void;
  /** Told that no connection to it could be made, or that one broke off under a request. */
  onUnreachable(backend: Backend): void;
}

/** Where a request's attempts go: a version's pool. */
export interface Targets {
  /** null: no cookie ties a client to a backend. */
  readonly sticky: { lineFor(backend: Backend): string } | null;
  /** Answers are timed for its balancer. */
  readonly needsLatency: boolean;
  /** Retries that may run on one backend at a time; Infinity: no limit. */
  readonly maxRetries: number;
  /** Another backend that takes a retry; null: there is none. */
  pickOther(tried: readonly Backend[], keyHash: number): Backend | null;
  noteLatency(backend: Backend, ms: number): void;
}

export interface ForwardLimits {
  readonly queueTimeoutMs: number;
  /** To the head of an answer, for all attempts together. */
  readonly responseTimeoutMs: number;
  /** For one attempt that may be followed by another; Infinity: none. */
  readonly perTryTimeoutMs: number;
  readonly upstreamBodyIdleMs: number;
  readonly clientBodyIdleMs: number;
  readonly maxBodyBytes: number;
  /** Bytes per second; 0: none. */
  readonly minBodyRateBytes: number;
  readonly minBodyRateGraceMs: number;
}

const CONNECTING = 0; // a connection is being opened
const QUEUED = 1; // in the pool's queue
const WAITING = 2; // sent, or being sent; no answer yet
const DROPPING = 3; // the answer is held back; behind this read another backend is asked
const STREAMING = 4; // the answer's body is coming
const ANSWERED = 5; // the answer is whole; the upload still runs
const FLUSHING = 6; // all of it is handed to the client's socket
const ENDED = 7;
type Phase =
  | typeof CONNECTING
  | typeof QUEUED
  | typeof WAITING
  | typeof DROPPING
  | typeof STREAMING
  | typeof ANSWERED
  | typeof FLUSHING
  | typeof ENDED;

export class Exchange implements Waiter, ClientEvents, RunningRequest, EventStreamOwner {
  /** Of the attempt that runs, or was the last. */
  backend: Backend;
  readonly method: string;
  readonly startedAtMs: number;
  /** Status for the record: what was answered, 499 when the client left first. */
  status = 0;
  needsFreshConnection = false;
  place = 0;
  /** What the backend was picked by; see candidates.ts. */
  keyHash = 0;
  /** The backend that the client's cookie names. */
  pinned: Backend | null = null;

  readonly #context: ForwardContext;
  readonly #client: ClientStream;
  readonly #targets: Targets;
  readonly #request: ForwardedRequest;
  #connection: BackendConnection | null = null;
  #phase: Phase = CONNECTING;
  #attempt = 1;
  /** What its attempt shows of a backend that is tried again; nearly always none. */
  #pass: Pass | null = null;
  /** What went wrong with the attempt that runs, or was the last; null: nothing. */
  #code: ForwardErrorCode | null = null;
  /** Of the attempts that failed; nearly always null. */
  #past: PastAttempts | null = null;
  /** When the head was sent, by performance.now(); 0: nobody wants to know. */
  #sentAtMs = 0;
  #isConnectionReused = false;
  /** An interim answer has come: the request is being processed. */
  #hasInterim = false;
  /** The answer is ours to write; whatever the attempt still says is not heard. */
  #isFailed = false;
  /** Nothing more of the request goes to the backend: all has, or it takes no more. */
  #isUploadOver: boolean;
  /** The client takes no more of the answer for now. */
  #isAnswerHeld = false;
  #answerHeldSinceMs = 0;
  /** The answer is one that may stay silent for as long as it likes. */
  #isStream = false;
  /** The answer's events, while a drain may end it between two of them. */
  #events: EventStream | null = null;
  /** The body of this answer is read and thrown away. */
  #isBodyDropped = false;
  /** What `Connection` of the answer names. */
  #answerNamed: ReadonlySet<string> | null = null;
  #lastProgressMs: number;
  readonly #pace: UploadPace;
  /** Nothing of the body comes before the backend asks for it: what takes time is the backend. */
  #isContinueAwaited: boolean;

  /** @param startedAtMs when its head had come, by performance.now(). */
  constructor(
    context: ForwardContext,
    client: ClientStream,
    targets: Targets,
    backend: Backend,
    request: ForwardedRequest,
    startedAtMs: number,
  ) {
    this.startedAtMs = startedAtMs;
    this.#context = context;
    this.#client = client;
    this.backend = backend;
    this.#targets = targets;
    this.method = request.method;
    this.#request = request;
    this.#isUploadOver = !request.hasBody;
    this.#pace = request.hasBody ? new UploadPace() : NO_UPLOAD;
    this.#isContinueAwaited = request.expectsContinue;
    this.#lastProgressMs = context.coarse.nowMs;
  }

  /** Counts from here to `onEnd` as in flight. */
  start(): void {
    this.#beginAttempt();
    const inFlight = ++this.#context.load.inFlight;
    this.#context.retryBudget.note(inFlight);
    if (this.#request.contentLength > this.#context.limits.maxBodyBytes) return this.#refuseBody();
    this.#context.pool(this.backend).acquire(this);
  }

  // ── a connection ────────────────────────────────────────────────────────────────────────────────

  onQueued(): void {
    this.#phase = QUEUED;
    this.#lastProgressMs = this.#context.coarse.nowMs;
  }

  onConnecting(): void {
    this.#phase = CONNECTING;
  }

  onConnected(connection: BackendConnection, isReused: boolean): void {
    this.#connection = connection;
    this.#isConnectionReused = isReused;
    this.#phase = WAITING;
    this.#lastProgressMs = this.#context.coarse.nowMs;
    if (this.#targets.needsLatency) this.#sentAtMs = performance.now();
    const { method, upgrade, hasBody } = this.#request;
    const head = this.#past === null ? this.#request.head : this.#headOf(this.#past);
    connection.start(this, method, head, upgrade !== null);
    if (!hasBody) return connection.endRequest(null);
    if (!this.#isContinueAwaited) this.#beginBody();
    this.#client.resumeBody(); // what has come already leaves together with the head
    connection.flush();
  }

  onNoConnection(error: ProxyError): void {
    const code = error.code as ForwardErrorCode;
    if (code !== "POOL_EXHAUSTED") this.#context.onUnreachable(this.backend);
    if (code === "BACKEND_CONNECT_FAILED" && this.#retryAfter("connectFailed", code)) return;
    if (code === "BACKEND_CONNECT_TIMEOUT" && this.#retryAfter("connectTimedOut", code)) return;
    this.#fail(code, error.message);
  }

  /** Of an attempt after the first. */
  #headOf(past: PastAttempts): string {
    // Nothing of a body was sent before: it may take its time, and the answer's begins behind it.
    if (this.#request.hasBody) past.answerByMs = Number.POSITIVE_INFINITY;
    return past.head(this.#request, this.backend, this.#context.retryPolicy.hasAttemptCount);
  }

  // ── the upload ──────────────────────────────────────────────────────────────────────────────────

  onBodyPiece(piece: Buffer): void {
    if (this.#isUploadOver) return;
    noteStreamed(piece.length);
    this.#lastProgressMs = this.#context.coarse.nowMs;
    if (this.#isContinueAwaited) this.#beginBody(); // it has not waited
    this.#pace.add(piece.length);
    if (this.#pace.bytes > this.#context.limits.maxBodyBytes) return this.#refuseBody();
    this.#connection?.sendPiece(piece, this.#request.isChunked);
  }

  onBodyReadDone(): void {
    if (this.#connection === null || this.#connection.flush() || this.#pace.isHeld) return;
    this.#pace.hold(this.#context.coarse.nowMs);
    this.#client.pauseBody();
  }

  #beginBody(): void {
    this.#isContinueAwaited = false;
    this.#pace.begin(this.#context.coarse.nowMs);
  }

  onBackendDrained(): void {
    if (!this.#pace.isHeld) return;
    this.#pace.release(this.#context.coarse.nowMs);
    this.#lastProgressMs = this.#context.coarse.nowMs;
    this.#client.resumeBody();
  }

  onBodyEnd(trailers: string): void {
    if (this.#isUploadOver) return;
    this.#isUploadOver = true;
    this.#lastProgressMs = this.#context.coarse.nowMs;
    this.#connection?.endRequest(
      this.#request.isChunked ? forwardableTrailers(trailers, this.#request.named) : null,
    );
    if (this.#phase === ANSWERED) this.#flushOut();
  }

  onBodyFault(code: "MALFORMED_REQUEST" | "HEADERS_TOO_LARGE", message: string): void {
    this.#fail(code, message);
  }

  #refuseBody(): void {
    this.#fail("BODY_TOO_LARGE", `the body is larger than ${this.#context.limits.maxBodyBytes} bytes`);
  }

  // ── the answer ──────────────────────────────────────────────────────────────────────────────────

  onInterim(head: AnswerHead): void {
    this.#lastProgressMs = this.#context.coarse.nowMs;
    this.#hasInterim = true;
    if (head.status === 100 && this.#isContinueAwaited) this.#beginBody();
    if (this.#request.minorVersion === 0) return; // RFC 9110 §15.2
    this.#client.writeInterim(interimLines(head, this.#context.policy));
    if (!this.#client.flush()) this.#holdAnswer();
  }

  onHead(head: AnswerHead): void {
    if (head.status >= this.#context.retryPolicy.lowestStatus && this.#isHeldBack(head.status)) return;
    this.#phase = STREAMING;
    this.#lastProgressMs = this.#context.coarse.nowMs;
    const { policy } = this.#context;
    if (this.#sentAtMs !== 0) this.#targets.noteLatency(this.backend, performance.now() - this.#sentAtMs);
    const framing = this.#framingFor(head);
    this.status = head.status;
    const type = mediaType(head);
    this.#isStream = isStreamType(type, policy);
    if (this.method === "GET" && isEventStream(type, head)) this.#beginEvents();
    this.#isBodyDropped = head.status === RESET_CONTENT;
    this.#answerNamed = head.connection.named;
    const lines = answerLines(head, framing === "chunked", policy) + this.#stickyLine;
    this.#client.beginAnswer(lines, framing);
  }

  /** Ties the client to the backend that answers, unless it is already. */
  get #stickyLine(): string {
    const { sticky } = this.#targets;
    return sticky === null || this.pinned === this.backend ? "" : sticky.lineFor(this.backend);
  }

  /** The length stays when there is one; chunks are made where the client reads them, else the connection's end is the body's. */
  #framingFor({ framing, status }: AnswerHead): AnswerFraming {
    if (framing === "none" || framing === "length") return framing;
    if (status === RESET_CONTENT) return "length"; // of 0, see answerLines
    return this.#request.minorVersion === 1 ? "chunked" : "close";
  }

  /** Of GET alone, as EventSource asks: it comes again by itself. Who asked with POST would take it for the whole answer. */
  #beginEvents(): void {
    this.#events = new EventStream(this);
    this.backend.streams.add(this.#events);
  }

  #leaveEvents(): void {
    if (this.#events === null) return;
    this.backend.streams.delete(this.#events);
    this.#events = null;
  }

  /** Another backend may give a better answer: of this one the rest of the read is dropped, and then it is left. */
  #isHeldBack(status: number): boolean {
    const next = this.#context.retryPolicy.hasStatus(status) ? this.#nextAfter("status") : null;
    if (next === null) return false;
    this.status = status;
    this.#begunPast().next = next;
    this.#phase = DROPPING;
    this.#isBodyDropped = true;
    return true;
  }

  #leaveDropped(): void {
    this.#retry(this.#past?.next ?? this.backend, null);
  }

  onPiece(piece: Buffer): void {
    noteStreamed(piece.length);
    if (this.#events !== null) this.#passEvents(this.#events, piece);
    else if (!this.#isBodyDropped) this.#client.writePiece(piece);
  }

  #passEvents(events: EventStream, piece: Buffer): void {
    const end = events.pass(piece);
    if (end > 0) this.#client.writePiece(end === piece.length ? piece : piece.subarray(0, end));
    events.endIfBetween();
  }

  /** What the backend still says is dropped, and its connection closed. */
  endStream(): void {
    this.#abandonAttempt();
    this.#isUploadOver = true;
    this.#client.endAnswer("");
    this.#flushOut();
  }

  onReadDone(): void {
    if (this.#phase !== STREAMING) return this.#phase === DROPPING ? this.#leaveDropped() : undefined;
    this.#lastProgressMs = this.#context.coarse.nowMs;
    if (!this.#client.flush()) this.#holdAnswer();
  }

  #holdAnswer(): void {
    if (this.#isAnswerHeld) return;
    this.#isAnswerHeld = true;
    this.#answerHeldSinceMs = this.#context.coarse.nowMs;
    this.#connection?.pause();
  }

  onAnswerEnd(trailers: string, isOpen: boolean): void {
    if (this.#phase === DROPPING) {
      this.#connection = null; // it is free, or will be without us
      return;
    }
    this.#lastProgressMs = this.#context.coarse.nowMs;
    this.#client.endAnswer(forwardableTrailers(trailers, this.#answerNamed));
    this.#leaveEvents();
    if (!isOpen) this.#isUploadOver = true; // what is left of it is nobody's
    this.#phase = ANSWERED;
    if (this.#isContinueAwaited) this.#beginBody(); // it may send it all the same
    if (this.#isUploadOver) this.#flushOut();
    else this.#client.flush();
  }

  /** Waits until everything has left, or ends at once: nearly always. */
  #flushOut(): void {
    this.#phase = FLUSHING;
    this.#leaveEvents();
    this.#lastProgressMs = this.#context.coarse.nowMs;
    this.#connection = null; // it is free, or will be without us
    this.#client.flush();
    if (this.#client.isFlushed()) this.#end();
  }

  onClientDrained(): void {
    this.#lastProgressMs = this.#context.coarse.nowMs;
    if (this.#phase === FLUSHING) {
      if (this.#client.isFlushed()) this.#end();
      return;
    }
    if (!this.#isAnswerHeld) return;
    this.#isAnswerHeld = false;
    this.#connection?.resume();
  }

  onUpgraded(head: AnswerHead, socket: Socket, rest: Buffer): void {
    this.#connection = null;
    if (!isWantedUpgrade(head, this.#request.upgrade)) {
      socket.destroy();
      return this.#fail(
        "BACKEND_INVALID_ANSWER",
        `${this.backend.origin} changed to a protocol that was not asked for`,
      );
    }
    this.status = head.status;
    const isFramed = isWebSocket(head);
    this.#client.writeInterim(upgradeLines(head, this.#context.policy) + this.#stickyLine);
    this.#client.flush();
    const { backend } = this;
    const client = this.#client.detach();
    this.#close();
    new Tunnel(client, { socket, rest }, backend.tunnels, isFramed).start();
  }

  // ── ending it ───────────────────────────────────────────────────────────────────────────────────

  onFailed(code: ForwardErrorCode, message: string, hasBegun: boolean): void {
    this.#connection = null;
    if (code === "BACKEND_CLOSED") this.#context.onUnreachable(this.backend);
    if (this.#phase >= ANSWERED) {
      this.#isUploadOver = true; // the answer is whole: what it does with the rest is its own affair
      if (this.#phase === ANSWERED) this.#flushOut();
    } else if (this.#phase === DROPPING) this.#leaveDropped();
    else if (code === "BACKEND_INVALID_ANSWER" && this.#retryAfter("invalidAnswer", code)) return;
    else if (code === "BACKEND_CLOSED" && !hasBegun && this.#retryClosed(code)) return;
    else this.#fail(code, message);
  }

  // ── another attempt ─────────────────────────────────────────────────────────────────────────────

  #retryClosed(code: ForwardErrorCode): boolean {
    return (
      (this.#isConnectionReused && this.#retryAfter("idleClosed", code)) || this.#retryAfter("closed", code)
    );
  }

  /** @returns whether another attempt has begun. */
  #retryAfter(cause: Cause, code: ForwardErrorCode): boolean {
    const next = this.#nextAfter(cause);
    if (next === null) return false;
    this.#retry(next, code);
    return true;
  }

  /** Where the request is sent once more: README, "The way of a request". @returns null: nowhere. */
  #nextAfter(cause: Cause): Backend | null {
    const { retryPolicy, retryBudget, load } = this.#context;
    if (this.#attempt > retryPolicy.retries || this.#phase > WAITING || this.#hasInterim) return null;
    if (retryBudget.isOff || !retryPolicy.allows(cause, this.#request)) return null;
    const other = this.#pickOther();
    // It has loaded nobody, and who it was meant for is left out from now on: these cannot become a storm.
    if (other !== null && CAUSES[cause].methods === null) return other;
    const next = other ?? (CAUSES[cause].maySameMend && this.#takesRetry ? this.backend : null);
    return next !== null && retryBudget.take(load.inFlight) ? next : null;
  }

  /** One that was not tried; else one that is not the last. */
  #pickOther(): Backend | null {
    const past = this.#past?.backends ?? [];
    const other = this.#targets.pickOther([...past, this.backend], this.keyHash);
    return other ?? (past.length === 0 ? null : this.#targets.pickOther([this.backend], this.keyHash));
  }

  /** Its own backend, when this attempt is over. */
  get #takesRetry(): boolean {
    return this.backend.retries - (this.#attempt > 1 ? 1 : 0) < this.#targets.maxRetries;
  }

  /** @param code null: it was answered, with `status`. */
  #retry(next: Backend, code: ForwardErrorCode | null): void {
    this.#connection?.abort();
    this.#connection = null;
    this.#context.onRetry(this.backend, code);
    this.#begunPast().backends.push(this.backend);
    // That it closed an idle connection just now is no fault of it: everybody does that.
    const isRace = code === "BACKEND_CLOSED" && this.#isConnectionReused;
    this.#endAttempt(isRace ? "none" : outcomeOf(this.status, code));
    this.#attempt++;
    this.backend = next;
    next.retries++;
    this.#beginAttempt();
    this.needsFreshConnection = true;
    this.#phase = CONNECTING;
    this.#lastProgressMs = this.#context.coarse.nowMs;
    this.#context.pool(next).acquire(this);
  }

  #begunPast(): PastAttempts {
    // Made with the first failure: the clock that runs is the first attempt's.
    this.#past ??= new PastAttempts(this.#lastProgressMs + this.#context.limits.responseTimeoutMs);
    return this.#past;
  }

  #beginAttempt(): void {
    const { backend } = this;
    backend.begin(this);
    if (backend.isJudged) this.#pass = backend.standing.begin(this.#context.coarse.nowMs);
  }

  /** The one place where an attempt is over, the last one too. */
  #endAttempt(outcome: Outcome): void {
    const { backend } = this;
    if (this.#attempt > 1) backend.retries--;
    if (backend.isJudged) {
      backend.standing.end(this.#pass, outcome, this.#context.coarse.nowMs);
      this.#pass = null;
    }
    backend.end(this);
  }

  onClientGone(): void {
    if (this.#phase === ENDED) return;
    const hasAnswer = this.#phase === ANSWERED && this.#client.isFlushed(); // what it leaves undone is its upload
    if (!this.#isFailed && !hasAnswer) {
      this.status = ERROR_CODES.CLIENT_ABORTED.status;
      this.#code = "CLIENT_ABORTED";
      this.#context.onFailure(
        this.backend,
        "CLIENT_ABORTED",
        "the client left before the answer was complete",
      );
    }
    this.#end();
  }

  checkTimeLimits(nowMs: number): void {
    const idleMs = nowMs - this.#lastProgressMs;
    const { limits } = this.#context;
    if (this.#past !== null && this.#phase <= WAITING && nowMs > this.#past.answerByMs) {
      return this.#failLate(`in ${this.#attempt} attempts`);
    }
    switch (this.#phase) {
      case QUEUED:
        if (idleMs > limits.queueTimeoutMs) {
          this.#fail("POOL_EXHAUSTED", `no connection was free within ${limits.queueTimeoutMs} ms`);
        }
        return;
      case WAITING:
        if (this.#isClientsTurn) this.#checkUpload(nowMs, idleMs);
        else if (idleMs > limits.responseTimeoutMs) this.#failLate(`from ${this.backend.origin}`);
        else if (idleMs > limits.perTryTimeoutMs) this.#retryLate(idleMs);
        return;
      case STREAMING:
        if (this.#isAnswerHeld) {
          // It reads no more, whatever it still sends.
          if (nowMs - this.#answerHeldSinceMs > limits.clientBodyIdleMs) this.#giveUpClient();
        } else if (idleMs > limits.upstreamBodyIdleMs && !this.#isStream) {
          const message = `no more of the answer of ${this.backend.origin} within ${limits.upstreamBodyIdleMs} ms`;
          this.#fail("BACKEND_BODY_TIMEOUT", message);
        }
        return;
      case ANSWERED:
        if (this.#pace.isHeld) {
          if (idleMs > limits.upstreamBodyIdleMs) this.#leaveUpload();
        } else this.#checkUpload(nowMs, idleMs);
        return;
      case FLUSHING:
        if (idleMs > limits.clientBodyIdleMs) this.#giveUpClient();
        return;
    }
  }

  #failLate(which: string): void {
    const message = `no answer ${which} within ${this.#context.limits.responseTimeoutMs} ms`;
    this.#fail("BACKEND_RESPONSE_TIMEOUT", message);
  }

  /** What can go nowhere else goes on waiting. */
  #retryLate(idleMs: number): void {
    const { backend } = this;
    const isRetried = this.#retryAfter("timedOut", "BACKEND_RESPONSE_TIMEOUT");
    // Without it the backend that hangs would look as quick as it was before.
    if (isRetried && this.#targets.needsLatency) this.#targets.noteLatency(backend, idleMs);
  }

  /** The next piece of the upload is the client's to send. */
  get #isClientsTurn(): boolean {
    return !this.#isUploadOver && !this.#pace.isHeld && !this.#isContinueAwaited;
  }

  #checkUpload(nowMs: number, idleMs: number): void {
    const { clientBodyIdleMs, minBodyRateBytes, minBodyRateGraceMs } = this.#context.limits;
    if (idleMs > clientBodyIdleMs) {
      return this.#fail("REQUEST_TIMEOUT", `no more of the body within ${clientBodyIdleMs} ms`);
    }
    if (this.#pace.isTooSlow(nowMs, minBodyRateBytes, minBodyRateGraceMs)) {
      this.#fail("REQUEST_TIMEOUT", `the body came more slowly than ${minBodyRateBytes} bytes per second`);
    }
  }

  /** The answer is whole, and the backend takes no more of the upload: the rest is nobody's. */
  #leaveUpload(): void {
    this.#abandonAttempt();
    this.#isUploadOver = true;
    this.#flushOut();
  }

  #giveUpClient(): void {
    this.#client.close();
    this.onClientGone();
  }

  cutForDrain(): void {
    if (this.#phase === ANSWERED) return this.#leaveUpload();
    if (this.#phase > ANSWERED) return;
    const why = this.#context.ending.isEnding
      ? "the proxy is ending"
      : `${this.backend.version} was switched away from`;
    this.#fail("DRAIN_DEADLINE", `${why}, and the time to finish is over`);
  }

  /** Ends the attempt; answers with an error, or breaks off an answer that has begun: it must not look complete. */
  #fail(code: ForwardErrorCode, message: string): void {
    if (this.#isFailed || this.#phase === ENDED) return;
    this.#isFailed = true;
    this.#code = code;
    this.#abandonAttempt();
    this.#context.onFailure(this.backend, code, message);
    if (this.#client.isAnswered && !this.#client.retractAnswer()) {
      if (isUpstreamFailure(code)) this.status = ERROR_CODES[code].status;
      this.#client.breakOff();
      return this.#end();
    }
    this.status = ERROR_CODES[code].status;
    const mustClose = this.#context.ending.isEnding || ERROR_CODES[code].source === "client";
    const body = errorText(code, message);
    this.#client.answer(this.status, errorFields(code), body, mustClose);
    this.#isUploadOver = true;
    this.#flushOut();
  }

  #abandonAttempt(): void {
    if (this.#phase < WAITING) this.#context.pool(this.backend).leave(this);
    const connection = this.#connection;
    this.#connection = null;
    connection?.abort();
  }

  #end(): void {
    if (this.#phase === ENDED) return;
    this.#abandonAttempt();
    this.#close();
    this.#client.finish();
  }

  #close(): void {
    this.#phase = ENDED;
    this.#connection = null;
    this.#leaveEvents();
    this.#endAttempt(outcomeOf(this.status, this.#code));
    this.#context.load.inFlight--;
    this.#context.onEnd(this);
  }
}

/** Of all requests without a body: nothing is ever told to it. */
const NO_UPLOAD = new UploadPace();

/** It has no content (RFC 9110 §15.3.6); one that has some is put right. */
const RESET_CONTENT = 205;
