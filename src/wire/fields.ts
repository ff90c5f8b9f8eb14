/**
 * Fields: the field lines of one HTTP/1.1 head, checked against the grammar and kept as places in its text.
 *
 * Strict (RFC 9112 §5): a name is a token, nothing stands before the colon, no folding, no control characters, each
 * line ends in CRLF. What a proxy has to look at is recognised here once; everything else is never copied: a head
 * that travels on is cut out of the text it came in. One object serves every head of a worker, one after the other.
 */

import type { HeadOctets } from "./head-octets.ts";
import { isBlank } from "./lists.ts";
import { NameTable } from "./name-table.ts";
import { COLON, CR, HTAB, IS_TOKEN, LF, SPACE } from "./octets.ts";

/** What a field is to a proxy; below 31, see kindBit(). OTHER is everything that just passes. */
export const Kind = {
  OTHER: 0,
  HOST: 1,
  CONTENT_LENGTH: 2,
  TRANSFER_ENCODING: 3,
  CONNECTION: 4,
  UPGRADE: 5,
  TE: 6,
  TRAILER: 7,
  /** Ends at this hop and says nothing we need. */
  HOP_BY_HOP: 8,
  KEEP_ALIVE: 9,
  EXPECT: 10,
  VIA: 11,
  FORWARDED: 12,
  X_FORWARDED_FOR: 13,
  X_FORWARDED_HOST: 14,
  X_FORWARDED_PROTO: 15,
  X_REAL_IP: 16,
  DATE: 17,
  CONTENT_TYPE: 18,
  MAX_FORWARDS: 19,
  ATTEMPT_COUNT: 20,
} as const;

const KINDS = new NameTable([
  ["host", Kind.HOST],
  ["content-length", Kind.CONTENT_LENGTH],
  ["transfer-encoding", Kind.TRANSFER_ENCODING],
  ["connection", Kind.CONNECTION],
  ["upgrade", Kind.UPGRADE],
  ["te", Kind.TE],
  ["trailer", Kind.TRAILER],
  ["keep-alive", Kind.KEEP_ALIVE],
  ["proxy-connection", Kind.HOP_BY_HOP],
  ["proxy-authenticate", Kind.HOP_BY_HOP],
  ["proxy-authorization", Kind.HOP_BY_HOP],
  ["proxy", Kind.HOP_BY_HOP], // CGI would make HTTP_PROXY of it (CVE-2016-5385)
  ["http2-settings", Kind.HOP_BY_HOP], // RFC 9113 §3.1: h2c is not served
  ["expect", Kind.EXPECT],
  ["via", Kind.VIA],
  ["forwarded", Kind.FORWARDED],
  ["x-forwarded-for", Kind.X_FORWARDED_FOR],
  ["x-forwarded-host", Kind.X_FORWARDED_HOST],
  ["x-forwarded-proto", Kind.X_FORWARDED_PROTO],
  ["x-real-ip", Kind.X_REAL_IP],
  ["date", Kind.DATE],
  ["content-type", Kind.CONTENT_TYPE],
  ["max-forwards", Kind.MAX_FORWARDS],
  ["x-attempt-count", Kind.ATTEMPT_COUNT],
]);

/** For sets of kinds in one number. */
export function kindBit(kind: number): number {
  return 1 << kind;
}

/** Places of one field in `#places`: start of the line, end of the name, start and end of the value. */
const STRIDE = 4;

export class Fields {
  /** One character for each byte (latin1). */
  text = "";
  count = 0;
  /** More than the limit: the rest was not looked at. */
  isTooMany = false;
  /** White space stands between a name and its colon. */
  hasLoose = false;
  /** The kinds that the head has, see kindBit(), and those that it has more than once. */
  #kindBits = 0;
  #repeatedBits = 0;
  /** By kind: the first field of it, if there is one. */
  readonly #firstOf = new Int32Array(32);
  #places = new Int32Array(64 * STRIDE);
  #kinds = new Uint8Array(64);

