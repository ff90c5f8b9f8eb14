/**
 * Framing: what `Content-Length`, `Transfer-Encoding` and `Connection` say of a message (RFC 9112 §6, §9.6). Pure.
 *
 * What two readers could take differently has no reading here.
 */
import { type Fields, Kind } from "./fields.ts";
import { listItems } from "./lists.ts";
import { ZERO } from "./octets.ts";

/** Of `Content-Length`: there is none. */
export const NO_LENGTH = -1;
/** Of `Content-Length`: more than one, or no whole number below 2^53. */
export const BAD_LENGTH = -2;

/** 2^53 has 16: more than a few leading zeros are nobody's who means well. */
const MOST_DIGITS = 19;

/** One field with one number, or it has no reading. RFC 9110 §8.6, RFC 9112 §6.2, §6.3 (rule 5) */
export function contentLength(fields: Fields): number {
  if (!fields.has(Kind.CONTENT_LENGTH)) return NO_LENGTH;
  const i = fields.firstOf(Kind.CONTENT_LENGTH);
  const start = fields.valueStart(i);
  const end = fields.valueEnd(i);
  if (fields.isRepeated(Kind.CONTENT_LENGTH) || start === end || end - start > MOST_DIGITS) return BAD_LENGTH;
  let length = 0;
  for (let at = start; at < end; at++) {
    const digit = fields.text.charCodeAt(at) - ZERO;
    if (digit < 0 || digit > 9) return BAD_LENGTH;
    length = length * 10 + digit;
  }
  return Number.isSafeInteger(length) ? length : BAD_LENGTH;
}

export type Coding = "none" | "chunked" | "other";

/**
 * `chunked` alone, in one field: nothing else was asked for, and only one reading of it exists. RFC 9112 §6.1, §7.1
 */
export function transferCoding(fields: Fields): Coding {
  if (!fields.has(Kind.TRANSFER_ENCODING)) return "none";
  if (fields.isRepeated(Kind.TRANSFER_ENCODING)) return "other";
  return fields.isValue(fields.firstOf(Kind.TRANSFER_ENCODING), "chunked") ? "chunked" : "other";
}

/** What the `Connection` fields of one message say. RFC 9110 §7.6.1, RFC 9112 §9.3, §9.6 */
export interface ConnectionOptions {
  readonly isClose: boolean;
  readonly isKeepAlive: boolean;
  readonly isUpgrade: boolean;
  /** Other fields that end at this hop, in lower case; null for none. */
  readonly named: ReadonlySet<string> | null;
}

const NOTHING: ConnectionOptions = { isClose: false, isKeepAlive: false, isUpgrade: false, named: null };
const KEEP_ALIVE: ConnectionOptions = { ...NOTHING, isKeepAlive: true };
const CLOSE: ConnectionOptions = { ...NOTHING, isClose: true };

/** These are the message itself, or have a rule of their own: nobody has them taken out by naming them. */
const NOT_TO_BE_NAMED: ReadonlySet<string> = new Set([
  "host",
  "content-length",
  "transfer-encoding",
  "content-type",
  "te",
  "trailer",
  "connection",
]);

/** All of its fields are one list; names have no case. RFC 9110 §7.6.1, §5.6.1 */
export function connectionOptions(fields: Fields): ConnectionOptions {
  if (!fields.has(Kind.CONNECTION)) return NOTHING;
  if (!fields.isRepeated(Kind.CONNECTION)) {
    const only = fields.firstOf(Kind.CONNECTION);
    if (fields.isValue(only, "keep-alive")) return KEEP_ALIVE; // nearly all of them
    if (fields.isValue(only, "close")) return CLOSE;
  }
  let isClose = false;
  let isKeepAlive = false;
  let isUpgrade = false;
  const named = new Set<string>();
  for (const name of listItems(fields.joined(Kind.CONNECTION).toLowerCase())) {
    if (name === "close") isClose = true;
    else if (name === "keep-alive") isKeepAlive = true;
    else if (name === "upgrade") isUpgrade = true;
    else if (!NOT_TO_BE_NAMED.has(name)) named.add(name);
  }
  return { isClose, isKeepAlive, isUpgrade, named: named.size === 0 ? null : named };
}
