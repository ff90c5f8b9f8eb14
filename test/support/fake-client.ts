/** A client's side that an exchange writes to: takes everything at once, unless told otherwise. */
import assert from "node:assert/strict";
import type { AnswerFraming, ClientStream } from "../../src/data-plane/forward/client-stream.ts";
import type { Transport } from "../../src/data-plane/sockets/transport.ts";

export class FakeClient implements ClientStream {
  isAnswered = false;
  isBodyWanted = false;
  /** The client reads; false: it takes no more. */
  isReading = true;
  /** What it was sent, as text; an answer begins with its framing in brackets. */
  sent = "";
  /** Nothing since the head of the answer has left. */
  canRetract = false;
  /** `finished`, `broken`, `closed`, or the status of an answer of our own. */
  readonly ends: (string | number)[] = [];
  detached: Transport | undefined;

  resumeBody(): void {
    this.isBodyWanted = true;
  }
  pauseBody(): void {
    this.isBodyWanted = false;
  }
  writeInterim(lines: string): void {
    this.sent += lines;
  }
  beginAnswer(lines: string, framing: AnswerFraming): void {
    this.isAnswered = true;
    this.canRetract = true;
    this.sent += `[${framing}]${lines.slice(0, lines.indexOf("\r\n"))} `;
  }
  writePiece(piece: Buffer): void {
    this.sent += piece.toString("latin1");
  }
  endAnswer(trailers: string): void {
    this.sent += `.${trailers}`;
  }
  flush(): boolean {
    this.canRetract = false;
    return this.isReading;
  }
  isFlushed(): boolean {
    return this.isReading;
  }
  answer(status: number): void {
    this.isAnswered = true;
    this.ends.push(status);
  }
  retractAnswer(): boolean {
    if (!this.canRetract) return false;
    this.isAnswered = false;
    return true;
  }
  breakOff(): void {
    this.ends.push("broken");
  }
  close(): void {
    this.ends.push("closed");
  }
  detach(): { transport: Transport; rest: Buffer } {
    assert.ok(this.detached);
    return { transport: this.detached, rest: Buffer.from("early") };
  }
  finish(): void {
    this.ends.push("finished");
  }
}
