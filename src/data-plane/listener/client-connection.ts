/**
 * ClientConnection: one client's connection: reads its requests, one after the other, and writes their answers.
 *
 *   head ─► running (the body comes when it is wanted; the answer leaves) ─► head of the next, or
 *     │         └─► discarding: answered before the end of the upload            lingering ─► closed
 *     └─► refused: answered, lingering
 *
 * A head is read strictly and once; what is not certain is refused with a reason, and the connection closed. Requests
 * that come ahead of their turn wait, bounded. It starts no timer: the listener looks at all of them
 * (checkTimeLimits). What to do with a request is the pipeline's to say.
 */
import { FORWARD_ERRORS, type ForwardErrorCode } from "../../core/errors.ts";
import type { Member } from "../../core/roster.ts";
import { STATUS_PHRASES } from "../../core/status-phrases.ts";
import { ChunkedDecoder, type ChunkSink } from "../../wire/chunked-decoder.ts";
import { Fields } from "../../wire/fields.ts";
import { findHeadEnd, isHopeless, skipEmptyLines, startsWith } from "../../wire/head-search.ts";
import { CR } from "../../wire/octets.ts";
import { type RequestHead, readRequestHead } from "../../wire/request-head.ts";
import { httpDate } from "../forward/answer-headers.ts";
import type { AnswerFraming, ClientEvents, ClientStream } from "../forward/client-stream.ts";
import { errorFields, errorText } from "../forward/error-reply.ts";
import type { ClientSide } from "../forward/headers.ts";
import { MessageWriter } from "../forward/message-writer.ts";
import { kept } from "../sockets/read-buffers.ts";
import { NOBODY, type Transport, type TransportUser } from "../sockets/transport.ts";

export interface ConnectionLimits {
  readonly headerTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly maxHeaderBytes: number;
  readonly maxHeaderCount: number;
  readonly maxTargetBytes: number;
  readonly maxRequestsPerConnection: number;
}

/** What all connections of a listener share. */
export interface ConnectionContext {
  readonly limits: ConnectionLimits;
  /** What an answer says when another request may follow, see keepAliveLines(). */
  readonly keepAliveLines: KeepAliveLines;
  /** The time as of the next sweep, ms: exact enough for time limits, never early, and free per request. */
  readonly coarse: { nowMs: number };
  /** The worker is ending: answers ask the client to close. */
  readonly ending: { isEnding: boolean };
  /** A request has come: call `run`, or `refuse`. The head is valid during the call alone. */
  onRequest(client: ClientConnection, head: RequestHead): void;
  /** What was refused before it was a request. */
  onRefusal(code: ForwardErrorCode, message: string): void;
}

/** What ends the head of an answer, when another request may follow it. */
export interface KeepAliveLines {
  readonly plain: string;
  readonly chunked: string;
}

const CHUNKED_LINE = "Transfer-Encoding: chunked\r\n";
const CLOSE_LINES = "Connection: close\r\n\r\n";
const CLOSE_CHUNKED_LINES = "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";

/** The hint spares a client the race with our closing; seconds, rounded down. */
export function keepAliveLines(keepAliveTimeoutMs: number): KeepAliveLines {
  const seconds = Math.floor(keepAliveTimeoutMs / 1_000);
  const hint = seconds > 0 ? `Keep-Alive: timeout=${seconds}\r\n` : "";
  const plain = `Connection: keep-alive\r\n${hint}\r\n`;
  return { plain: flat(plain), chunked: flat(CHUNKED_LINE + plain) };
}

/** In one piece: text that was put together stays in parts until it is written, and each write would walk them. */
function flat(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}

const HEAD = 0;
const RUNNING = 1;
/** Answered; the rest of the body is read and thrown away. */
const DISCARDING = 2;
/** Our side has ended; the client's is waited for, so that no reset takes the answer with it (RFC 9112 §9.6). */
const LINGERING = 3;
/** Closed, or handed over. */
const GONE = 4;
type Phase = typeof HEAD | typeof RUNNING | typeof DISCARDING | typeof LINGERING | typeof GONE;

const NO_BODY = 0;
const LENGTH = 1;
const CHUNKED = 2;
/** Malformed: nothing behind it can be read. */
const BROKEN = 3;
type Body = typeof NO_BODY | typeof LENGTH | typeof CHUNKED | typeof BROKEN;

