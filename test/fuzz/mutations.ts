/**
 * Damage to bytes, as plain data: what fast-check makes up and shrinks, and what it does to a text. Pure.
 */
import * as fc from "fast-check";

/** Places are taken modulo the length, so that a mutation fits any text. */
export interface Mutation {
  readonly kind: "flip" | "put" | "insert" | "remove" | "repeat" | "splice" | "cut short";
  readonly at: number;
  /** How many bytes; of `flip` which bit. */
  readonly length: number;
  /** Where `splice` takes its bytes from. */
  readonly from: number;
  readonly token: string;
}

/** What parsers have stumbled over: line ends, separators, framing, numbers. */
const TOKENS = [
  "\r",
  "\n",
  "\r\n",
  "\n\n",
  "\r\n\r\n",
  "\n\r\n",
  "\r\r\n",
  "\0",
  " ",
  "\t",
  "\x0b",
  "\x0c",
  "\x1f",
  "\x7f",
  "\x80",
  "\x85",
  "\xa0",
  "\xff",
  ":",
  ",",
  ";",
  "=",
  '"',
  "\\",
  "/",
  "?",
  "#",
  "@",
  "*",
  "%00",
  "%0d%0a",
  "+",
  "-",
  "_",
  "0",
  "1",
  "9",
  "a",
  "F",
  "0x",
  "00000000",
  "99999999999999999999",
  "ffffffffffffffff",
  "0\r\n\r\n",
  "1\r\nx\r\n",
  "\r\n 5",
  " : ",
  ",chunked",
  "chunked",
  "Content-Length: 0\r\n",
  "Content-Length: 7\r\n",
  "Content-Length : 1\r\n",
  "\nContent-Length: 3\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding:\x0bchunked\r\n",
  "transfer-encoding: identity\r\n",
  "Transfer-Encoding\r\n : chunked\r\n",
  "Connection: close\r\n",
  "Connection: content-length\r\n",
  "Connection: upgrade\r\nUpgrade: h2c\r\n",
  "Expect: 100-continue\r\n",
  "Host: x\r\n",
  " HTTP/1.1\r\n",
  " HTTP/1.0\r\n",
  "HTTP/1.1 200 OK\r\n",
  "HTTP/1.1 100 Continue\r\n\r\n",
] as const;

const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom<Mutation["kind"]>("insert", "put", "flip", "remove", "repeat", "splice", "cut short"),
  at: fc.nat(4_000),
  length: fc.integer({ min: 1, max: 40 }),
  from: fc.nat(4_000),
  token: fc.constantFrom(...TOKENS),
});

/** Often one, sometimes several. */
export const mutations: fc.Arbitrary<Mutation[]> = fc.array(mutation, { minLength: 1, maxLength: 4 });

export const undamaged: fc.Arbitrary<Mutation[]> = fc.constant([]);

export function mutate(text: string, all: readonly Mutation[]): string {
  return all.reduce(applyOne, text);
}

function applyOne(text: string, { kind, at, length, from, token }: Mutation): string {
  const place = text.length === 0 ? 0 : at % text.length;
  const [before, after] = [text.slice(0, place), text.slice(place)];
  switch (kind) {
    case "flip":
      return before + String.fromCharCode((after.charCodeAt(0) || 0) ^ (1 << (length % 8))) + after.slice(1);
    case "put":
      return before + token + after.slice(token.length);
    case "insert":
      return before + token + after;
    case "remove":
      return before + after.slice(length);
    case "repeat":
      return before + after.slice(0, length) + after;
    case "splice": {
      const source = text.length === 0 ? 0 : from % text.length;
      return before + text.slice(source, source + length) + after;
    }
    case "cut short":
      return before;
  }
}
