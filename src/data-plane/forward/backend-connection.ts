/**
 * BackendConnection: one connection to a backend and the request that runs on it: sends it, and reads its answer.
 *
 *   idle ─► start() ─► head ─► body ─► answer ended ──┐
 *     └───◄── released, when the request was sent too ◄┘      anything else: closed
 *
 * Strict: what is not certainly one answer to this request fails it, and the connection with it. Measures no time and
 * knows no client; the exchange does.
 */
import type { ForwardErrorCode } from "../../core/errors.ts";
import { type AnswerHead, readAnswerHead } from "../../wire/answer-head.ts";
import { ChunkedDecoder, type ChunkSink } from "../../wire/chunked-decoder.ts";
import { Fields, Kind } from "../../wire/fields.ts";
import { findHeadEnd, isHopeless, mayBeAnswer } from "../../wire/head-search.ts";
import { kept } from "../sockets/read-buffers.ts";
import { NOBODY, type Transport, type TransportUser } from "../sockets/transport.ts";
import { MessageWriter } from "./message-writer.ts";

/** Who runs a request on a connection. Heads are valid during the call alone. */
export interface AnswerHandler {
  /** An interim answer (1xx), but no 101. */
  onInterim(head: AnswerHead): void;
  onHead(head: AnswerHead): void;
  /** A piece of the answer's body. */
  onPiece(piece: Buffer): void;
  /** The answer is whole. `isOpen`: the backend still takes what is left of the request. */
  onAnswerEnd(trailers: string, isOpen: boolean): void;
  /** All that came in one read has been told. */
  onReadDone(): void;
  /** The backend takes more of the request again. */
  onBackendDrained(): void;
  /** The connection is the caller's now, with the bytes behind the 101. */
  onUpgraded(head: AnswerHead, transport: Transport, rest: Buffer): void;
  /** There will be no (more) answer. @param hasBegun something of it had come. */
  onFailed(code: ForwardErrorCode, message: string, hasBegun: boolean): void;
}

export interface AnswerLimits {
  readonly maxHeaderBytes: number;
  readonly maxHeaderCount: number;
}

/** Who owns the connections. */
export interface ConnectionOwner {
  readonly limits: AnswerLimits;
  readonly origin: string;
  /** Takes another request. */
  onReleased(connection: BackendConnection): void;
  /** Closed, or no longer ours. Told once. */
  onGone(connection: BackendConnection): void;
}

const IDLE = 0;
const HEAD = 1;
const LENGTH = 2;
const CHUNKED = 3;
const UNTIL_CLOSE = 4;
/** The answer is whole; the request is still being sent. */
const ANSWERED = 5;
const GONE = 6;
type State =
  | typeof IDLE
  | typeof HEAD
  | typeof LENGTH
  | typeof CHUNKED
  | typeof UNTIL_CLOSE
  | typeof ANSWERED
  | typeof GONE;

/** An answer that is worth a read buffer of its own. */
const BULKY_BYTES = 32 * 1024;
/** Interim answers to one request: more is no progress report. */
const MAX_INTERIM = 100;
/** Of a Keep-Alive hint: closed this long before the backend would. */
const HINT_MARGIN_MS = 1_000;

/** One for all heads: each is used up before the next is read. */
const fields = new Fields();

export class BackendConnection implements ChunkSink, TransportUser {
  /** When it was released last, ms by performance.now(). */
  idleSinceMs = 0;
  /** How long the backend says that it keeps an idle connection; Infinity: it does not say. */
  idleLimitMs = Number.POSITIVE_INFINITY;
  /** A request was sent on it. */
  isUsed = false;
  readonly #transport: Transport;
  readonly #owner: ConnectionOwner;
  readonly #writer: MessageWriter;
  #handler: AnswerHandler | null = null;
  #state: State = IDLE;
  #method = "";
  #isUpgradeAsked = false;
  #isRequestSent = false;
  #hasAnswerBegun = false;
  #isPersistent = false;
  #isPaused = false;
  #interim = 0;
  /** Of a body with a length: what is still to come. */
  #left = 0;
  /** Of the answer, head included, as far as it has come. */
  #answerBytes = 0;
  #pending: Buffer | null = null;
  #decoder: ChunkedDecoder | null = null;

  constructor(transport: Transport, owner: ConnectionOwner) {
    this.#transport = transport;
    this.#owner = owner;
    this.#writer = new MessageWriter(transport);
    transport.user = this;
  }

  /** The IP address at its other end. Of one that was closed nobody knows it. */
  get peerAddress(): string | undefined {
    return this.#transport.remoteAddress;
  }

