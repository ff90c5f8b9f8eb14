/**
 * Fields: the field lines of one HTTP/1.1 head, checked against the grammar and kept as places in its text.
 *
 * Strict (RFC 9112 §5): a name is a token, nothing stands before the colon, no folding, no control characters, each
 * line ends in CRLF. What a proxy has to look at is recognised here once; everything else is never copied: a head
 * that travels on is cut out of the text it came in. One object serves every head of a worker, one after the other.
 */

import { isBlank } from "./lists.ts";
import { COLON, CR, IS_TEXT, IS_TOKEN, LF } from "./octets.ts";

/** What a field is to a proxy. OTHER is everything that just passes. */
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

const KINDS: ReadonlyMap<string, number> = new Map([
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

/** Length and first letter of the names above: most names are told apart by these and need no second look. */
const MAY_BE_KNOWN = new Uint8Array(32 * 32);
for (const name of KINDS.keys()) MAY_BE_KNOWN[(name.length << 5) | (name.charCodeAt(0) & 31)] = 1;
const LONGEST_KNOWN = 31;

/** Places of one field in `#places`: start of the line, end of the name, start and end of the value. */
const STRIDE = 4;

export class Fields {
  /** One character for each byte (latin1). */
  text = "";
  count = 0;
  /** More than the limit: the rest was not looked at. */
  isTooMany = false;
  /** The head has a field of this kind. */
  readonly #has = new Uint8Array(32);
  #places = new Int32Array(64 * STRIDE);
  #kinds = new Uint8Array(64);

  /**
   * Takes the field lines of `text` from `start` up to the empty line that ends the head.
   *
   * @param isAnswer white space before a colon is then not refused (RFC 9112 §5.1: a proxy removes it).
   * @returns what is wrong, for people; null when nothing is.
   */
  read(text: string, start: number, maxCount: number, isAnswer: boolean): string | null {
    this.text = text;
    this.count = 0;
    this.isTooMany = false;
    this.#has.fill(0);
    let at = start;
    while (text.charCodeAt(at) !== CR) {
      if (this.count === maxCount) {
        this.isTooMany = true;
        return `more than ${maxCount} header fields`;
      }
      const lineStart = at;
      while (IS_TOKEN[text.charCodeAt(at)] === 1) at++;
      const nameEnd = at;
      if (isAnswer) while (isBlank(text.charCodeAt(at))) at++;
      if (text.charCodeAt(at) !== COLON || nameEnd === lineStart) {
        const isFolded = isBlank(text.charCodeAt(lineStart));
        return isFolded ? "a folded header field" : "a header field without a valid name";
      }
      do at++;
      while (isBlank(text.charCodeAt(at)));
      const valueStart = at;
      while (IS_TEXT[text.charCodeAt(at)] === 1) at++;
      if (text.charCodeAt(at) !== CR || text.charCodeAt(at + 1) !== LF) {
        return "a header field with a control character, or a line that does not end in CRLF";
      }
      let valueEnd = at;
      while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd--;
      this.#add(lineStart, nameEnd, valueStart, valueEnd);
      at += 2;
    }
    if (text.charCodeAt(at + 1) !== LF) return "a bare CR";
    this.#places[this.count * STRIDE] = at;
    return null;
  }

  #add(lineStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    const i = this.count++;
    if ((i + 2) * STRIDE > this.#places.length) this.#grow();
    const place = i * STRIDE;
    this.#places[place] = lineStart;
    this.#places[place + 1] = nameEnd;
    this.#places[place + 2] = valueStart;
    this.#places[place + 3] = valueEnd;
    const kind = kindOf(this.text, lineStart, nameEnd);
    this.#kinds[i] = kind;
    this.#has[kind] = 1;
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
    return this.#has[kind] === 1;
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
    if ((this.#places[i * STRIDE + 1] as number) - start !== name.length) return false;
    for (let at = 0; at < name.length; at++) {
      const code = this.text.charCodeAt(start + at);
      const isCapital = code >= 0x41 && code <= 0x5a;
      if ((isCapital ? code | 0x20 : code) !== name.charCodeAt(at)) return false;
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

  /** The values of every field of this kind, joined as one list (RFC 9110 §5.3); empty when there is none. */
  joined(kind: number): string {
    if (!this.has(kind)) return "";
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

function kindOf(text: string, start: number, end: number): number {
  const length = end - start;
  if (length > LONGEST_KNOWN || MAY_BE_KNOWN[(length << 5) | (text.charCodeAt(start) & 31)] !== 1) {
    return Kind.OTHER;
  }
  return KINDS.get(text.slice(start, end).toLowerCase()) ?? Kind.OTHER;
}
