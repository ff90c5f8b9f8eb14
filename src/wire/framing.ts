/**
 * Framing: what `Content-Length`, `Transfer-Encoding` and `Connection` say of a message (RFC 9112 §6, §9.6). Pure.
 *
 * What two readers could take differently has no reading here.
 */
import { type Fields, Kind } from "./fields.ts";
import { listItems } from "./lists.ts";

/** Of `Content-Length`: there is none. */
export const NO_LENGTH = -1;
/** Of `Content-Length`: more than one, or no whole number below 2^53. */
export const BAD_LENGTH = -2;

const DIGITS = /^\d{1,19}$/;

/** One field with one number, or it has no reading. RFC 9110 §8.6, RFC 9112 §6.2, §6.3 (rule 5) */
export function contentLength(fields: Fields): number {
  if (!fields.has(Kind.CONTENT_LENGTH)) return NO_LENGTH;
  let length = NO_LENGTH;
  for (let i = 0; i < fields.count; i++) {
    if (fields.kind(i) !== Kind.CONTENT_LENGTH) continue;
    if (length !== NO_LENGTH) return BAD_LENGTH;
    const value = fields.value(i);
    length = DIGITS.test(value) ? Number(value) : BAD_LENGTH;
    if (!Number.isSafeInteger(length) || length < 0) return BAD_LENGTH;
  }
  return length;
}

export type Coding = "none" | "chunked" | "other";

/**
 * `chunked` alone, in one field: nothing else was asked for, and only one reading of it exists. RFC 9112 §6.1, §7.1
 */
export function transferCoding(fields: Fields): Coding {
  if (!fields.has(Kind.TRANSFER_ENCODING)) return "none";
  let coding: Coding = "none";
  for (let i = 0; i < fields.count; i++) {
    if (fields.kind(i) !== Kind.TRANSFER_ENCODING) continue;
    if (coding !== "none" || fields.value(i).toLowerCase() !== "chunked") return "other";
    coding = "chunked";
  }
  return coding;
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
  const value = fields.joined(Kind.CONNECTION).toLowerCase();
  if (value === "keep-alive") return KEEP_ALIVE; // nearly all of them
  if (value === "close") return CLOSE;
  let isClose = false;
  let isKeepAlive = false;
  let isUpgrade = false;
  const named = new Set<string>();
  for (const name of listItems(value)) {
    if (name === "close") isClose = true;
    else if (name === "keep-alive") isKeepAlive = true;
    else if (name === "upgrade") isUpgrade = true;
    else if (!NOT_TO_BE_NAMED.has(name)) named.add(name);
  }
  return { isClose, isKeepAlive, isUpgrade, named: named.size === 0 ? null : named };
}
