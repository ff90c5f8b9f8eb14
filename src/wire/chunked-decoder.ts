/**
 * Reads the chunked coding, strictly, whatever pieces it comes in. Pure.
 *
 * Serves both sides, clients' uploads and backends' answers, so each liberty taken here would be one that two
 * readers could take differently: what is not in the grammar is a fault. Extensions end here, they are for one
 * hop. A body that ends early is for the owner to see: the connection ends while `isDone` is false.
 *
 * @see RFC 9112 §7.1
 */
import { BEFORE_EXTENSION, isWholeExtension, NO_EXTENSION, stepExtension } from "./chunk-extension.ts";
import { CR, HEX_VALUE, HTAB, IS_TEXT, LF, NO_DIGIT, SEMICOLON, SPACE } from "./octets.ts";
import { type TrailerLimits, TrailerSection } from "./trailer-section.ts";

/** More would be leading zeros: no size needs more than 14. */
const MAX_SIZE_DIGITS = 16;

/** Of one message, so that a body of empty words costs its sender more than us (CVE-2023-39326, CVE-2024-22019). */
export const MAX_EXTENSION_BYTES = 16 * 1024;

// chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF (RFC 9112 §7.1); a last one of size 0 has no data.
const SIZE = 0;
/** RFC 9112 §7.1.1 */
const EXTENSION = 1;
const SIZE_LF = 2;
const DATA = 3;
const DATA_CR = 4;
const DATA_LF = 5;
/** RFC 9112 §7.1.2, and the empty line behind it. */
const TRAILERS = 6;
/** From here on nothing is read any more. */
const DONE = 7;
const FAULTY = 8;

export interface ChunkSink {
  /** A piece of the body, never empty: a view into what was fed. Must not throw, nor feed the same decoder. */
  onPiece(piece: Buffer): void;
}

export class ChunkedDecoder {
  readonly #trailers: TrailerSection;
  #state = SIZE;
  #digits = 0;
  /** Of the size while it is read, then of the data that has not come yet. */
  #left = 0;
  #extension = BEFORE_EXTENSION;
  #extensionBytes = 0;
  #fault: string | null = null;

  constructor(limits: TrailerLimits) {
    this.#trailers = new TrailerSection(limits);
  }

  get isDone(): boolean {
    return this.#state === DONE;
  }

  /** null while everything is well formed; else what is wrong, for people. */
  get fault(): string | null {
    return this.#fault;
  }

  /** The fault is the size of the trailer section and not syntax. */
  get isTrailerTooLarge(): boolean {
    return this.#trailers.isTooLarge;
  }

  /** The field lines as they came, "Name: value\r\n…", latin1; empty before the end and when there are none. */
  get trailers(): string {
    return this.isDone ? this.#trailers.text : "";
  }

  /**
   * @returns the offset behind the last byte used: smaller than the length only when the body has ended, then
   *   what follows is the next message, or is malformed, then it is that of the bad byte.
   */
  feed(bytes: Buffer, at: number, sink: ChunkSink): number {
    let i = at;
    while (i < bytes.length && this.#state < DONE) {
      switch (this.#state) {
        case SIZE:
          i = this.#readSize(bytes, i);
          break;
        case EXTENSION:
          i = this.#skipExtension(bytes, i);
          break;
        case DATA: {
          const end = Math.min(bytes.length, i + this.#left);
          this.#left -= end - i;
          if (this.#left === 0) this.#state = DATA_CR;
          sink.onPiece(bytes.subarray(i, end));
          i = end;
          break;
        }
        case TRAILERS:
          i = this.#trailers.feed(bytes, i);
          if (this.#trailers.isDone) this.#state = DONE;
          else if (this.#trailers.fault !== null) this.#refuse(this.#trailers.fault, i);
          break;
        default:
          i = this.#readLineEnd(bytes[i] as number, i);
      }
    }
    return i;
  }

  /** Makes it ready for the next message. */
  reset(): void {
    this.#trailers.reset();
    this.#state = SIZE;
    this.#digits = 0;
    this.#left = 0;
    this.#extensionBytes = 0;
    this.#fault = null;
  }

  #readSize(bytes: Buffer, at: number): number {
    let size = this.#left;
    let digits = this.#digits;
    let i = at;
    for (; i < bytes.length; i++) {
      const octet = bytes[i] as number;
      const value = HEX_VALUE[octet] as number;
      if (value === NO_DIGIT) {
        if (digits === 0) return this.#refuse("a chunk size that is no number", i);
        if (octet === CR) this.#state = SIZE_LF;
        else if (octet === SEMICOLON || octet === SPACE || octet === HTAB) this.#state = EXTENSION;
        else if (octet === LF) return this.#refuse("an LF without CR behind a chunk size", i);
        else return this.#refuse("a chunk size that is no number", i);
        this.#digits = 0;
        this.#left = size;
        this.#extension = BEFORE_EXTENSION;
        // The first octet of what may be an extension is counted with the others.
        return this.#state === SIZE_LF ? i + 1 : i;
      }
      if (digits === MAX_SIZE_DIGITS) return this.#refuse("a chunk size of too many digits", i);
      digits++;
      size = size * 16 + value;
      if (size > Number.MAX_SAFE_INTEGER) return this.#refuse("a chunk size that is too large", i);
    }
    this.#digits = digits;
    this.#left = size;
    return i;
  }

  /** RFC 9112 §7.1.1. Nothing in a quoted string can hide a CR: it ends the line wherever it stands. */
  #skipExtension(bytes: Buffer, at: number): number {
    for (let i = at; i < bytes.length; i++) {
      const octet = bytes[i] as number;
      if (octet === CR && isWholeExtension(this.#extension)) {
        this.#state = SIZE_LF;
        return i + 1;
      }
      const next = stepExtension(this.#extension, octet);
      if (next === NO_EXTENSION) return this.#refuseExtension(octet, i);
      if (this.#extensionBytes === MAX_EXTENSION_BYTES) return this.#refuse("too long chunk extensions", i);
      this.#extension = next;
      this.#extensionBytes++;
    }
    return bytes.length;
  }

  #refuseExtension(octet: number, at: number): number {
    if (this.#extension === BEFORE_EXTENSION) return this.#refuse("a space behind a chunk size", at);
    if (octet === CR || IS_TEXT[octet] === 1) return this.#refuse("a malformed chunk extension", at);
    return this.#refuse("a control character in a chunk extension", at);
  }

  #readLineEnd(octet: number, at: number): number {
    if (this.#state === DATA_CR) {
      if (octet !== CR) return this.#refuse("a chunk that does not end where its size says", at);
      this.#state = DATA_LF;
    } else if (octet !== LF) {
      return this.#refuse("a CR without LF behind a chunk or its size", at);
    } else if (this.#state === DATA_LF) {
      this.#state = SIZE;
    } else {
      this.#state = this.#left === 0 ? TRAILERS : DATA;
    }
    return at + 1;
  }

  #refuse(fault: string, at: number): number {
    this.#state = FAULTY;
    this.#fault = fault;
    return at;
  }
}
