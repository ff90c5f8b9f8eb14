/**
 * A client's side of a connection, read with the codec of src/wire by the same calls and in the same order as
 * ClientConnection makes them, without its socket. Bytes in, messages out, in pieces of any size.
 */
import { admit } from "../../../src/data-plane/admit/admit.ts";
import { ChunkedDecoder, type ChunkSink } from "../../../src/wire/chunked-decoder.ts";
import { Fields, Kind } from "../../../src/wire/fields.ts";
import { findHeadEnd, isHopeless, skipEmptyLines } from "../../../src/wire/head-search.ts";
import { type RequestHead, readRequestHead } from "../../../src/wire/request-head.ts";
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

export class RequestReader implements Reading, ChunkSink {
  readonly messages: Message[] = [];
  ending: Ending = "waiting";
  used = 0;
  readonly #known: KnownHeads;
  #decoder: ChunkedDecoder | null = null;
  #pending: Buffer | null = null;
  /** Of the connection, where `#pending` begins. */
  #at = 0;
  #running: Message | null = null;
  #left = 0;

  constructor(known: KnownHeads) {
    this.#known = known;
  }

  feed(chunk: Buffer): void {
    if (this.ending !== "waiting") return;
    this.#pending = this.#pending === null ? chunk : Buffer.concat([this.#pending, chunk]);
    while (this.#pending !== null && this.ending === "waiting") {
      const message = this.#running;
      if (!(message === null ? this.#readHead(this.#pending) : this.#readBody(this.#pending, message))) break;
    }
  }

  #drop(bytes: Buffer, count: number): void {
    this.#at += count;
    this.#pending = count === bytes.length ? null : bytes.subarray(count);
  }

  #refuse(used: number): false {
    this.ending = "refused";
    this.used = used;
    return false;
  }

  #readHead(bytes: Buffer): boolean {
    const start = skipEmptyLines(bytes, 0);
    if (start === bytes.length) {
      this.#drop(bytes, start);
      return false;
    }
    const end = findHeadEnd(bytes, start);
    if (end === -1) {
      this.#drop(bytes, start);
      return isHopeless(bytes, start) ? this.#refuse(this.#at) : false;
    }
    const text = bytes.toString("latin1", start, end);
    let head = this.#known.get(text);
    if (head === undefined) {
      head = readHead(text);
      this.#known.set(text, head);
    }
    if (head === null) return this.#refuse(this.#at + start);
    this.#begin(head, this.#at + start);
    this.#drop(bytes, end);
    return true;
  }

  #begin(head: Head, start: number): void {
    const message: Message = { start, head, body: "", trailers: [], end: -1 };
    this.messages.push(message);
    this.#left = head.contentLength;
    this.#running = message;
    if (head.framing === "chunked") {
      this.#decoder ??= new ChunkedDecoder(TRAILER_LIMITS);
      this.#decoder.reset();
    }
    // A request that is not admitted is answered, and the connection closed: its body is nobody's.
    if (!head.isAdmitted || head.framing === "none") this.#end(message, start + head.text.length);
  }

  #readBody(bytes: Buffer, message: Message): boolean {
    if (message.head.framing === "chunked" && this.#decoder !== null) {
      return this.#readChunks(bytes, message, this.#decoder);
    }
    const end = Math.min(bytes.length, this.#left);
    this.#left -= end;
    message.body += bytes.toString("latin1", 0, end);
    this.#drop(bytes, end);
    if (this.#left === 0) this.#end(message, this.#at);
    return true;
  }

  #readChunks(bytes: Buffer, message: Message, decoder: ChunkedDecoder): boolean {
    const end = decoder.feed(bytes, 0, this);
    if (decoder.fault !== null) return this.#refuse(this.#at + end);
    this.#drop(bytes, end);
    if (!decoder.isDone) return false;
    message.trailers = linesToList(decoder.trailers);
    this.#end(message, this.#at);
    return true;
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

function readHead(text: string): Head | null {
  const head = readRequestHead(text, fields, LIMITS.maxHeaderCount);
  return "fault" in head ? null : requestHeadOf(head, text);
}

/** @param text as it came. */
export function requestHeadOf(head: RequestHead, text: string): Head {
  const { method, target, minorVersion, isChunked, contentLength, connection } = head;
  const { isClose, isKeepAlive, isUpgrade } = connection;
  const isAdmitted = admit(head, null).code === null;
  const asksUpgrade = isUpgrade && head.fields.has(Kind.UPGRADE);
  return {
    text,
    line: { method, target, minorVersion, isUpgrade: method === "CONNECT" || asksUpgrade },
    fields: head.fields.toList(),
    framing: isChunked ? "chunked" : contentLength > 0 ? "length" : "none",
    contentLength,
    isPersistent: isAdmitted && (minorVersion === 1 ? !isClose : isKeepAlive && !isClose),
    isAdmitted,
  };
}
