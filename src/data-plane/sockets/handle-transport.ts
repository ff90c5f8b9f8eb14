/**
 * HandleTransport: a TCP connection on libuv's handle itself, see stream-binding.ts.
 *
 * Read into a buffer that all share (read-buffers.ts), written without a queue of our own: what the kernel does not take
 * at once waits in libuv, and its bytes are counted here.
 */
import {
  giveBack,
  leave,
  lend,
  nextBuffer,
  type ReadBuffer,
  SHARED,
  setTold,
  viewOf,
  writable,
} from "./read-buffers.ts";
import { binding, errorOf, type StreamBinding, type TcpHandle, type WriteRequest } from "./stream-binding.ts";
import { FULL_BYTES, NOBODY, type Transport, type TransportUser } from "./transport.ts";

const TRANSPORT = Symbol("transport");
type OwnHandle = TcpHandle & { [TRANSPORT]?: HandleTransport };

/** After a failed write: how long what the peer said before, and has come already, is waited for. */
const LAST_WORDS_MS = 500;

/** Each costs some 50 bytes until the connection ends: Node keeps one listener for each change of its buffer. */
const MAX_RESTS = 1_000;

/** A write under way. */
interface Write extends WriteRequest {
  transport: HandleTransport;
  bytes: number;
  /** Kept until it has left. */
  parts: readonly unknown[] | null;
  lender: ReadBuffer | null;
}

interface Shutdown extends WriteRequest {
  transport: HandleTransport;
}

const node = binding as StreamBinding; // nobody makes one without it

export class HandleTransport implements Transport {
  user: TransportUser = NOBODY;
  isBulk = false;
  isDestroyed = false;
  hasEnded = false;
  readonly #handle: OwnHandle;
  /** A peer that resets what we send may have answered before: its words are read to the end. */
  readonly #readsLastWords: boolean;
  #buffer = SHARED;
  #rests = 0;
  /** Bytes of the writes that have not left. */
  #leftBytes = 0;
  #isPaused = false;
  /** Our side has ended, or cannot be written to any more. */
  #isWriteOver = false;
  #isShut = false;
  #isEndingSoon = false;
  #error: Error | null = null;
  #lastWords: NodeJS.Timeout | undefined;
  #tellClosed: (() => void) | null = null;

  constructor(handle: TcpHandle, readsLastWords: boolean) {
    this.#handle = handle;
    this.#readsLastWords = readsLastWords;
    this.#handle[TRANSPORT] = this;
    handle.onread = onRead;
    handle.useUserBuffer(SHARED.bytes);
    handle.readStart();
  }

  get remoteAddress(): string | undefined {
    const out: { address?: string } = {};
    return !this.isDestroyed && this.#handle.getpeername(out) === 0 ? out.address : undefined;
  }

  get isFlushed(): boolean {
    return this.#leftBytes === 0;
  }

  get isFull(): boolean {
    return this.#leftBytes >= FULL_BYTES;
  }

  get isWritable(): boolean {
    return !this.#isWriteOver;
  }

  // ── reading ─────────────────────────────────────────────────────────────────────────────────────

  /** @returns where the next read goes; undefined: where this one went. */
  onRead(): Buffer | undefined {
    const count = node.readCount();
    if (count <= 0) {
      if (count < 0) this.#onReadOver(count);
      return undefined;
    }
    const buffer = this.#buffer;
    setTold(buffer);
    this.user.onBytes(viewOf(buffer, count));
    setTold(null);
    if (this.isDestroyed || (buffer.isShared && !this.isBulk)) return undefined;
    const next = nextBuffer(buffer, count, this.isBulk);
    if (next === buffer) return undefined;
    this.#buffer = next;
    return next.bytes;
  }

  #onReadOver(status: number): void {
    if (this.isDestroyed) return;
    if (status !== node.endOfFile) return this.#fail(errorOf("read", status));
    this.hasEnded = true;
    this.user.onFin();
    if (this.#isShut) this.destroy();
  }

