/**
 * Where a head ends in bytes that are still coming, and whether what has come so far can become one at all
 * (RFC 9112 §2.1, §2.2). Pure.
 */
import { CR, HTAB, LF } from "./octets.ts";

const END = Buffer.from("\r\n\r\n", "latin1");

/** A search by the runtime costs as much as this many bytes before it looks at the first. */
const SHORT_BYTES = 256;

/** @returns the offset behind the empty line that ends the head which begins at `start`; -1 when it has not come. */
export function findHeadEnd(bytes: Buffer, start: number): number {
  if (bytes.length - start <= SHORT_BYTES) return findShortHeadEnd(bytes, start);
  const at = bytes.indexOf(END, start);
  return at === -1 ? -1 : at + END.length;
}

function findShortHeadEnd(bytes: Buffer, start: number): number {
  let at = start + END.length - 1;
  while (at < bytes.length) {
    const octet = bytes[at] as number;
    if (octet === LF && bytes[at - 1] === CR && bytes[at - 2] === LF && bytes[at - 3] === CR) return at + 1;
    // What is neither CR nor LF is no part of an empty line: the next one can end only so far behind it.
    at += octet === LF ? 2 : octet === CR ? 1 : END.length;
  }
  return -1;
}

/**
 * Whether an unfinished head already holds what no head may: a control character, a bare CR or a bare LF. Who
 * sends those is answered at once and not kept waiting for a line end that another reader has seen already.
 *
 * @see RFC 9112 §2.2: a bare CR is invalid; a bare LF may be taken for a line end, and is not here. RFC 9110 §5.5
 */
export function isHopeless(bytes: Buffer, start: number): boolean {
  for (let at = start; at < bytes.length; at++) {
    const code = bytes[at] as number;
    if (code >= 0x20 && code !== 0x7f) continue;
    if (code === HTAB) continue;
    if (code === LF && at > start && bytes[at - 1] === CR) continue;
    if (code === CR && (at + 1 === bytes.length || bytes[at + 1] === LF)) continue;
    return true;
  }
  return false;
}

/** Behind the empty lines before a request line (RFC 9112 §2.2). */
export function skipEmptyLines(bytes: Buffer, start: number): number {
  let at = start;
  while (bytes[at] === CR && bytes[at + 1] === LF) at += 2;
  return at;
}

const ANSWER_START = Buffer.from("HTTP/1.", "latin1");

/** Whether bytes that have begun to come can be the start of an answer. */
export function mayBeAnswer(bytes: Buffer, start: number): boolean {
  const length = Math.min(bytes.length - start, ANSWER_START.length);
  return bytes.compare(ANSWER_START, 0, length, start, start + length) === 0;
}

/** Whether all of `what` stands at `start`. */
export function startsWith(bytes: Buffer, start: number, what: Buffer): boolean {
  return (
    bytes.length - start >= what.length &&
    bytes.compare(what, 0, what.length, start, start + what.length) === 0
  );
}
