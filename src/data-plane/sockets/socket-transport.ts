/**
 * SocketTransport: a connection on a `net.Socket` by its documented API: TLS, and everything where `server.engine` is
 * `node`.
 */
import type { Socket } from "node:net";
import { noteGarbage } from "./garbage.ts";
import { keepReadingAfterFailedWrite } from "./last-words.ts";
import { kept } from "./read-buffers.ts";
import { NOBODY, type Transport, type TransportUser } from "./transport.ts";

const TRANSPORT = Symbol("transport");
type OwnSocket = Socket & { [TRANSPORT]?: SocketTransport };

const EMPTY = Buffer.alloc(0);

export class SocketTransport implements Transport {
  user: TransportUser = NOBODY;
  isBulk = false;
  readonly #socket: OwnSocket;
  #error: Error | null = null;
  #isTellingFlushed = false;
  #tellClosed: (() => void) | null = null;

  constructor(socket: Socket, readsLastWords: boolean) {
    this.#socket = socket;
    this.#socket[TRANSPORT] = this;
    if (readsLastWords) keepReadingAfterFailedWrite(socket);
    socket.on("data", onData);
    socket.on("end", onEnd);
    socket.on("error", onError);
    socket.on("close", onClose);
    socket.on("drain", onDrain);
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  get isDestroyed(): boolean {
    return this.#socket.destroyed;
  }

  get hasEnded(): boolean {
    return this.#socket.readableEnded;
  }

  get isFlushed(): boolean {
    if (this.#socket.writableLength === 0) return true;
    this.#askFlushed();
    return false;
  }

  /** "drain" comes only after a write that was too much. */
  #askFlushed(): void {
    if (this.#isTellingFlushed || !this.#socket.writable) return;
    this.#isTellingFlushed = true;
    this.#socket.write(EMPTY, (error) => {
      this.#isTellingFlushed = false;
      if (!error) this.user.onDrained(); // else "close" follows
    });
  }

  get isFull(): boolean {
    return this.#socket.writableNeedDrain;
  }

  get isWritable(): boolean {
    return this.#socket.writable;
  }

  writeText(text: string): void {
    if (this.#socket.writable) this.#socket.write(text, "latin1");
  }

  writeParts(parts: readonly (string | Buffer)[]): void {
    if (!this.#socket.writable) return;
    this.#socket.cork();
    for (const part of parts) {
      if (typeof part === "string") this.#socket.write(part, "latin1");
      else this.#socket.write(kept(part)); // it may wait here, and come from a HandleTransport
    }
    this.#socket.uncork();
  }

  rest(): void {}

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroySoon(): void {
    this.#socket.destroySoon();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }

  onceClosed(tell: () => void): void {
    this.#tellClosed = tell;
  }

  noteError(error: Error): void {
    this.#error ??= error;
  }

  tellClosed(): void {
    this.user.onClosed(this.#error);
    this.#tellClosed?.();
  }
}

function onData(this: OwnSocket, bytes: Buffer): void {
  noteGarbage(bytes.length);
  this[TRANSPORT]?.user.onBytes(bytes);
}
function onEnd(this: OwnSocket): void {
  this[TRANSPORT]?.user.onFin();
}
function onError(this: OwnSocket, error: Error): void {
  this[TRANSPORT]?.noteError(error); // "close" follows
}
function onClose(this: OwnSocket): void {
  this[TRANSPORT]?.tellClosed();
}
function onDrain(this: OwnSocket): void {
  this[TRANSPORT]?.user.onDrained();
}