  // ── the request ─────────────────────────────────────────────────────────────────────────────────

  /** @param head of the request, whole. */
  start(handler: AnswerHandler, method: string, head: string, isUpgrade: boolean): void {
    this.#handler = handler;
    this.#state = HEAD;
    this.isUsed = true;
    this.#method = method;
    this.#isUpgradeAsked = isUpgrade;
    this.#isRequestSent = false;
    this.#hasAnswerBegun = false;
    this.#interim = 0;
    this.#answerBytes = 0;
    this.#writer.text(head);
  }

  sendPiece(piece: Buffer, isChunked: boolean): void {
    if (isChunked) this.#writer.chunk(piece);
    else this.#writer.piece(piece);
  }

  /** @returns false when the backend takes no more for now: `onBackendDrained` follows. */
  flush(): boolean {
    return this.#writer.flush();
  }

  /** @param trailers field lines; null: the body was not chunked, or there is none. */
  endRequest(trailers: string | null): void {
    if (trailers !== null) this.#writer.lastChunk(trailers);
    this.#writer.flush();
    this.#isRequestSent = true;
    if (this.#state === ANSWERED) this.#release();
  }

  /** Idle for a while. */
  rest(): void {
    this.#transport.rest();
  }

  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#transport.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#transport.resume();
  }

  /** The request is no longer wanted; nothing more is told of it. */
  abort(): void {
    this.#handler = null;
    this.#close();
  }

  // ── the answer ──────────────────────────────────────────────────────────────────────────────────

  onBytes(chunk: Buffer): void {
    const handler = this.#handler;
    if (handler === null) return this.#close(); // nobody asked
    if (this.#state === ANSWERED) return this.#settle(true);
    this.#hasAnswerBegun = true;
    const bytes = this.#pending === null ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#pending = null;
    let at = 0;
    while (at < bytes.length && this.#handler === handler && !this.#isAnswered()) {
      const next = this.#read(handler, bytes, at);
      if (next === at) break; // an unfinished head
      at = next;
    }
    this.#answerBytes += chunk.length;
    // One large answer is likely to follow another: the next one, too, comes into a buffer of its own.
    this.#transport.isBulk = this.#state < ANSWERED || this.#answerBytes >= BULKY_BYTES;
    if (this.#handler !== handler) return;
    handler.onReadDone();
    if (this.#isAnswered() && this.#handler === handler) this.#settle(at < bytes.length);
  }

  #isAnswered(): boolean {
    return this.#state === ANSWERED;
  }

  /** @returns the offset behind what was used; the same when more has to come first. */
  #read(handler: AnswerHandler, bytes: Buffer, at: number): number {
    switch (this.#state) {
      case HEAD:
        return this.#readHead(handler, bytes, at);
      case LENGTH: {
        const end = Math.min(bytes.length, at + this.#left);
        this.#left -= end - at;
        handler.onPiece(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end));
        if (this.#left === 0) this.#endAnswer(handler, "");
        return end;
      }
      case CHUNKED: {
        const decoder = this.#decoder as ChunkedDecoder;
        const end = decoder.feed(bytes, at, this);
        if (decoder.fault !== null) this.#failInvalid(decoder.fault);
        else if (decoder.isDone) this.#endAnswer(handler, decoder.trailers);
        return end;
      }
      case UNTIL_CLOSE:
        handler.onPiece(at === 0 ? bytes : bytes.subarray(at));
        return bytes.length;
      default:
        return bytes.length;
    }
  }

  /** Of a body in chunks. */
  onPiece(piece: Buffer): void {
    this.#handler?.onPiece(piece);
  }

  #readHead(handler: AnswerHandler, bytes: Buffer, at: number): number {
    const { maxHeaderBytes, maxHeaderCount } = this.#owner.limits;
    const end = findHeadEnd(bytes, at);
    if ((end === -1 ? bytes.length : end) - at > maxHeaderBytes) {
      this.#failInvalid(`its head is larger than ${maxHeaderBytes} bytes`);
      return bytes.length;
    }
    if (end === -1) {
      if (!mayBeAnswer(bytes, at)) this.#failInvalid("it does not begin like an answer");
      else if (isHopeless(bytes, at))
        this.#failInvalid("its head has a control character or a bare line end");
      else this.#pending = kept(at === 0 ? bytes : bytes.subarray(at));
      return at;
    }
    const head = readAnswerHead(bytes.toString("latin1", at, end), fields, maxHeaderCount, this.#method);
    if ("fault" in head) this.#failInvalid(head.fault);
    else if (head.status === 101) this.#takeUpgrade(handler, head, bytes.subarray(end));
    else if (head.status < 200) {
      if (++this.#interim > MAX_INTERIM) this.#failInvalid(`more than ${MAX_INTERIM} interim answers`);
      else handler.onInterim(head);
    } else this.#takeHead(handler, head);
    return this.#state === GONE ? bytes.length : end;
  }

  #takeHead(handler: AnswerHandler, head: AnswerHead): void {
    this.#isPersistent = head.isPersistent;
    if (head.fields.has(Kind.KEEP_ALIVE)) this.#takeHint(head.fields.joined(Kind.KEEP_ALIVE));
    const { framing, contentLength } = head;
    if (framing === "length") this.#left = contentLength;
    if (framing === "chunked") {
      const { maxHeaderBytes, maxHeaderCount } = this.#owner.limits;
      this.#decoder ??= new ChunkedDecoder({
        maxTrailerBytes: maxHeaderBytes,
        maxTrailerCount: maxHeaderCount,
      });
      this.#decoder.reset();
    }
    this.#state = framing === "chunked" ? CHUNKED : framing === "close" ? UNTIL_CLOSE : LENGTH;
    handler.onHead(head);
    const isEmpty = framing === "none" || (framing === "length" && contentLength === 0);
    if (isEmpty) this.#endAnswer(handler, "");
  }

