/**
 * An answer's head and how its body ends (RFC 9112 §4, §6.3). Pure.
 *
 * `fields` is the worker's one Fields for answers: it holds this head until the next one is read.
 */
import type { Fields } from "./fields.ts";
import {
  BAD_LENGTH,
  type ConnectionOptions,
  connectionOptions,
  contentLength,
  NO_LENGTH,
  transferCoding,
} from "./framing.ts";
import { headOctets } from "./head-octets.ts";
import { CR, HTAB, LF, ONE, SPACE, ZERO } from "./octets.ts";
import type { HeadFault } from "./request-head.ts";

export interface AnswerHead {
  readonly minorVersion: 0 | 1;
  /** 100 to 999. */
  readonly status: number;
  /** As it came; may be empty. */
  readonly reason: string;
  /** A space stands behind the status, as it must, even if nothing follows it. */
  readonly hasReason: boolean;
  readonly fields: Fields;
  readonly connection: ConnectionOptions;
  /** `close`: the body ends with the connection. */
  readonly framing: "none" | "length" | "chunked" | "close";
  /** Of the field, also when no body follows; -1: none. */
  readonly contentLength: number;
  /** The connection takes another request behind this answer. */
  readonly isPersistent: boolean;
}

/** Where the parts of `HTTP/1.1 200 OK` stand. Without a reason its space may be missing: many leave it out. RFC 9112 §4 */
const MINOR_AT = 7;
const STATUS_AT = 9;
const STATUS_END = 12;

const NO_STATUS_LINE: HeadFault = { fault: "its status line is not valid" };

/**
 * @param text the whole head, the empty line at its end included; one character for each byte.
 * @param method of the request it answers.
 */
export function readAnswerHead(
  text: string,
  fields: Fields,
  maxCount: number,
  method: string,
): AnswerHead | HeadFault {
  headOctets.take(text);
  const { bytes } = headOctets;
  const minorVersion = bytes[MINOR_AT] === ONE ? 1 : 0;
  if (!text.startsWith(minorVersion === 1 ? "HTTP/1.1 " : "HTTP/1.0 ")) return NO_STATUS_LINE;
  const status = statusIn(bytes);
  if (status === 0 || !(bytes[STATUS_END] === SPACE || bytes[STATUS_END] === CR)) return NO_STATUS_LINE;
  let lineEnd = headOctets.nextControl(STATUS_END);
  while (bytes[lineEnd] === HTAB) lineEnd = headOctets.nextControl(lineEnd + 1);
  if (bytes[lineEnd] !== CR || bytes[lineEnd + 1] !== LF) return NO_STATUS_LINE;
  const fault = fields.read(headOctets, lineEnd + 2, maxCount, true);
  if (fault !== null) return { fault };
  const coding = transferCoding(fields);
  const length = contentLength(fields);
  if (length === BAD_LENGTH) return { fault: "its Content-Length is not one whole number" };
  if (coding === "other")
    return { fault: "it has a transfer coding besides chunked, which nobody asked for" };
  if (coding === "chunked" && length !== NO_LENGTH) {
    return { fault: "it has both Transfer-Encoding and Content-Length" };
  }
  // A 205 has no content (RFC 9110 §15.3.6): what would only end with the connection is not waited for.
  const isEndless = status === 205 && coding === "none" && length === NO_LENGTH;
  const framing =
    hasNoBody(status, method) || isEndless
      ? "none"
      : coding === "chunked"
        ? "chunked"
        : length !== NO_LENGTH
          ? "length"
          : "close";
  const connection = connectionOptions(fields);
  // RFC 9112 §9.3
  const isOpen = minorVersion === 1 ? !connection.isClose : connection.isKeepAlive && !connection.isClose;
  // Chunks in HTTP/1.0: they can be read, but what stands behind them is nobody's (RFC 9112 §6.1).
  const isAmbiguous = coding === "chunked" && minorVersion === 0;
  return {
    minorVersion,
    status,
    reason: text.slice(STATUS_END + 1, lineEnd),
    hasReason: lineEnd > STATUS_END,
    fields,
    connection,
    framing,
    contentLength: length,
    isPersistent: isOpen && framing !== "close" && !isAmbiguous && !isEndless,
  };
}

/** @returns 100 to 999; 0: there is none. */
function statusIn(bytes: Uint8Array): number {
  let status = 0;
  for (let at = STATUS_AT; at < STATUS_END; at++) {
    const digit = (bytes[at] as number) - ZERO;
    if (digit < 0 || digit > 9) return 0;
    status = status * 10 + digit;
  }
  return status < 100 ? 0 : status;
}

/** RFC 9112 §6.3, rule 1: whatever its fields say. */
function hasNoBody(status: number, method: string): boolean {
  return status < 200 || status === 204 || status === 304 || method === "HEAD";
}
