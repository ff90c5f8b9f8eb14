/** A TransportUser that writes down what it is told, and can be waited for. */
import assert from "node:assert/strict";
import type { Transport, TransportUser } from "../../src/data-plane/sockets/transport.ts";
import { waitUntil } from "./wait.ts";

export class ToldByTransport implements TransportUser {
  /** In order: `fin`, `drained`, `closed`, or `closed CODE` after an error. Bytes are kept apart. */
  readonly told: string[] = [];
  readonly #pieces: Buffer[] = [];
  length = 0;

  /** @param transport is its user's from now on. */
  constructor(transport: Transport) {
    transport.user = this;
  }

  /** All that came. */
  get bytes(): Buffer {
    return Buffer.concat(this.#pieces);
  }

  get text(): string {
    return this.bytes.toString("latin1");
  }

  onBytes(bytes: Buffer): void {
    assert.ok(bytes.length > 0, "a read is never empty");
    this.length += bytes.length;
    this.#pieces.push(Buffer.from(bytes)); // the next read overwrites them
  }

  onFin(): void {
    this.told.push("fin");
  }

  onDrained(): void {
    this.told.push("drained");
  }

  onClosed(error: Error | null): void {
    const code = (error as NodeJS.ErrnoException | null)?.code;
    this.told.push(error === null ? "closed" : `closed ${code}`);
  }

  /** Resolves when it was told `what`, or something that begins so. */
  async seen(what: string): Promise<void> {
    const isTold = (): boolean => this.told.some((one) => one.startsWith(what));
    await waitUntil(`${what} is told`, isTold, { details: () => `told: ${this.told.join(", ")}` });
  }

  async received(length: number): Promise<void> {
    const details = (): string => `received: ${this.length}, told: ${this.told.join(", ")}`;
    await waitUntil(`${length} bytes have come`, () => this.length >= length, { details });
  }
}
