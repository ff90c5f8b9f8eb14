/**
 * A transport that tests can look into, whichever engine is below it: what went through it, and what was asked of it.
 *
 * Does nothing by itself: every call goes on, and everything is told on.
 */
import type { Socket } from "node:net";
import {
  backendTransport,
  clientTransport,
  type Engine,
} from "../../src/data-plane/sockets/open-transport.ts";
import { NOBODY, type Transport, type TransportUser } from "../../src/data-plane/sockets/transport.ts";
import { onTestEnd, type TestEnd } from "./cleanup.ts";
import { socketPair } from "./socket-pair.ts";

export class WatchedTransport implements Transport {
  user: TransportUser = NOBODY;
  /** Bytes that were told. */
  bytesRead = 0;
  /** Calls that write, and what they wrote. */
  writes = 0;
  bytesWritten = 0;
  /** What was written although it was full. */
  bytesTooMany = 0;
  isPaused = false;
  /** Our side was ended. */
  isOver = false;
  /** `onClosed` was told. */
  isClosed = false;
  readonly #inner: Transport;

  constructor(inner: Transport) {
    this.#inner = inner;
    inner.user = {
      onBytes: (bytes) => {
        this.bytesRead += bytes.length;
        this.user.onBytes(bytes);
      },
      onFin: () => this.user.onFin(),
      onDrained: () => this.user.onDrained(),
      onClosed: (error) => {
        this.isClosed = true;
        this.user.onClosed(error);
      },
    };
  }

  get isBulk(): boolean {
    return this.#inner.isBulk;
  }
  set isBulk(isBulk: boolean) {
    this.#inner.isBulk = isBulk;
  }
  get remoteAddress(): string | undefined {
    return this.#inner.remoteAddress;
  }
  get isDestroyed(): boolean {
    return this.#inner.isDestroyed;
  }
  get hasEnded(): boolean {
    return this.#inner.hasEnded;
  }
  get isFlushed(): boolean {
    return this.#inner.isFlushed;
  }
  get isFull(): boolean {
    return this.#inner.isFull;
  }
  get isWritable(): boolean {
    return this.#inner.isWritable;
  }
  writeText(text: string): void {
    this.#noteWrite([text]);
    this.#inner.writeText(text);
  }
  writeParts(parts: readonly (string | Buffer)[]): void {
    this.#noteWrite(parts);
    this.#inner.writeParts(parts);
  }
  #noteWrite(parts: readonly (string | Buffer)[]): void {
    const bytes = parts.reduce((sum, { length }) => sum + length, 0);
    this.writes++;
    this.bytesWritten += bytes;
    if (this.#inner.isFull) this.bytesTooMany += bytes;
  }
  rest(): void {
    this.#inner.rest();
  }
  pause(): void {
    this.isPaused = true;
    this.#inner.pause();
  }
  resume(): void {
    this.isPaused = false;
    this.#inner.resume();
  }
  end(): void {
    this.isOver = true;
    this.#inner.end();
  }
  destroySoon(): void {
    this.isOver = true;
    this.#inner.destroySoon();
  }
  destroy(): void {
    this.isOver = true;
    this.#inner.destroy();
  }
  reset(): void {
    this.isOver = true;
    this.#inner.reset();
  }
  onceClosed(tell: () => void): void {
    this.#inner.onceClosed(tell);
  }
}

/** A real connection: our end on `engine`, as to a backend or as of a client, and the peer's. Closed with the test. */
export async function transportPair(
  t: TestEnd,
  engine: Engine,
  kind: "backend" | "client",
): Promise<[WatchedTransport, Socket]> {
  const [near, far] = await socketPair(t);
  const transport = (kind === "backend" ? backendTransport : clientTransport)(near, engine);
  onTestEnd(t, () => transport.destroy());
  return [new WatchedTransport(transport), far];
}
