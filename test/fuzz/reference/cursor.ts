/**
 * The strict reference, what requests and answers share: lines, fields, chunks (RFC 9112 §2, §5, §7.1). Pure.
 *
 * Knows nothing of src/, and repairs nothing: where the RFC lets a recipient be lenient, this one is not, for two
 * readers that are lenient in two ways are what smuggling lives on. Texts are latin1, one character for each byte.
 */

export interface Field {
  readonly name: string;
  readonly value: string;
}

/** The bytes cannot be the beginning of any message. */
export class Malformed extends Error {}

/** So far so good, but the message has not ended. */
export class Incomplete extends Error {}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
/** VCHAR, obs-text, space and tab. */
const TEXT = "[\\t\\x20-\\x7e\\x80-\\xff]*";

const FIELD = new RegExp(`^(${TOKEN})([ \\t]*):(${TEXT})$`);
const QUOTED = '"(?:[\\t !#-\\[\\]-~\\x80-\\xff]|\\\\[\\t -~\\x80-\\xff])*"';
/** RFC 9112 §7.1.1, white space around the separators included. */
const EXTENSION = `[ \\t]*;[ \\t]*${TOKEN}(?:[ \\t]*=[ \\t]*(?:${TOKEN}|${QUOTED}))?`;
const CHUNK_SIZE = new RegExp(`^([0-9A-Fa-f]+)(?:${EXTENSION})*$`);
const OUTER_SPACE = /^[ \t]+|[ \t]+$/g;

/** What a body is read into while it comes, so that the part that has come is there when the rest does not. */
export interface BodySoFar {
  body: string;
  trailers: readonly Field[];
}

export class Cursor {
  readonly text: string;
  at: number;

  constructor(text: string, at: number) {
    this.text = text;
    this.at = at;
  }

  get isAtEnd(): boolean {
    return this.at >= this.text.length;
  }

  /** @throws Malformed for a CR or an LF that is not part of a CRLF. */
  line(): string {
    const lineFeed = this.text.indexOf("\n", this.at);
    const line = this.text.slice(this.at, lineFeed < 0 ? undefined : lineFeed);
    const carriageReturn = line.indexOf("\r");
    if (carriageReturn >= 0 && carriageReturn < line.length - 1) throw new Malformed("a bare CR");
    if (lineFeed < 0) throw new Incomplete("a line that does not end");
    if (carriageReturn < 0) throw new Malformed("a bare LF");
    this.at = lineFeed + 1;
    return line.slice(0, -1);
  }

  /**
   * Up to and including the empty line.
   *
   * @param options `looseNames`: a proxy removes white space before a colon from an answer, and refuses a request
   *   that has any (RFC 9112 §5.1).
   */
  fields(options: { looseNames: boolean }): Field[] {
    const fields: Field[] = [];
    for (let line = this.line(); line !== ""; line = this.line())
      fields.push(parseField(line, options.looseNames));
    return fields;
  }

  ofLength(length: number, into: BodySoFar): void {
    const piece = this.text.slice(this.at, this.at + length);
    into.body += piece;
    this.at += piece.length;
    if (piece.length < length) throw new Incomplete("a body that is shorter than its length");
  }

  chunked(into: BodySoFar): void {
    for (;;) {
      const digits = CHUNK_SIZE.exec(this.line())?.[1];
      if (digits === undefined) throw new Malformed("a chunk size that is none");
      const size = Number.parseInt(digits, 16);
      if (!Number.isSafeInteger(size)) throw new Malformed("a chunk size past 2^53");
      if (size === 0) break;
      this.ofLength(size, into);
      if (!"\r\n".startsWith(this.text.slice(this.at, this.at + 2))) {
        throw new Malformed("a chunk that does not end where its size says");
      }
      if (this.text.length < this.at + 2) throw new Incomplete("a chunk without its end");
      this.at += 2;
    }
    into.trailers = this.fields({ looseNames: false });
  }
}

function parseField(line: string, isLoose: boolean): Field {
  const [, name, space, value] = FIELD.exec(line) ?? [];
  if (name === undefined || value === undefined) throw new Malformed("a field that is none");
  if (space !== "" && !isLoose) throw new Malformed("white space before a colon");
  return { name, value: value.replace(OUTER_SPACE, "") };
}

/** The values of every field of that name, which is given in lower case. */
export function valuesOf(fields: readonly Field[], name: string): string[] {
  return fields.filter((field) => field.name.toLowerCase() === name).map(({ value }) => value);
}

/** The members of a list field, in lower case; empty ones are left out (RFC 9110 §5.6.1). */
export function listOf(fields: readonly Field[], name: string): string[] {
  const members = valuesOf(fields, name).flatMap((value) => value.split(","));
  return members.map((member) => member.replace(OUTER_SPACE, "").toLowerCase()).filter(Boolean);
}

/** @returns the length that a Content-Length value says. */
export function parseLength(value: string): number {
  const length = Number(value);
  if (!/^[0-9]+$/.test(value) || !Number.isSafeInteger(length)) throw new Malformed("a length that is none");
  return length;
}
