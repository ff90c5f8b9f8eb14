/**
 * The trailer section behind the last chunk, as it comes in: checked as strictly as a header section and bounded.
 *
 * Pure. Keeps the text; which fields may travel on is not decided here.
 *
 * @see RFC 9112 §7.1.2, §5
 */
import { COLON, CR, HTAB, IS_TEXT, IS_TOKEN, LF, SPACE } from "./octets.ts";

// *( field-name ":" OWS field-value OWS CRLF ) CRLF
const LINE_START = 0;
const NAME = 1;
const VALUE = 2;
const LINE_LF = 3;
const LAST_LF = 4;
const DONE = 5;

export interface TrailerLimits {
  /** Of the field lines with their CRLF; the empty line that ends them is not counted. */
  readonly maxTrailerBytes: number;
  readonly maxTrailerCount: number;
}

export class TrailerSection {
  readonly #limits: TrailerLimits;
  #state = LINE_START;
  #bytes = 0;
  #count = 0;
  #text = "";
  #fault: string | null = null;
  #isTooLarge = false;

  constructor(limits: TrailerLimits) {
    this.#limits = limits;
  }

  get isDone(): boolean {
    return this.#state === DONE;
  }

  get fault(): string | null {
    return this.#fault;
  }

  /** The fault is a limit and not syntax. */
  get isTooLarge(): boolean {
    return this.#isTooLarge;
  }

  /** "Name: value\r\n…" as it came, one latin1 character per byte. */
  get text(): string {
    return this.#text;
  }

  /** @returns the offset behind the last byte used; that of the bad byte when there is a fault. */
  feed(bytes: Buffer, at: number): number {
    const before = this.#bytes;
    let i = at;
    while (i < bytes.length && this.#state !== DONE && this.#take(bytes[i] as number)) i++;
    // The bytes of the field lines come first, then those of the empty line, which are not kept.
    const kept = this.#bytes - before;
    if (kept > 0) this.#text += bytes.toString("latin1", at, at + kept);
    return i;
  }

  reset(): void {
    this.#state = LINE_START;
    this.#bytes = 0;
    this.#count = 0;
    this.#text = "";
    this.#fault = null;
    this.#isTooLarge = false;
  }

  /** @returns whether the octet was used: it is not when it is at fault. */
  #take(octet: number): boolean {
    switch (this.#state) {
      case LINE_START:
        if (octet === CR) {
          this.#state = LAST_LF;
          return true;
        }
        if (octet === SPACE || octet === HTAB) return this.#refuse("a trailer line that starts with a space");
        if (IS_TOKEN[octet] === 0) return this.#refuse("a trailer field without a name");
        if (this.#count === this.#limits.maxTrailerCount) return this.#refuseSize("too many trailer fields");
        this.#count++;
        this.#state = NAME;
        break;
      case NAME:
        if (octet === COLON) this.#state = VALUE;
        else if (IS_TOKEN[octet] === 0) return this.#refuse("a trailer field's name that is no token");
        break;
      case VALUE:
        if (octet === CR) this.#state = LINE_LF;
        else if (IS_TEXT[octet] === 0) return this.#refuse("a control character in a trailer field");
        break;
      case LINE_LF:
        if (octet !== LF) return this.#refuse("a CR without LF in the trailer section");
        this.#state = LINE_START;
        break;
      default:
        if (octet !== LF) return this.#refuse("a CR without LF behind the trailer section");
        this.#state = DONE;
        return true;
    }
    if (this.#bytes === this.#limits.maxTrailerBytes) return this.#refuseSize("a trailer section too large");
    this.#bytes++;
    return true;
  }

  #refuse(fault: string): false {
    this.#fault = fault;
    return false;
  }

  #refuseSize(fault: string): false {
    this.#isTooLarge = true;
    return this.#refuse(fault);
  }
}
