/**
 * Event stream: an answer of `text/event-stream` that a drain may end between two events, so that the client
 * comes again and has lost none.
 */
import { EventBoundary } from "../../wire/event-boundary.ts";
import type { LongRunning } from "../backend/running.ts";

/** Whose answer it is. */
export interface EventStreamOwner {
  /** Ends the answer here, as if it were whole. */
  endStream(): void;
  cutForDrain(): void;
}

export class EventStream implements LongRunning {
  turnAtMs = 0;
  readonly #owner: EventStreamOwner;
  readonly #boundary = new EventBoundary();
  #isAsked = false;

  constructor(owner: EventStreamOwner) {
    this.#owner = owner;
  }

  /** @returns how much of the piece goes to the client; less than all: call `endIfBetween` next. */
  pass(piece: Buffer): number {
    if (this.#isAsked) return this.#boundary.passToEnd(piece);
    this.#boundary.pass(piece);
    return piece.length;
  }

  /** For after each piece: ends the answer when that is due. */
  endIfBetween(): void {
    if (this.#isAsked && this.#boundary.isBetween) this.#owner.endStream();
  }

  endForDrain(): void {
    // The LF of a CRLF that a packet has cut comes at once: one that has not come by the second time is none.
    const isBetween = this.#boundary.isBetween || (this.#isAsked && this.#boundary.isPerhapsBetween);
    this.#isAsked = true;
    if (isBetween) this.#owner.endStream();
  }

  keep(): void {
    this.#isAsked = false;
  }

  cutForDrain(): void {
    this.#owner.cutForDrain();
  }
}
