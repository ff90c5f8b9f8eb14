/**
 * Exchange: one client's request, its attempts at the backends of a version, and the answer on its way back.
 *
 * Stands between the client's connection and the backend's and keeps everything of one request in one object with
 * fixed fields: no closure is made per request. Upload and answer are two halves that run side by side. The sweeper
 * tells it the time (checkTimeLimits). Attempts follow one another (retries.ts), each is begun and ended once, and of
 * the last one comes the answer, an error reply, or the end of a message that is broken off. It ends exactly once.
 */
import { ERROR_CODES, type ForwardErrorCode, type ProxyError } from "../../core/errors.ts";
import { type Outcome, outcomeOf } from "../../core/outcome.ts";
import type { AnswerHead } from "../../wire/answer-head.ts";
import type { Backend } from "../backend/backend.ts";
import type { RunningRequest } from "../backend/running.ts";
import type { Pass } from "../backend/standing.ts";
import type { Transport } from "../sockets/transport.ts";
import { framingFor, mustBeEmpty } from "./answer-framing.ts";
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
import type { ClientEvents, ClientStream } from "./client-stream.ts";
import type { Waiter } from "./connection-pool.ts";
import { errorFields, errorText } from "./error-reply.ts";
import { EventStream, type EventStreamOwner } from "./event-stream.ts";
import { isUpstreamFailure } from "./failures.ts";
import type { ForwardContext, Targets } from "./forward-context.ts";
import type { ForwardedRequest } from "./headers.ts";
import { PastAttempts } from "./past-attempts.ts";
import {
  ANSWERED,
  CONNECTING,
  DROPPING,
  ENDED,
  FLUSHING,
  type Phase,
  QUEUED,
  STREAMING,
  WAITING,
} from "./phase.ts";
import { causesOf, type FailedAttempt, nextAfter } from "./retries.ts";
import type { Cause } from "./retry-policy.ts";
import { forwardableTrailers } from "./trailers.ts";
import { Tunnel } from "./tunnel.ts";
import { UploadPace } from "./upload-pace.ts";

export class Exchange implements Waiter, ClientEvents, RunningRequest, EventStreamOwner, FailedAttempt {
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

  readonly targets: Targets;
  readonly request: ForwardedRequest;
  /** The attempts that have failed; nearly always null. */
  past: PastAttempts | null = null;