/** What is read ahead of its turn. Reading on is how we notice that a client has left. */
const READ_AHEAD_BYTES = 64 * 1024;
/** An upload that is worth a read buffer of its own. */
const BULKY_BYTES = 8 * 1024;
/** An idle connection gives such a buffer back after this. */
const REST_AFTER_MS = 1_000;
const LINGER_MS = 1_000;
/** When more of an upload may still be coming. */
const LINGER_AFTER_UPLOAD_MS = 5_000;

const EMPTY = Buffer.alloc(0);
const HEAD_METHOD = Buffer.from("HEAD ", "latin1");
const CONTINUE = "HTTP/1.1 100 ";

/** One for all heads: each is used up before the next is read. */
const fields = new Fields();

export class ClientConnection implements ClientStream, ChunkSink, Member, TransportUser {
  place = 0;
  readonly side: ClientSide;
  readonly #transport: Transport;
  readonly #context: ConnectionContext;
  readonly #writer: MessageWriter;
  #phase: Phase = HEAD;
  /** Of the phase, or of the head that is coming. */
  #sinceMs: number;
  #hasHeadBegun = false;
  #requests = 0;
  #events: ClientEvents | null = null;
  /** Read, and not yet used. */
  #pending: Buffer | null = null;
  #isReading = false;
  #isPaused = false;
  #body: Body = NO_BODY;
  #isBodyWanted = false;
  /** Of a body with a length: what is still to come. */
  #left = 0;
  /** Of the request's body, as far as it has come. */
  #uploadBytes = 0;
  #decoder: ChunkedDecoder | null = null;
  /** The method is HEAD, also where a request is refused before its head is whole. */
  #isHead = false;
  /** Nobody has asked for the body yet, and none of it has come. */
  #isContinueAwaited = false;
  /** Another request may follow this one. */
  #isPersistent = true;
  /** The client has said that nothing follows: it must not send more (RFC 9112 §9.6), so nothing can reset its answer. */
  #isLast = false;
  #isAnswered = false;
  #framing: AnswerFraming = "none";

  constructor(transport: Transport, side: ClientSide, context: ConnectionContext) {
    this.side = side;
    this.#transport = transport;
    this.#context = context;
    this.#writer = new MessageWriter(transport);
    this.#sinceMs = context.coarse.nowMs;
    transport.user = this;
  }

  /** Between two requests, with nothing of the next. */
  get isIdle(): boolean {
    return this.#phase === HEAD && this.#pending === null;
  }

  /** Nothing has ever come. */
  get isSilent(): boolean {
    return this.#requests === 0 && this.isIdle;
  }

  // ── what comes ──────────────────────────────────────────────────────────────────────────────────