  #takeHint(value: string): void {
    const seconds = /(?:^|[\s,])timeout=(\d{1,9})/i.exec(value)?.[1];
    if (seconds !== undefined) this.idleLimitMs = Math.max(0, Number(seconds) * 1_000 - HINT_MARGIN_MS);
  }

  #takeUpgrade(handler: AnswerHandler, head: AnswerHead, rest: Buffer): void {
    if (!this.#isUpgradeAsked || !head.fields.has(Kind.UPGRADE)) {
      return this.#failInvalid("101 to a request that did not ask for it, or without saying to what");
    }
    this.#handler = null;
    this.#state = GONE;
    const transport = this.#transport;
    transport.user = NOBODY;
    this.#owner.onGone(this);
    handler.onUpgraded(head, transport, kept(rest));
  }

  #endAnswer(handler: AnswerHandler, trailers: string): void {
    if (this.#handler !== handler) return; // given up while it was told
    this.#state = ANSWERED;
    handler.onAnswerEnd(trailers, this.#isPersistent);
  }

  /** @param hasSurplus bytes came behind the answer, and nobody knows whose they are. */
  #settle(hasSurplus: boolean): void {
    if (hasSurplus) this.#isPersistent = false;
    if (this.#isRequestSent) this.#release();
    else if (hasSurplus) this.#failInvalid("more than its Content-Length");
    else if (!this.#isPersistent) this.abort();
  }

  #release(): void {
    this.#handler = null;
    this.resume();
    const { hasEnded, isWritable, isFlushed } = this.#transport;
    // A request that has not left, though it was answered, would hold up the next one.
    if (!this.#isPersistent || hasEnded || !isWritable || !isFlushed) return this.#close();
    this.#state = IDLE;
    this.#owner.onReleased(this);
  }

  // ── its end ─────────────────────────────────────────────────────────────────────────────────────

  /** The backend has ended its side. */
  onFin(): void {
    const handler = this.#handler;
    if (handler !== null && this.#state === UNTIL_CLOSE) {
      this.#isPersistent = false;
      this.#endAnswer(handler, "");
      if (this.#handler === handler) handler.onReadDone();
      if (this.#handler === handler) this.#settle(false);
    } else this.#fail("BACKEND_CLOSED", "closed the connection");
    this.#close();
  }

  onClosed(error: Error | null): void {
    this.#fail(
      "BACKEND_CLOSED",
      error === null ? "closed the connection" : `closed the connection: ${error.message}`,
    );
  }

  onDrained(): void {
    this.#handler?.onBackendDrained();
  }

  #failInvalid(what: string): void {
    this.#fail("BACKEND_INVALID_ANSWER", `the answer of ${this.#owner.origin} is not valid HTTP: ${what}`);
  }

  #fail(code: ForwardErrorCode, what: string): void {
    const handler = this.#handler;
    this.#handler = null;
    const message = code === "BACKEND_CLOSED" ? `${this.#owner.origin} ${what}` : what;
    this.#close();
    handler?.onFailed(code, message, this.#hasAnswerBegun);
  }

  #close(): void {
    this.#transport.destroy();
    this.#pending = null;
    if (this.#state === GONE) return;
    this.#state = GONE;
    this.#owner.onGone(this);
  }
}