  rest(): void {
    if (this.#buffer.isShared || this.isDestroyed || this.#rests === MAX_RESTS) return;
    this.#rests++;
    leave(this.#buffer);
    this.#buffer = SHARED;
    this.#handle.useUserBuffer(SHARED.bytes);
  }

  pause(): void {
    if (this.#isPaused || this.isDestroyed) return;
    this.#isPaused = true;
    this.#handle.readStop();
  }

  resume(): void {
    if (!this.#isPaused || this.isDestroyed) return;
    this.#isPaused = false;
    if (!this.hasEnded) this.#handle.readStart();
  }

  // ── writing ─────────────────────────────────────────────────────────────────────────────────────

  writeText(text: string): void {
    if (this.#isWriteOver) return;
    const request = spare ?? new node.WriteWrap();
    this.#noteWritten(request, this.#handle.writeLatin1String(request, text), null);
  }

  writeParts(parts: readonly (string | Buffer)[]): void {
    if (this.#isWriteOver) return;
    const request = spare ?? new node.WriteWrap();
    const only = parts.length === 1 ? parts[0] : undefined;
    if (only instanceof Buffer) {
      const bytes = writable(only) as Buffer;
      return this.#noteWritten(request, this.#handle.writeBuffer(request, bytes), [bytes]);
    }
    const safe: unknown[] = [];
    for (const part of parts) safe.push(writable(part), typeof part === "string" ? "latin1" : "buffer");
    this.#noteWritten(request, this.#handle.writev(request, safe, false), safe);
  }

  /** @param parts what must stay as it is until it has left. */
  #noteWritten(request: WriteRequest, status: number, parts: readonly unknown[] | null): void {
    if (status !== 0) return this.#failWrite(status);
    const bytes = node.bytesLeft();
    if (bytes === 0) {
      spare = request; // Node has not used it
      return;
    }
    spare = null;
    this.#leftBytes += bytes;
    const lender = parts === null ? null : lend();
    Object.assign<WriteRequest, Omit<Write, "oncomplete">>(request, {
      transport: this,
      bytes,
      parts,
      lender,
    });
    request.oncomplete = onWritten;
  }

  onWritten({ bytes, lender }: Write, status: number): void {
    if (lender !== null) giveBack(lender);
    this.#leftBytes -= bytes;
    if (this.isDestroyed) return;
    if (status !== 0) return this.#failWrite(status);
    if (this.#leftBytes > 0) return;
    if (this.#isEndingSoon) return this.destroy();
    this.user.onDrained();
  }

  #failWrite(status: number): void {
    const error = errorOf("write", status);
    this.#isWriteOver = true;
    if (!this.#readsLastWords || this.hasEnded) return this.#fail(error);
    this.#lastWords ??= setTimeout(() => this.#fail(error), LAST_WORDS_MS);
  }

  // ── its end ─────────────────────────────────────────────────────────────────────────────────────

  end(): void {
    if (this.#isWriteOver) return;
    this.#isWriteOver = true;
    const request = new node.ShutdownWrap() as Shutdown;
    request.transport = this;
    request.oncomplete = onShut;
    this.#handle.shutdown(request); // an error says that the connection is gone, which reading tells too
  }

  /** Our end has left, behind all that was written. Both sides have nothing more to say then. */
  onShut(): void {
    this.#isShut = true;
    if (this.hasEnded) this.destroy();
  }

  destroySoon(): void {
    this.#isWriteOver = true;
    if (this.isFlushed) this.destroy();
    else this.#isEndingSoon = true;
  }

  destroy(): void {
    if (this.isDestroyed) return;
    this.#isGoing();
    this.#handle.close();
  }

  reset(): void {
    if (this.isDestroyed) return;
    this.#isGoing();
    if (this.#handle.reset() !== 0) this.#handle.close();
  }

  #isGoing(): void {
    this.isDestroyed = true;
    this.#isWriteOver = true;
    clearTimeout(this.#lastWords);
    leave(this.#buffer);
    process.nextTick(tellClosed, this);
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.destroy();
  }

  tellClosed(): void {
    this.user.onClosed(this.#error);
    this.#tellClosed?.();
    this.user = NOBODY;
  }

  onceClosed(tell: () => void): void {
    this.#tellClosed = tell;
  }
}

/** For the next write: most leave at once, and then Node does not need it. */
let spare: WriteRequest | null = null;

function onRead(this: OwnHandle): Buffer | undefined {
  return this[TRANSPORT]?.onRead();
}
function onWritten(this: Write, status: number): void {
  this.transport.onWritten(this, status);
}
function tellClosed(transport: HandleTransport): void {
  transport.tellClosed();
}
function onShut(this: Shutdown): void {
  this.transport.onShut();
}
