/**
 * A transport in memory: bytes come as from libuv, in the buffer of all connections, which is overwritten as soon as
 * they have been told. What is written goes nowhere.
 */
import { SHARED, setTold, viewOf } from "../../../src/data-plane/sockets/read-buffers.ts";
import { NOBODY, type Transport } from "../../../src/data-plane/sockets/transport.ts";

/** What stands there when somebody still looks: the end of a line, of a head, of a number. */
const OVERWRITTEN = Buffer.from("\r\n\r\n0,");

export class MemoryTransport implements Transport {
  user = NOBODY;
  isBulk = false;
  readonly remoteAddress = "127.0.0.1";
  isDestroyed = false;
  hasEnded = false;
  readonly isFlushed = true;
  readonly isFull = false;
  /** Our side was ended, or all of it. */
  isClosed = false;

  /** As one read. */
  deliver(bytes: Buffer): void {
    bytes.copy(SHARED.bytes);
    setTold(SHARED);
    this.user.onBytes(viewOf(SHARED, bytes.length));
    setTold(null);
    SHARED.bytes.fill(OVERWRITTEN, 0, bytes.length);
  }

  /** The peer ends its side. */
  deliverEnd(): void {
    this.hasEnded = true;
    this.user.onFin();
  }

  get isWritable(): boolean {
    return !this.isClosed;
  }

  rest(): void {}
  writeText(): void {}
  writeParts(): void {}
  pause(): void {}
  resume(): void {}
  onceClosed(): void {}

  end(): void {
    this.isClosed = true;
  }

  destroySoon(): void {
    this.isClosed = true;
  }

  destroy(): void {
    this.isClosed = true;
    this.isDestroyed = true;
  }

  reset(): void {
    this.destroy();
  }
}
