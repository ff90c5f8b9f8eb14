/**
 * Transport: the bytes of one connection, both ways, whoever carries them. Interfaces only.
 *
 * HandleTransport works on libuv's handle itself, SocketTransport on a `net.Socket` by its documented API: plain and
 * TLS. Nothing is told from within a call: what happens comes from the event loop.
 */

/** Who is told what happens on a connection. */
export interface TransportUser {
  /** Bytes have come. The next read overwrites them: what is needed later goes through `kept` (read-buffers.ts). */
  onBytes(bytes: Buffer): void;
  /** The peer has ended its side. */
  onFin(): void;
  /** All that was written has left this process, after some of it could not at once. */
  onDrained(): void;
  /** It is closed, whoever closed it. Told once, as the last. @param error null: nothing went wrong. */
  onClosed(error: Error | null): void;
}

export interface Transport {
  user: TransportUser;
  /** Much more is to come: worth a read buffer of its own. */
  isBulk: boolean;
  /** Nothing is likely to come for a while: a buffer of its own goes back. */
  rest(): void;
  /** IP address of the peer; undefined: it is gone. */
  readonly remoteAddress: string | undefined;
  readonly isDestroyed: boolean;
  /** The peer has ended its side, and all before that was told. */
  readonly hasEnded: boolean;
  /** All that was written has left this process; else `onDrained` follows when it has. */
  readonly isFlushed: boolean;
  /** So much waits that no more should be written before `onDrained`. */
  readonly isFull: boolean;
  /** What is written goes out: our side has not ended, and no write has failed. */
  readonly isWritable: boolean;
  /** @param text one character for each byte. */
  writeText(text: string): void;
  /** Text and bytes that leave together. */
  writeParts(parts: readonly (string | Buffer)[]): void;
  /** Nothing is told of what comes; nor is it read. */
  pause(): void;
  resume(): void;
  /** Ends our side behind all that was written. */
  end(): void;
  /** Closes it when all that was written has left. */
  destroySoon(): void;
  destroy(): void;
  /** Closes it with a reset, so that what was sent cannot be taken for complete. */
  reset(): void;
  /** For who keeps count of it, next to its user; told once, behind `onClosed`. */
  onceClosed(tell: () => void): void;
}

/** As much as may wait to be written before the writer should pause. */
export const FULL_BYTES = 64 * 1024;

/** Of a connection that nobody looks after yet. */
export const NOBODY: TransportUser = {
  onBytes() {},
  onFin() {},
  onDrained() {},
  onClosed() {},
};