  onBytes(bytes: Buffer): void {
    if (this.#phase === LINGERING) return;
    this.#pending = this.#pending === null ? bytes : Buffer.concat([this.#pending, bytes]);
    this.#read();
    if (this.#pending !== null) this.#pending = kept(this.#pending);
    // One large upload is likely to follow another.
    this.#transport.isBulk =
      this.#uploadBytes >= BULKY_BYTES || (this.#body !== NO_BODY && this.#phase === RUNNING);
  }

  /** Uses what has come, as far as its turn is. */
  #read(): void {
    if (this.#isReading) return; // further up the stack
    this.#isReading = true;
    do while (this.#readSome());
    while (this.#isTurnOver());
    this.#isReading = false;
    const isFull = this.#aheadBytes >= READ_AHEAD_BYTES;
    if (isFull !== this.#isPaused && this.#phase !== GONE) {
      this.#isPaused = isFull;
      if (isFull) this.#transport.pause();
      else this.#transport.resume();
    }
  }

  /** Read ahead of its turn; a head has a limit of its own. */
  get #aheadBytes(): number {
    return this.#pending === null || this.#phase === HEAD ? 0 : this.#pending.length;
  }

  /** Tells what runs how much waits behind it. @returns whether that ended it: it is the turn of what waits. */
  #isTurnOver(): boolean {
    const aheadBytes = this.#aheadBytes;
    if (aheadBytes === 0) return false;
    const events = this.#events;
    events?.onReadAhead?.(aheadBytes);
    return this.#events !== events;
  }

  #readSome(): boolean {
    if (this.#pending === null) return false;
    if (this.#phase === HEAD) return this.#readHead(this.#pending);
    if (this.#phase > DISCARDING || this.#body === NO_BODY || !this.#isBodyWanted) return false;
    this.#readBody(this.#pending);
    return true;
  }

  #readHead(bytes: Buffer): boolean {
    const { maxHeaderBytes, maxHeaderCount, maxTargetBytes } = this.#context.limits;
    const start = skipEmptyLines(bytes, 0);
    if (start === bytes.length) {
      this.#pending = null; // empty lines alone: as idle, and for as long, as before (RFC 9112 §2.2)
      return false;
    }
    if (!this.#hasHeadBegun && bytes[start] !== CR) {
      this.#hasHeadBegun = true;
      this.#sinceMs = this.#context.coarse.nowMs;
    }
    const end = findHeadEnd(bytes, start);
    const size = (end === -1 ? bytes.length : end) - start;
    this.#pending = end === -1 ? bytes.subarray(start) : end === bytes.length ? null : bytes.subarray(end);
    if (end === -1 || size > maxHeaderBytes) this.#isHead = startsWith(bytes, start, HEAD_METHOD);
    if (size > maxHeaderBytes) this.#refuseLarge(bytes.toString("latin1", start, start + maxHeaderBytes));
    else if (end === -1) {
      if (!isHopeless(bytes, start)) return false;
      this.refuse("MALFORMED_REQUEST", "the request has a control character or a bare line end in its head");
    } else {
      const head = readRequestHead(bytes.toString("latin1", start, end), fields, maxHeaderCount);
      this.#isHead = "fault" in head ? startsWith(bytes, start, HEAD_METHOD) : head.method === "HEAD";
      if ("fault" in head) this.#refuseHead(head.fault, head.isTooMany === true);
      else if (head.target.length > maxTargetBytes) this.#refuseTarget();
      else this.#begin(head);
    }
    return true;
  }

  /** @param text as much of the head as may be. */
  #refuseLarge(text: string): void {
    const { maxHeaderBytes, maxTargetBytes } = this.#context.limits;
    const lineEnd = text.indexOf("\r\n");
    const target = (lineEnd === -1 ? text : text.slice(0, lineEnd)).split(" ", 2)[1] ?? "";
    if (lineEnd === -1 || target.length > maxTargetBytes) this.#refuseTarget();
    else this.#refuseHead(`the request head is larger than ${maxHeaderBytes} bytes`, true);
  }

  #refuseTarget(): void {
    const { maxTargetBytes } = this.#context.limits;
    this.refuse("TARGET_TOO_LONG", `the request target is longer than ${maxTargetBytes} bytes`);
  }

  #refuseHead(fault: string, isTooLarge: boolean): void {
    this.refuse(isTooLarge ? "HEADERS_TOO_LARGE" : "MALFORMED_REQUEST", fault);
  }

