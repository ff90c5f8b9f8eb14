/**
 * A request's head: read strictly, once, from the bytes that came (RFC 9112 §3, §6). Pure.
 *
 * Whatever is not certain is refused with a reason. `fields` is the worker's one Fields: it holds this head until
 * the next one is read.
 */
import { type Fields, Kind } from "./fields.ts";
import {
  BAD_LENGTH,
  type ConnectionOptions,
  connectionOptions,
  contentLength,
  NO_LENGTH,
  transferCoding,
} from "./framing.ts";
import { headOctets } from "./head-octets.ts";
import { IS_TOKEN, ONE, SPACE } from "./octets.ts";

export interface RequestHead {
  readonly method: string;
  /** As it came, one character for each byte. */
  readonly target: string;
  /** 1 or 0: HTTP/1.1 or HTTP/1.0. */
  readonly minorVersion: 0 | 1;
  readonly fields: Fields;
  readonly connection: ConnectionOptions;
  readonly isChunked: boolean;
  /** -1: none. */
  readonly contentLength: number;
  /** The body comes only when the client was told so (RFC 9110 §10.1.1). */
  readonly expectsContinue: boolean;
}

/** What is wrong with a head. */
export interface HeadFault {
  readonly fault: string;
  readonly isTooMany?: true;
}

const VERSION_LENGTH = " HTTP/1.1".length;

/**
 * Reads method SP target SP version CRLF (RFC 9112 §3, RFC 9110 §9.1), and the fields. Any byte but controls, space
 * and DEL may stand in a target: also raw UTF-8.
 *
 * @param text the whole head, the empty line at its end included; one character for each byte.
 * @param fields taken over by the head that comes back.
 */
export function readRequestHead(text: string, fields: Fields, maxCount: number): RequestHead | HeadFault {
  headOctets.take(text);
  const { bytes } = headOctets;
  const methodEnd = tokenEnd(bytes, 0);
  const lineEnd = headOctets.nextControl(methodEnd);
  const targetEnd = lineEnd - VERSION_LENGTH;
  const minorVersion = bytes[lineEnd - 1] === ONE ? 1 : 0;
  const isLine =
    methodEnd > 0 &&
    targetEnd > methodEnd + 1 &&
    bytes[methodEnd] === SPACE &&
    text.indexOf(" ", methodEnd + 1) === targetEnd &&
    text.startsWith(minorVersion === 1 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n", targetEnd);
  if (!isLine) return { fault: "the request line is not valid HTTP/1.1 or HTTP/1.0" };
  const fault = fields.read(headOctets, lineEnd + 2, maxCount, false);
  if (fault !== null) return fields.isTooMany ? { fault, isTooMany: true } : { fault };
  const coding = transferCoding(fields);
  const length = contentLength(fields);
  if (length === BAD_LENGTH) return { fault: "Content-Length is not one whole number" };
  if (coding === "other") return { fault: "a transfer coding that is not chunked" };
  // What two readers could take differently, RFC 9112 §6.1 and §6.3 (rule 3), and what HTTP/1.0 does not have.
  if (coding === "chunked" && length !== NO_LENGTH) {
    return { fault: "both Transfer-Encoding and Content-Length" };
  }
  if (coding === "chunked" && minorVersion === 0) return { fault: "Transfer-Encoding in HTTP/1.0" };
  return {
    method: methodOf(text, methodEnd),
    target: text.slice(methodEnd + 1, targetEnd),
    minorVersion,
    fields,
    connection: connectionOptions(fields),
    isChunked: coding === "chunked",
    contentLength: length,
    expectsContinue:
      minorVersion === 1 &&
      fields.has(Kind.EXPECT) &&
      fields.joined(Kind.EXPECT).toLowerCase() === "100-continue",
  };
}

/** By length. As constants: whoever compares or looks up a method later then needs no look at its letters. */
const METHODS: readonly (readonly string[])[] = [
  [],
  [],
  [],
  ["GET", "PUT"],
  ["POST", "HEAD"],
  ["PATCH", "TRACE"],
  ["DELETE"],
  ["OPTIONS", "CONNECT"],
];

function methodOf(text: string, end: number): string {
  const known = METHODS[end];
  if (known !== undefined) for (const method of known) if (text.startsWith(method)) return method;
  return text.slice(0, end);
}

function tokenEnd(bytes: Uint8Array, start: number): number {
  let at = start;
  while (IS_TOKEN[bytes[at] as number] === 1) at++;
  return at;
}
