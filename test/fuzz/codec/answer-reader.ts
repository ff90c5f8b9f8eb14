/**
 * A backend's side of a connection, read with the codec of src/wire by the same calls and in the same order as
 * BackendConnection makes them, without its socket. Bytes in, messages out, in pieces of any size.
 *
 * The next answer is read where the one before has ended, as if its request had left just then.
 */
import { type AnswerHead, readAnswerHead } from "../../../src/wire/answer-head.ts";
import { ChunkedDecoder, type ChunkSink } from "../../../src/wire/chunked-decoder.ts";
import { Fields, Kind } from "../../../src/wire/fields.ts";
import { findHeadEnd, isHopeless, mayBeAnswer } from "../../../src/wire/head-search.ts";
import { LIMITS, TRAILER_LIMITS } from "./limits.ts";
import {
  type Ending,
  type Head,
  type KnownHeads,
  linesToList,
  type Message,
  type Reading,
} from "./reading.ts";

/** One for all heads, as in a worker. */
const fields = new Fields();

const SWITCHING_PROTOCOLS = 101;
const FIRST_FINAL = 200;

export class AnswerReader implements Reading, ChunkSink {
  readonly messages: Message[] = [];
  ending: Ending = "waiting";
  used = 0;
  readonly #known: KnownHeads;
  readonly #methods: readonly string[];
  #decoder: ChunkedDecoder | null = null;
  /** The request that is answered now. */
  #turn = 0;
  #pending: Buffer | null = null;
  #at = 0;
  #running: Message | null = null;
  #left = 0;

  /** @param methods of the requests, in their order; behind the last one they were GET. */
  constructor(known: KnownHeads, methods: readonly string[]) {
    this.#known = known;
    this.#methods = methods;
  }

  feed(chunk: Buffer): void {
    if (this.ending !== "waiting") return;
    const bytes = this.#pending === null ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#pending = null;
    let at = 0;
    while (at < bytes.length && this.ending === "waiting") {
      const next = this.#read(bytes, at);
      this.#at += next - at;
      if (next === at) break;
      at = next;
    }
  }

  /** The backend has ended its side. */
  end(): void {
    if (this.#running?.head.framing === "close") this.#end(this.#running, this.#at);
  }

  #read(bytes: Buffer, at: number): number {
    const message = this.#running;
    if (message === null) return this.#readHead(bytes, at);
    const { framing } = message.head;
    if (framing === "chunked" && this.#decoder !== null)
      return this.#readChunks(bytes, at, message, this.#decoder);
    const end = framing === "length" ? Math.min(bytes.length, at + this.#left) : bytes.length;
    message.body += bytes.toString("latin1", at, end);
    this.#left -= end - at;
    if (framing === "length" && this.#left === 0) this.#end(message, this.#at + end - at);
    return end;
  }

  #refuse(used: number): void {
    this.ending = "refused";
    this.used = used;
  }

  #readHead(bytes: Buffer, at: number): number {
    const end = findHeadEnd(bytes, at);
    if (end === -1) {
      if (!mayBeAnswer(bytes, at) || isHopeless(bytes, at)) this.#refuse(this.#at);
      else this.#pending = bytes.subarray(at);
      return at;
    }
    const method = this.#methods[this.#turn] ?? "GET";
    const text = bytes.toString("latin1", at, end);
    const key = `${method} ${text}`;
    let head = this.#known.get(key);
    if (head === undefined) {
      head = readHead(text, method);
      this.#known.set(key, head);
    }
    if (head === null) {
      this.#refuse(this.#at);
      return at;
    }
    this.#begin(head);
    return end;
  }

  #begin(head: Head): void {
    const message: Message = { start: this.#at, head, body: "", trailers: [], end: -1 };
    this.messages.push(message);
    if (isFinal(head)) this.#turn++;
    this.#left = head.contentLength;
    this.#running = message;
    if (head.framing === "chunked") {
      this.#decoder ??= new ChunkedDecoder(TRAILER_LIMITS);
      this.#decoder.reset();
    }
    if (head.framing === "none" || (head.framing === "length" && head.contentLength === 0)) {
      this.#end(message, this.#at + head.text.length);
    }
  }

  #readChunks(bytes: Buffer, at: number, message: Message, decoder: ChunkedDecoder): number {
    const end = decoder.feed(bytes, at, this);
    if (decoder.fault !== null) this.#refuse(this.#at + end - at);
    else if (decoder.isDone) {
      message.trailers = linesToList(decoder.trailers);
      this.#end(message, this.#at + end - at);
    }
    return end;
  }

  /** Of a body in chunks. */
  onPiece(piece: Buffer): void {
    if (this.#running !== null) this.#running.body += piece.toString("latin1");
  }

  #end(message: Message, end: number): void {
    message.end = end;
    this.#running = null;
    if (!message.head.isPersistent) this.ending = "over";
  }
}

function isFinal({ line }: Head): boolean {
  return "status" in line && (line.status >= FIRST_FINAL || line.status === SWITCHING_PROTOCOLS);
}

function readHead(text: string, method: string): Head | null {
  const head = readAnswerHead(text, fields, LIMITS.maxHeaderCount, method);
  // A 101 that does not say to what is no answer.
  if ("fault" in head || (head.status === SWITCHING_PROTOCOLS && !head.fields.has(Kind.UPGRADE))) return null;
  return answerHeadOf(head, text, method);
}

/** @param text as it came. */
export function answerHeadOf(head: AnswerHead, text: string, method: string): Head {
  const { status, reason, minorVersion, framing, contentLength } = head;
  const isInterim = status < FIRST_FINAL && status !== SWITCHING_PROTOCOLS;
  return {
    text,
    line: { status, reason, minorVersion, method },
    fields: head.fields.toList(),
    framing,
    contentLength,
    // Behind a 101 there is another protocol, or nothing.
    isPersistent: status !== SWITCHING_PROTOCOLS && (isInterim || head.isPersistent),
    isAdmitted: true,
  };
}
