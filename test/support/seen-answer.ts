/** An AnswerHandler that writes down what it is told, and can be waited for. */
import assert from "node:assert/strict";
import type { ForwardErrorCode } from "../../src/core/errors.ts";
import type { AnswerHandler } from "../../src/data-plane/forward/backend-connection.ts";
import type { Transport } from "../../src/data-plane/sockets/transport.ts";
import type { AnswerHead } from "../../src/wire/answer-head.ts";
import { DEFAULT_LIMIT_MS, withLimit } from "./wait.ts";

export class SeenAnswer implements AnswerHandler {
  /**
   * What was told, in order: `interim 103`, `head 200`, `end`, or `end, open` when the backend takes what is left of
   * the request, `drained`, `upgraded`, `failed CODE`. Pieces of the body and the ends of reads are kept apart.
   */
  readonly told: string[] = [];
  /** Of the last head: name, value, …. */
  fields: readonly string[] = [];
  status = 0;
  /** One character for each byte. */
  body = "";
  pieces = 0;
  /** Reads that were told to be done. */
  reads = 0;
  trailers = "";
  /** Why it failed, for people. */
  message = "";
  /** What a 101 left. */
  upgraded: { readonly transport: Transport; readonly rest: Buffer } | undefined;
  #wake: (() => void) | undefined;

  /** Resolves when `what` is the last thing told, or was told before. */
  async seen(what: string, limitMs = DEFAULT_LIMIT_MS): Promise<void> {
    while (!this.told.includes(what)) await this.#more(what, limitMs);
  }

  /** Resolves with what ended it: `end…`, `upgraded` or `failed CODE`. */
  async over(limitMs = DEFAULT_LIMIT_MS): Promise<string> {
    for (;;) {
      const last = this.told.find((what) => /^(end|upgraded|failed)/.test(what));
      if (last !== undefined) return last;
      await this.#more("an end", limitMs);
    }
  }

  /** Resolves when so much of the body has come. */
  async received(length: number, limitMs = DEFAULT_LIMIT_MS): Promise<void> {
    while (this.body.length < length) await this.#more(`${length} bytes of the body`, limitMs);
  }

  async #more(what: string, limitMs: number): Promise<void> {
    assert.equal(this.#wake, undefined, "somebody else waits already");
    const more = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    await withLimit(more, limitMs, `${what} to be told`, () => `told: ${this.told.join(", ")}`);
  }

  tell(what: string): void {
    this.told.push(what);
    this.#woken();
  }

  #woken(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  onInterim(head: AnswerHead): void {
    this.fields = head.fields.toList();
    this.tell(`interim ${head.status}`);
  }

  onHead(head: AnswerHead): void {
    this.status = head.status;
    this.fields = head.fields.toList();
    this.tell(`head ${head.status}`);
  }

  onPiece(piece: Buffer): void {
    assert.ok(piece.length > 0, "a piece is never empty");
    this.pieces++;
    this.body += piece.toString("latin1");
    this.#woken();
  }

  onAnswerEnd(trailers: string, isOpen: boolean): void {
    this.trailers = trailers;
    this.tell(isOpen ? "end, open" : "end");
  }

  onReadDone(): void {
    this.reads++;
  }

  onBackendDrained(): void {
    this.tell("drained");
  }

  onUpgraded(head: AnswerHead, transport: Transport, rest: Buffer): void {
    this.status = head.status;
    this.fields = head.fields.toList();
    this.upgraded = { transport, rest };
    this.tell("upgraded");
  }

  onFailed(code: ForwardErrorCode, message: string): void {
    this.message = message;
    this.tell(`failed ${code}`);
  }
}
