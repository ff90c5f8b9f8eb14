/**
 * Event boundary: whether a stream of events (`text/event-stream`) stands between two events, and where the next one
 * ends, whatever pieces it comes in. Pure.
 *
 * A blank line ends an event; CRLF, LF and CR end a line, also in turns. Of what passes only the last bytes of each
 * piece are looked at.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 */
import { CR, LF } from "./octets.ts";

/** In a line that is not empty. */
const TEXT = 0;
/** Behind the LF that ended such a line. */
const LINE = 1;
/** Behind the CR that ended such a line: an LF may belong to it. */
const LINE_CR = 2;
/** Behind a blank line, or at the start. */
const BLANK = 3;
/** Behind a CR that ended a blank line: an LF may belong to it. */
const BLANK_CR = 4;

/** Three line-end characters in a row hold a blank line, and any other one starts a line: no need to look further back. */
const LOOK_BACK_BYTES = 3;

export class EventBoundary {
  #state = BLANK;

  /** The stream stands between two events. */
  get isBetween(): boolean {
    return this.#state === BLANK;
  }

  /** It does so, unless an LF comes next. Readers that wait for it do not see the event before. */
  get isPerhapsBetween(): boolean {
    return this.#state === BLANK_CR;
  }

  /** This piece passes, whole. */
  pass(piece: Buffer): void {
    const start = Math.max(0, piece.length - LOOK_BACK_BYTES);
    let state = start > 0 ? TEXT : this.#state;
    for (let i = start; i < piece.length; i++) state = next(state, piece[i] as number);
    this.#state = state;
  }

  /** Lets a piece pass up to the end of the event that has begun. @returns how much passed: all, when it ends later. */
  passToEnd(piece: Buffer): number {
    for (let i = 0; i < piece.length; i++) {
      const octet = piece[i] as number;
      if (this.#state === BLANK_CR && octet !== LF) {
        this.#state = BLANK; // the CR was a line end by itself
        return i;
      }
      this.#state = next(this.#state, octet);
      if (this.#state === BLANK) return i + 1;
    }
    return piece.length;
  }
}

function next(state: number, octet: number): number {
  if (octet === LF) return state === TEXT || state === LINE_CR ? LINE : BLANK;
  if (octet === CR) return state === TEXT ? LINE_CR : BLANK_CR;
  return TEXT;
}
