/**
 * MessageWriter: puts one message after the other onto a connection, in as few writes as it takes.
 *
 * Text (heads, chunk sizes) and small pieces of bodies are gathered and leave together, as text; a large piece goes
 * beside them as it is, without a copy. Used on both sides: requests to backends, answers to clients. What was
 * gathered is flushed before the read that it came from is over.
 */
import type { Transport } from "../sockets/transport.ts";

/** Pieces up to this size are copied behind the text before them: one plain write is cheaper than a gathering one. */
const SMALL_BYTES = 4 * 1024;

export class MessageWriter {
  readonly #transport: Transport;
  #text = "";
  /** What stands before the text; null: nothing. */
  #parts: (string | Buffer)[] | null = null;
  #marked = 0;
  #isMarkSent = true;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** What is gathered now has not left: `retract` can take back what comes from here on. */
  mark(): void {
    this.#marked = this.#text.length;
    this.#isMarkSent = false;
  }

  /** Takes back all since the mark. @returns false when some of it has left already. */
  retract(): boolean {
    if (this.#isMarkSent) return false;
    this.#text = this.#text.slice(0, this.#marked);
    return true;
  }

  /** One character for each byte. */
  text(text: string): void {
    this.#text += text;
  }

  piece(piece: Buffer): void {
    if (piece.length <= SMALL_BYTES) {
      this.#text += piece.toString("latin1", 0, piece.length);
      if (this.#text.length > SMALL_BYTES) this.#setAside();
      return;
    }
    this.#setAside().push(piece);
  }

  /** A piece as one chunk (RFC 9112 §7.1). */
  chunk(piece: Buffer): void {
    this.#text += `${piece.length.toString(16)}\r\n`;
    this.piece(piece);
    this.#text += "\r\n";
  }

  /** @param trailers field lines, each with its CRLF. */
  lastChunk(trailers: string): void {
    this.#text += `0\r\n${trailers}\r\n`;
  }

  /** The text so far is too much to be gathered on; it can no longer be taken back. */
  #setAside(): (string | Buffer)[] {
    this.#parts ??= [];
    if (this.#text !== "") this.#parts.push(this.#text);
    this.#text = "";
    this.#isMarkSent = true;
    return this.#parts;
  }

  /** Sends what was gathered. @returns false when the peer takes no more for now: `onDrained` follows. */
  flush(): boolean {
    const text = this.#text;
    if (this.#parts !== null) this.#sendParts(this.#setAside());
    else if (text !== "") {
      this.#text = "";
      this.#isMarkSent = true;
      this.#transport.writeText(text);
    }
    return !this.#transport.isFull;
  }

  #sendParts(parts: (string | Buffer)[]): void {
    this.#parts = null;
    this.#transport.writeParts(parts);
  }
}
