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

/**
 * Method, target, version (RFC 9112 §3, RFC 9110 §9.1). Any byte but controls, space and DEL may stand in a target:
 * also raw UTF-8.
 */
const REQUEST_LINE = /([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([!-~\x80-\xff]+) HTTP\/1\.([01])\r\n/y;

/** What is wrong with a head. */
export interface HeadFault {
  readonly fault: string;
  readonly isTooMany?: true;
}

/**
 * @param text the whole head, the empty line at its end included; one character for each byte.
 * @param fields taken over by the head that comes back.
 */
export function readRequestHead(text: string, fields: Fields, maxCount: number): RequestHead | HeadFault {
  headOctets.take(text);
  REQUEST_LINE.lastIndex = 0;
  const line = REQUEST_LINE.exec(text);
  if (line === null) return { fault: "the request line is not valid HTTP/1.1 or HTTP/1.0" };
  const fault = fields.read(headOctets, REQUEST_LINE.lastIndex, maxCount, false);
  if (fault !== null) return fields.isTooMany ? { fault, isTooMany: true } : { fault };
  const coding = transferCoding(fields);
  const length = contentLength(fields);
  const minorVersion = line[3] === "1" ? 1 : 0;
  if (length === BAD_LENGTH) return { fault: "Content-Length is not one whole number" };
  if (coding === "other") return { fault: "a transfer coding that is not chunked" };
  // What two readers could take differently, RFC 9112 §6.1 and §6.3 (rule 3), and what HTTP/1.0 does not have.
  if (coding === "chunked" && length !== NO_LENGTH) {
    return { fault: "both Transfer-Encoding and Content-Length" };
  }
  if (coding === "chunked" && minorVersion === 0) return { fault: "Transfer-Encoding in HTTP/1.0" };
  return {
    method: line[1] as string,
    target: line[2] as string,
    minorVersion,
    fields,
    connection: connectionOptions(fields),
    isChunked: coding === "chunked",
    contentLength: length,
    expectsContinue: minorVersion === 1 && /^100-continue$/i.test(fields.joined(Kind.EXPECT)),
  };
}
