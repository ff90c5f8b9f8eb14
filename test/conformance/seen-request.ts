/** One request as the backend of a case has seen it: head at once, body as it comes. */

import { valuesOf } from "../support/field-list.ts";
import type { RawClient } from "../support/raw-client.ts";
import type { BackendConnection } from "./backend-connection.ts";
import { ByteQueue } from "./byte-queue.ts";
import type { Field, RequestFraming, RequestHead } from "./request-parser.ts";

export class SeenRequest implements RequestHead {
  readonly head: string;
  readonly requestLine: string;
  readonly method: string;
  readonly target: string;
  readonly version: "1.0" | "1.1";
  readonly fields: readonly Field[];
  readonly framing: RequestFraming;
  readonly asksForTunnel: boolean;
  readonly connection: BackendConnection;
  /** Decoded bytes of the body that have come so far. */
  bodyBytes = 0;
  /** The whole request has come. */
  isComplete = false;
  /** At least one byte of a final answer was written. */
  isAnswered = false;
  /** Empty until `isComplete`. */
  trailers: readonly Field[] = [];
  readonly #unread = new ByteQueue();
  #isDiscarding = false;

  constructor(head: RequestHead, connection: BackendConnection) {
    this.head = head.head;
    this.requestLine = head.requestLine;
    this.method = head.method;
    this.target = head.target;
    this.version = head.version;
    this.fields = head.fields;
    this.framing = head.framing;
    this.asksForTunnel = head.asksForTunnel;
    this.connection = connection;
  }

  /** The first value of `name`, compared without case; undefined when there is none. */
  field(name: string): string | undefined {
    return valuesOf(this.fields, name)[0];
  }

  /** Every value of `name`. */
  fieldAll(name: string): string[] {
    return valuesOf(this.fields, name);
  }

  /** The names of all fields, in their order and with their case. */
  get names(): string[] {
    return this.fields.map(([name]) => name);
  }

  /**
   * The rest of the body, once all of it has come.
   *
   * @throws Error when it is malformed, when the connection ends first, or when `limitMs` passes.
   */
  async body(limitMs?: number): Promise<Buffer> {
    await this.connection.until(this, "the whole body", () => this.isComplete, limitMs);
    return this.#unread.take();
  }

  /** The next `bytes` bytes of the decoded body, as soon as they have come. Throws like `body()`. */
  async readBody(bytes: number, limitMs?: number): Promise<Buffer> {
    const what = `${bytes} bytes of the body`;
    await this.connection.until(this, what, () => this.#unread.length >= bytes, limitMs);
    return this.#unread.take(bytes);
  }

  /** Waits for the end of a body that is only counted (`bodyBytes`), for one too long to be kept. Throws like `body()`. */
  async discardBody(limitMs?: number): Promise<number> {
    this.#isDiscarding = true;
    this.#unread.take();
    await this.connection.until(this, "the end of the body", () => this.isComplete, limitMs);
    return this.bodyBytes;
  }

  /** Writes bytes of an answer: a whole one, or a piece. A string is written byte for byte (latin1). */
  answer(bytes: string | Uint8Array): this {
    this.connection.answer(this, bytes);
    return this;
  }

  /**
   * Answers with a 101 (or a 2xx to CONNECT) and makes the connection a tunnel.
   *
   * @param bytes the head of the answer, and what shall be in the same packet behind it.
   * @returns our end of the tunnel. What the proxy sent after its request, early or late, is read from it.
   */
  accept(bytes: string | Uint8Array): RawClient {
    this.answer(bytes);
    return this.connection.becomeTunnel();
  }

  /** For the connection that reads it. */
  receive(bytes: Buffer): void {
    this.bodyBytes += bytes.length;
    if (!this.#isDiscarding) this.#unread.push(bytes);
  }
}