  readonly #context: ForwardContext;
  readonly #client: ClientStream;
  #connection: BackendConnection | null = null;
  #phase: Phase = CONNECTING;
  /** What its attempt shows of a backend that is tried again; nearly always none. */
  #pass: Pass | null = null;
  /** What went wrong with the attempt that runs, or was the last; null: nothing. */
  #code: ForwardErrorCode | null = null;
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
    this.targets = targets;
    this.method = request.method;
    this.request = request;
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
    if (this.request.contentLength > this.#context.limits.maxBodyBytes) return this.#refuseBody();
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
    if (this.targets.needsLatency) this.#sentAtMs = performance.now();
    const { method, upgrade, hasBody } = this.request;
    const head = this.past === null ? this.request.head : this.#headOf(this.past);
    connection.start(this, method, head, upgrade !== null);
    if (!hasBody) return connection.endRequest(null);
    if (!this.#isContinueAwaited) this.#beginBody();
    this.#client.resumeBody(); // what has come already leaves together with the head
    connection.flush();
  }

  onNoConnection(error: ProxyError): void {
    const code = error.code as ForwardErrorCode;
    if (code !== "POOL_EXHAUSTED") this.#context.onUnreachable(this.backend);
    if (!this.#retryAfter(code)) this.#fail(code, error.message);
  }

  /** Of an attempt after the first. */
  #headOf(past: PastAttempts): string {
    // Nothing of a body was sent before: it may take its time, and the answer's begins behind it.
    if (this.request.hasBody) past.answerByMs = Number.POSITIVE_INFINITY;
    return past.head(this.request, this.backend, this.#context.retryPolicy.hasAttemptCount);
  }

  // ── the upload ──────────────────────────────────────────────────────────────────────────────────

  onBodyPiece(piece: Buffer): void {
    if (this.#isUploadOver) return;
    this.#lastProgressMs = this.#context.coarse.nowMs;
    if (this.#isContinueAwaited) this.#beginBody(); // it has not waited
    this.#pace.add(piece.length);
    if (this.#pace.bytes > this.#context.limits.maxBodyBytes) return this.#refuseBody();
    this.#connection?.sendPiece(piece, this.request.isChunked);
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
      this.request.isChunked ? forwardableTrailers(trailers, this.request.named) : null,
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
    if (this.request.minorVersion === 0) return; // RFC 9110 §15.2
    this.#client.writeInterim(interimLines(head, this.#context.policy));
    if (!this.#client.flush()) this.#holdAnswer();
  }

  onHead(head: AnswerHead): void {
    if (head.status >= this.#context.retryPolicy.lowestStatus && this.#isHeldBack(head.status)) return;
    this.#phase = STREAMING;
    this.#lastProgressMs = this.#context.coarse.nowMs;
    const { policy } = this.#context;
    if (this.#sentAtMs !== 0) this.targets.noteLatency(this.backend, performance.now() - this.#sentAtMs);
    const framing = framingFor(head, this.request.minorVersion);
    this.status = head.status;
    const type = mediaType(head);
    this.#isStream = isStreamType(type, policy);
    if (this.method === "GET" && isEventStream(type, head)) this.#beginEvents();
    this.#isBodyDropped = mustBeEmpty(head);
    this.#answerNamed = head.connection.named;
    const lines = answerLines(head, framing === "chunked", policy) + this.#stickyLine;
    this.#client.beginAnswer(lines, framing);
  }

  /** Ties the client to the backend that answers, unless it is already. */
  get #stickyLine(): string {
    const { sticky } = this.targets;
    return sticky === null || this.pinned === this.backend ? "" : sticky.lineFor(this.backend);
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
    const next = this.#context.retryPolicy.hasStatus(status) ? this.#nextAfter(["status"]) : null;
    if (next === null) return false;
    this.status = status;
    this.#begunPast().next = next;
    this.#phase = DROPPING;
    this.#isBodyDropped = true;
    return true;
  }

  #leaveDropped(): void {
    this.#retry(this.past?.next ?? this.backend, null);
  }

  onPiece(piece: Buffer): void {
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

  onUpgraded(head: AnswerHead, transport: Transport, rest: Buffer): void {
    this.#connection = null;
    if (!isWantedUpgrade(head, this.request.upgrade)) {
      transport.destroy();
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
    new Tunnel(client, { transport, rest }, backend.tunnels, isFramed).start();
  }

  // ── ending it ───────────────────────────────────────────────────────────────────────────────────

  onFailed(code: ForwardErrorCode, message: string, hasBegun: boolean): void {
    this.#connection = null;
    if (code === "BACKEND_CLOSED") this.#context.onUnreachable(this.backend);
    if (this.#phase >= ANSWERED) {
      this.#isUploadOver = true; // the answer is whole: what it does with the rest is its own affair
      if (this.#phase === ANSWERED) this.#flushOut();
    } else if (this.#phase === DROPPING) this.#leaveDropped();
    else if ((hasBegun && code === "BACKEND_CLOSED") || !this.#retryAfter(code)) this.#fail(code, message);
  }

  // ── another attempt ─────────────────────────────────────────────────────────────────────────────

  /** @returns whether another attempt has begun. */
  #retryAfter(code: ForwardErrorCode): boolean {
    const next = this.#nextAfter(causesOf(code, this.#isConnectionReused));
    if (next !== null) this.#retry(next, code);
    return next !== null;
  }

  /** @returns null: it is not sent again; once something of an answer has reached the client, never. */
  #nextAfter(causes: readonly Cause[]): Backend | null {
    if (this.#phase > WAITING || this.#hasInterim) return null;
    return nextAfter(causes, this, this.#context);
  }

  /** @param code null: it was answered, with `status`. */
  #retry(next: Backend, code: ForwardErrorCode | null): void {
    this.#connection?.abort();
    this.#connection = null;
    this.#context.onRetry(this.backend, code);
    // That it closed an idle connection just now is no fault of it: everybody does that.
    const isRace = code === "BACKEND_CLOSED" && this.#isConnectionReused;
    this.#endAttempt(isRace ? "none" : outcomeOf(this.status, code));
    this.#begunPast().backends.push(this.backend);
    this.needsFreshConnection = next === this.backend; // another one's idle connections are as good as for any request
    this.backend = next;
    next.retries++;
    this.#beginAttempt();
    this.#phase = CONNECTING;
    this.#lastProgressMs = this.#context.coarse.nowMs;
    this.#context.pool(next).acquire(this);
  }

  #begunPast(): PastAttempts {
    // Made with the first failure: the clock that runs is the first attempt's.
    this.past ??= new PastAttempts(this.#lastProgressMs + this.#context.limits.responseTimeoutMs);
    return this.past;
  }

  #beginAttempt(): void {
    const { backend } = this;
    backend.begin(this);
    if (backend.isJudged) this.#pass = backend.standing.begin(this.#context.coarse.nowMs);
  }

  /** The one place where an attempt is over, the last one too. */
  #endAttempt(outcome: Outcome): void {
    const { backend } = this;
    if (this.past !== null && this.past.backends.length > 0) backend.retries--;
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
    if (this.past !== null && this.#phase <= WAITING && nowMs > this.past.answerByMs) {
      return this.#failLate(`in ${this.past.backends.length + 1} attempts`);
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
    const isRetried = this.#retryAfter("BACKEND_RESPONSE_TIMEOUT");
    // Without it the backend that hangs would look as quick as it was before.
    if (isRetried && this.targets.needsLatency) this.targets.noteLatency(backend, idleMs);
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
    const why = this.#context.ending.isEnding ? "the proxy is ending" : whyDrained(this.backend);
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

function whyDrained({ row, isDrained, origin, version }: Backend): string {
  if (row === -1) return `${origin} has left ${version}`;
  return isDrained ? `${origin} was drained` : `${version} was switched away from`;
}

/** Of all requests without a body: nothing is ever told to it. */
const NO_UPLOAD = new UploadPace();