  #begin(head: RequestHead): void {
    const { isClose, isKeepAlive } = head.connection;
    const wantsMore = head.minorVersion === 1 ? !isClose : isKeepAlive && !isClose;
    this.#requests++;
    this.#isLast = !wantsMore && !head.isChunked && head.contentLength <= 0;
    this.#isPersistent = wantsMore && this.#requests < this.#context.limits.maxRequestsPerConnection;
    this.#phase = RUNNING;
    this.#hasHeadBegun = false;
    this.#isAnswered = false;
    this.#isBodyWanted = false;
    this.#left = head.contentLength;
    this.#uploadBytes = 0;
    this.#body = head.isChunked ? CHUNKED : head.contentLength > 0 ? LENGTH : NO_BODY;
    this.#isContinueAwaited = head.expectsContinue && this.#body !== NO_BODY;
    if (head.isChunked) this.#startDecoder();
    this.#context.onRequest(this, head);
  }

  #startDecoder(): void {
    const { maxHeaderBytes, maxHeaderCount } = this.#context.limits;
    this.#decoder ??= new ChunkedDecoder({
      maxTrailerBytes: maxHeaderBytes,
      maxTrailerCount: maxHeaderCount,
    });
    this.#decoder.reset();
  }

  #readBody(bytes: Buffer): void {
    this.#isContinueAwaited = false;
    if (this.#body === LENGTH) {
      const end = Math.min(bytes.length, this.#left);
      this.#left -= end;
      this.#pending = end === bytes.length ? null : bytes.subarray(end);
      this.onPiece(this.#pending === null ? bytes : bytes.subarray(0, end));
      if (this.#left === 0) this.#endBody("");
      else this.#events?.onBodyReadDone();
    } else if (this.#body === CHUNKED && this.#decoder !== null) {
      const decoder = this.#decoder;
      this.#pending = null;
      const end = decoder.feed(bytes, 0, this);
      if (end < bytes.length && this.#phase <= DISCARDING) this.#pending = bytes.subarray(end);
      if (decoder.fault !== null) this.#breakBody(decoder.fault, decoder.isTrailerTooLarge);
      else if (decoder.isDone) this.#endBody(decoder.trailers);
      else this.#events?.onBodyReadDone();
    } else this.#pending = null; // behind a malformed body
  }

  onPiece(piece: Buffer): void {
    this.#uploadBytes += piece.length;
    this.#events?.onBodyPiece(piece);
  }

  #endBody(trailers: string): void {
    if (this.#phase > DISCARDING) return;
    this.#body = NO_BODY;
    if (this.#phase === DISCARDING) this.#next();
    else this.#events?.onBodyEnd(trailers);
  }

  #breakBody(fault: string, isTooLarge: boolean): void {
    this.#body = BROKEN;
    this.#isPersistent = false;
    if (this.#phase === DISCARDING) this.#linger();
    else
      this.#events?.onBodyFault(
        isTooLarge ? "HEADERS_TOO_LARGE" : "MALFORMED_REQUEST",
        `the body has ${fault}`,
      );
  }

  // ── ClientStream ────────────────────────────────────────────────────────────────────────────────

  /** Who is told of what comes from now on until `finish`. */
  run(events: ClientEvents): void {
    this.#events = events;
  }

  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  resumeBody(): void {
    this.#isBodyWanted = true;
    this.#read();
  }

  pauseBody(): void {
    this.#isBodyWanted = false;
  }

  writeInterim(lines: string): void {
    if (this.#isAnswered) return;
    if (lines.startsWith(CONTINUE)) this.#isContinueAwaited = false;
    this.#writer.text(`${lines}\r\n`);
  }

  /** For a request whose body we take ourselves, and whose client waits to be told so (RFC 9110 §10.1.1). */
  writeContinue(): void {
    if (!this.#isContinueAwaited || this.#pending !== null) return;
    this.writeInterim(`${CONTINUE}Continue\r\n`);
    this.flush();
  }

  beginAnswer(lines: string, framing: AnswerFraming): void {
    this.#isAnswered = true;
    this.#framing = framing;
    // Clients that were not told to go on leave the body out, curl after a 417 too: what came next would be taken for it.
    const isBodyInDoubt = this.#isContinueAwaited && this.#pending === null;
    if (framing === "close" || isBodyInDoubt || this.#context.ending.isEnding) this.#isPersistent = false;
    this.#writer.mark();
    this.#writer.text(lines);
    this.#writer.text(this.#lastLines(framing === "chunked"));
  }

  #lastLines(isChunked: boolean): string {
    if (!this.#isPersistent) return isChunked ? CLOSE_CHUNKED_LINES : CLOSE_LINES;
    const { plain, chunked } = this.#context.keepAliveLines;
    return isChunked ? chunked : plain;
  }

  writePiece(piece: Buffer): void {
    if (this.#framing === "chunked") this.#writer.chunk(piece);
    else this.#writer.piece(piece);
  }

  endAnswer(trailers: string): void {
    if (this.#framing === "chunked") this.#writer.lastChunk(trailers);
  }

  flush(): boolean {
    return this.#writer.flush();
  }

  isFlushed(): boolean {
    return this.#transport.isFlushed;
  }

  answer(status: number, given: readonly string[], body: string | Buffer, mustClose: boolean): void {
    if (mustClose) this.#isPersistent = false;
    let lines = `HTTP/1.1 ${status} ${STATUS_PHRASES[status] ?? ""}\r\nDate: ${httpDate()}\r\n`;
    for (let i = 0; i + 1 < given.length; i += 2) lines += `${given[i]}: ${given[i + 1]}\r\n`;
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    this.beginAnswer(`${lines}Content-Length: ${bytes.length}\r\n`, "length");
    if (!this.#isHead) this.#writer.piece(bytes);
  }

  retractAnswer(): boolean {
    if (!this.#writer.retract()) return false;
    this.#isAnswered = false;
    return true;
  }

  breakOff(): void {
    // Where the end of the connection is the end of the body, only a reset says "broken".
    if (this.#framing === "close") this.#transport.reset();
    else this.#transport.destroy();
  }

  close(): void {
    this.#transport.destroy();
  }

  detach(): { transport: Transport; rest: Buffer } {
    const transport = this.#transport;
    transport.user = NOBODY;
    transport.resume();
    this.#phase = GONE;
    this.#events = null;
    const rest = kept(this.#pending ?? EMPTY);
    this.#pending = null;
    return { transport, rest };
  }

  finish(): void {
    this.#events = null;
    if (this.#phase !== RUNNING) return;
    if (!this.#isPersistent || this.#transport.isDestroyed) this.#linger();
    else if (this.#body !== NO_BODY) {
      this.#phase = DISCARDING;
      this.#sinceMs = this.#context.coarse.nowMs;
      this.resumeBody();
    } else this.#next();
  }

  #next(): void {
    this.#phase = HEAD;
    this.#sinceMs = this.#context.coarse.nowMs;
    this.#isHead = false;
    if (this.#context.ending.isEnding && this.#pending === null) this.#linger();
    else this.#read();
  }

  // ── its end ─────────────────────────────────────────────────────────────────────────────────────

  /** Answers with an error and closes; for what is no request, or one that goes nowhere. */
  refuse(code: ForwardErrorCode, message: string): void {
    this.#context.onRefusal(code, message);
    this.#phase = RUNNING;
    this.#isAnswered = false;
    this.answer(FORWARD_ERRORS[code].status, errorFields(code), errorText(code, message), true);
    this.#writer.flush();
    this.finish();
  }

  #linger(): void {
    this.#phase = LINGERING;
    this.#sinceMs = this.#context.coarse.nowMs;
    const mayComeMore = !this.#isLast || this.#pending !== null;
    this.#pending = null;
    this.#writer.flush();
    if (this.#transport.hasEnded || !mayComeMore) this.#transport.destroySoon();
    else {
      this.#transport.end();
      this.#transport.resume(); // what still comes is thrown away
    }
  }

  /** The client has ended its side: it has left, or will not read on (as nginx and node:http take it). */
  onFin(): void {
    if (this.#phase === LINGERING) this.#transport.destroySoon();
    else this.#leave();
  }

  onClosed(): void {
    this.#leave();
  }

  #leave(): void {
    if (this.#phase === GONE) return;
    this.#phase = GONE;
    this.#pending = null;
    const events = this.#events;
    this.#events = null;
    this.#transport.destroy();
    events?.onClientGone();
  }

  onDrained(): void {
    this.#events?.onClientDrained();
  }

  /** Closes it unless something runs on it. */
  closeIfIdle(): void {
    if (this.isIdle) this.#linger();
  }

  checkTimeLimits(nowMs: number): void {
    const { headerTimeoutMs, keepAliveTimeoutMs } = this.#context.limits;
    const sinceMs = nowMs - this.#sinceMs;
    switch (this.#phase) {
      case HEAD:
        if (this.#hasHeadBegun) {
          if (sinceMs > headerTimeoutMs)
            this.refuse("REQUEST_TIMEOUT", "the request head did not arrive in time");
          return;
        }
        if (sinceMs > REST_AFTER_MS) this.#transport.rest();
        if (sinceMs > (this.#requests === 0 ? headerTimeoutMs : keepAliveTimeoutMs)) this.#linger();
        return;
      case DISCARDING:
        if (sinceMs > LINGER_AFTER_UPLOAD_MS) this.#transport.destroy();
        return;
      case LINGERING:
        if (sinceMs > (this.#body === NO_BODY ? LINGER_MS : LINGER_AFTER_UPLOAD_MS))
          this.#transport.destroy();
        return;
    }
  }
}