  /**
   * Takes the field lines from `start` up to the empty line that ends the head.
   *
   * @param isAnswer white space before a colon is then not refused (RFC 9112 §5.1: a proxy removes it).
   * @returns what is wrong, for people; null when nothing is.
   */
  read(octets: HeadOctets, start: number, maxCount: number, isAnswer: boolean): string | null {
    const { bytes } = octets;
    this.text = octets.text;
    this.count = 0;
    this.isTooMany = false;
    this.hasLoose = false;
    this.#kindBits = 0;
    this.#repeatedBits = 0;
    let at = start;
    while (bytes[at] !== CR) {
      if (this.count === maxCount) {
        this.isTooMany = true;
        return `more than ${maxCount} header fields`;
      }
      const lineStart = at;
      while (IS_TOKEN[bytes[at] as number] === 1) at++;
      const nameEnd = at;
      if (isAnswer && isBlank(bytes[at] as number)) {
        at = behindBlanks(bytes, at);
        this.hasLoose = true;
      }
      if (bytes[at] !== COLON || nameEnd === lineStart) {
        const isFolded = isBlank(bytes[lineStart] as number);
        return isFolded ? "a folded header field" : "a header field without a valid name";
      }
      const valueStart = behindBlanks(bytes, at + 1);
      at = octets.nextControl(valueStart);
      while (bytes[at] === HTAB) at = octets.nextControl(at + 1);
      if (bytes[at] !== CR || bytes[at + 1] !== LF) {
        return "a header field with a control character, or a line that does not end in CRLF";
      }
      let valueEnd = at;
      while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1] as number)) valueEnd--;
      this.#add(KINDS.find(bytes, lineStart, nameEnd), lineStart, nameEnd, valueStart, valueEnd);
      at += 2;
    }
    if (bytes[at + 1] !== LF) return "a bare CR";
    this.#places[this.count * STRIDE] = at;
    return null;
  }

  #add(kind: number, lineStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    const i = this.count++;
    if ((i + 2) * STRIDE > this.#places.length) this.#grow();
    const place = i * STRIDE;
    const places = this.#places;
    places[place] = lineStart;
    places[place + 1] = nameEnd;
    places[place + 2] = valueStart;
    places[place + 3] = valueEnd;
    this.#kinds[i] = kind;
    const bit = kindBit(kind);
    if ((this.#kindBits & bit) === 0) this.#firstOf[kind] = i;
    else this.#repeatedBits |= bit;
    this.#kindBits |= bit;
  }

  #grow(): void {
    const places = new Int32Array(this.#places.length * 2);
    places.set(this.#places);
    this.#places = places;
    const kinds = new Uint8Array(this.#kinds.length * 2);
    kinds.set(this.#kinds);
    this.#kinds = kinds;
  }

  has(kind: number): boolean {
    return (this.#kindBits & kindBit(kind)) !== 0;
  }

  /** @param kindBits see kindBit(). */
  hasAny(kindBits: number): boolean {
    return (this.#kindBits & kindBits) !== 0;
  }

  /** More than one field is of this kind. */
  isRepeated(kind: number): boolean {
    return (this.#repeatedBits & kindBit(kind)) !== 0;
  }

  /** The first field of a kind that the head has. */
  firstOf(kind: number): number {
    return this.#firstOf[kind] as number;
  }

  kind(i: number): number {
    return this.#kinds[i] as number;
  }

  name(i: number): string {
    return this.text.slice(this.#places[i * STRIDE], this.#places[i * STRIDE + 1]);
  }

  /** Without the white space around it. */
  value(i: number): string {
    return this.text.slice(this.#places[i * STRIDE + 2], this.#places[i * STRIDE + 3]);
  }

  /** Whether field `i` has this name, whatever its case. Copies nothing. @param name in lower case. */
  isNamed(i: number, name: string): boolean {
    const start = this.#places[i * STRIDE] as number;
    return this.#isText(start, this.#places[i * STRIDE + 1] as number, name);
  }

  /** Whether field `i` has this value, whatever its case. Copies nothing. @param value in lower case. */
  isValue(i: number, value: string): boolean {
    return this.#isText(this.valueStart(i), this.valueEnd(i), value);
  }

  #isText(start: number, end: number, wanted: string): boolean {
    if (end - start !== wanted.length) return false;
    for (let at = 0; at < wanted.length; at++) {
      const code = this.text.charCodeAt(start + at);
      const isCapital = code >= 0x41 && code <= 0x5a;
      if ((isCapital ? code | 0x20 : code) !== wanted.charCodeAt(at)) return false;
    }
    return true;
  }

  /** Where in `text` the value of field `i` begins. */
  valueStart(i: number): number {
    return this.#places[i * STRIDE + 2] as number;
  }

  /** Where in `text` it ends. */
  valueEnd(i: number): number {
    return this.#places[i * STRIDE + 3] as number;
  }

  /** Where the line of field `i` begins; for `count`, where the last line ends. */
  lineStart(i: number): number {
    return this.#places[i * STRIDE] as number;
  }

  /** White space stands between name and colon. */
  isLoose(i: number): boolean {
    return this.text.charCodeAt(this.#places[i * STRIDE + 1] as number) !== COLON;
  }

  /** Whether field `i` has this value, letter by letter. Copies nothing. */
  isExactly(i: number, value: string): boolean {
    const start = this.valueStart(i);
    return this.valueEnd(i) - start === value.length && this.text.startsWith(value, start);
  }

  /** The line of field `i` is its name, a colon, a space and its value: what would be written anew is the same. */
  isTidy(i: number): boolean {
    const start = this.valueStart(i);
    return (
      start === (this.#places[i * STRIDE + 1] as number) + ": ".length &&
      this.lineStart(i + 1) === this.valueEnd(i) + "\r\n".length &&
      this.text.charCodeAt(start - 1) === SPACE
    );
  }

  /** The values of every field of this kind, joined as one list (RFC 9110 §5.3); empty when there is none. */
  joined(kind: number): string {
    if (!this.has(kind)) return "";
    if (!this.isRepeated(kind)) return this.value(this.firstOf(kind));
    let all = "";
    for (let i = 0; i < this.count; i++) {
      if (this.kind(i) === kind) all += all === "" ? this.value(i) : `, ${this.value(i)}`;
    }
    return all;
  }

  /** Name, value, name, value, …, as node:http gives them. */
  toList(): string[] {
    const list: string[] = [];
    for (let i = 0; i < this.count; i++) list.push(this.name(i), this.value(i));
    return list;
  }
}

function behindBlanks(bytes: Uint8Array, start: number): number {
  let at = start;
  while (isBlank(bytes[at] as number)) at++;
  return at;
}
