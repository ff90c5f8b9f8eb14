/** Sending at a pace, or without end: for cases about what is too slow and too much. */
import assert from "node:assert/strict";
import { setImmediate as breathe } from "node:timers/promises";

/** A client, or the proxy's connection to the backend. */
interface Sender {
  readonly ending: unknown;
  readonly closed: Promise<unknown>;
  send(bytes: string): unknown;
  sendAll(bytes: Uint8Array): Promise<void>;
}

/** Sends `bytes` every so often until the connection has ended. */
export function drip(to: Sender, bytes: string, everyMs: number): void {
  const timer = setInterval(() => void to.send(bytes), everyMs);
  void to.closed.then(() => clearInterval(timer));
}

/**
 * Sends `piece` again and again until `isEnough`, or until the connection has ended.
 *
 * @throws AssertionError when `maxBytes` were taken before that.
 */
export async function sendWithoutEnd(
  to: Sender,
  piece: string,
  isEnough: () => boolean = () => false,
  maxBytes = 8 * 2 ** 20,
): Promise<void> {
  const bytes = Buffer.from(piece.repeat(Math.ceil(65_536 / piece.length)), "latin1");
  for (let sent = 0; to.ending === undefined && !isEnough(); sent += bytes.length) {
    assert.ok(sent < maxBytes, `${sent} bytes were taken`);
    await Promise.race([to.sendAll(bytes).catch(() => undefined), to.closed]);
    await breathe(); // for what has come to be read
  }
}
