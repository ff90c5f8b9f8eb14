/**
 * Cookies: where the value of one stands in a request's head (RFC 6265 §4.2.1). Pure; copies nothing.
 *
 * The first cookie of a name counts: it has the longest path (RFC 6265 §5.4).
 */
import type { Fields } from "./fields.ts";
import { isBlank } from "./lists.ts";
import { CR, EQUALS, SEMICOLON } from "./octets.ts";

/** @returns where in `fields.text` its value begins; -1: there is no such cookie. */
export function cookieStart(fields: Fields, name: string): number {
  const { text } = fields;
  for (let i = 0; i < fields.count; i++) {
    if (!fields.isNamed(i, "cookie")) continue;
    const end = fields.valueEnd(i);
    for (let at = fields.valueStart(i); at < end; at = nextPair(text, at, end)) {
      if (text.startsWith(name, at) && text.charCodeAt(at + name.length) === EQUALS)
        return at + name.length + 1;
    }
  }
  return -1;
}

/** @returns where the value that begins at `start` ends, without white space behind it. */
export function cookieEnd({ text }: Pick<Fields, "text">, start: number): number {
  let end = start;
  for (let octet = text.charCodeAt(end); octet !== SEMICOLON && octet !== CR; octet = text.charCodeAt(end))
    end++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return end;
}

/** Where the next `name=value` begins. */
function nextPair(text: string, from: number, end: number): number {
  let at = from;
  while (at < end && text.charCodeAt(at) !== SEMICOLON) at++;
  at++;
  while (at < end && isBlank(text.charCodeAt(at))) at++;
  return at;
}
