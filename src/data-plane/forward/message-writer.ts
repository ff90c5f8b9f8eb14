/**
 * MessageWriter: puts one message after the other onto a socket, in as few writes as it takes.
 *
 * Text (heads, chunk sizes) and small pieces of bodies are gathered and leave together; a large piece goes as it is,
 * without a copy. Used on both sides: requests to backends, answers to clients.
 */
import type { Socket } from "node:net";

/** Pieces up to this size are copied behind the text before them: one plain write is cheaper than a gathering one. */
const SMALL_BYTES = 4 * 1024;

export class MessageWriter {
  readonly #socket: Socket;
  #text = "";
  #isCorked = false;
  #marked = 0;
  #isMarkSent = true;

  constructor(socket: Socket) {
    this.#socket = socket;
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
      if (this.#text.length > SMALL_BYTES) this.#pushText();
      return;
    }
    this.#pushText();
    this.#socket.write(piece);
    this.#isMarkSent = true;
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

  #pushText(): void {
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#socket.cork();
    }
    this.#sendText();
  }

  #sendText(): void {
    if (this.#text === "") return;
    this.#socket.write(this.#text, "latin1");
    this.#text = "";
    this.#isMarkSent = true;
  }

  /** Sends what was gathered. @returns false when the peer takes no more for now: the socket's "drain" follows. */
  flush(): boolean {
    this.#sendText();
    if (this.#isCorked) {
      this.#isCorked = false;
      this.#socket.uncork();
    }
    return !this.#socket.writableNeedDrain;
  }
}
