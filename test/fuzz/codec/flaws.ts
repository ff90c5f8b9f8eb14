/**
 * Flaws of the codec that the fuzzer must find: each breaks one place of src/wire in a copy. Most of them are holes
 * that parsers have had.
 */
import type { Mutant } from "../../support/mutated-tree.ts";

/** `how` ends the sentence "it is found when …". */
export type CodecFlaw = Omit<Mutant, "breaks"> & {
  /** It shows only where a message comes in pieces. */
  readonly isOfPieces?: true;
};

export const CODEC_FLAWS: readonly CodecFlaw[] = [
  {
    how: "a bare LF ends a field line",
    file: "wire/fields",
    from: "if (bytes[at] !== CR || bytes[at + 1] !== LF)",
    to: "if (bytes[at] === LF) at--; else if (bytes[at] !== CR || bytes[at + 1] !== LF)",
  },
  {
    how: "a request may have a space before a colon",
    file: "wire/fields",
    from: "if (isAnswer && isBlank(",
    to: "if (isBlank(",
  },
  {
    how: "a folded field is taken for one line",
    file: "wire/fields",
    from: "while (bytes[at] === HTAB)",
    to: "while (bytes[at] === HTAB || (bytes[at] === CR && bytes[at + 1] === LF && isBlank(Number(bytes[at + 2])) && ++at > 0))",
  },
  {
    how: "a bare CR may stand in a value",
    file: "wire/fields",
    from: "while (bytes[at] === HTAB)",
    to: "while (bytes[at] === HTAB || (bytes[at] === CR && bytes[at + 1] !== LF))",
  },
  {
    how: "a vertical tab before a value is white space",
    file: "wire/lists",
    from: "return code === SPACE || code === HTAB;",
    to: "return code === SPACE || (code >= HTAB && code <= 0x0c && code !== 0x0a);",
  },
  {
    how: "the first of two Content-Length counts",
    file: "wire/framing",
    from: "fields.isRepeated(Kind.CONTENT_LENGTH) || ",
    to: "",
  },
  {
    how: "a Content-Length may have a sign",
    file: "wire/framing",
    from: "const digit = fields.text.charCodeAt(at) - ZERO;",
    to: "if (at === start && fields.text.charCodeAt(at) === 0x2b) continue; const digit = fields.text.charCodeAt(at) - ZERO;",
  },
  {
    how: "a request may have both framings",
    file: "wire/request-head",
    from: 'if (coding === "chunked" && length !== NO_LENGTH) {',
    to: 'if (coding === "gzip" && length !== NO_LENGTH) {',
  },
  {
    how: "an answer may have both framings",
    file: "wire/answer-head",
    from: 'if (coding === "chunked" && length !== NO_LENGTH) {',
    to: 'if (coding === "gzip" && length !== NO_LENGTH) {',
  },
  {
    how: "chunked is looked for anywhere in a Transfer-Encoding",
    file: "wire/framing",
    from: 'fields.isValue(fields.firstOf(Kind.TRANSFER_ENCODING), "chunked")',
    to: 'fields.joined(Kind.TRANSFER_ENCODING).toLowerCase().includes("chunked")',
  },
  {
    how: "the size of a chunk is cut to 32 bits",
    file: "wire/chunked-decoder",
    from: "size = size * 16 + value;",
    to: "size = ((size << 4) + value) >>> 0;",
  },
  {
    how: "a chunk may end in a bare LF",
    file: "wire/chunked-decoder",
    from: "if (octet !== CR)",
    to: "if (octet === LF) { this.#state = SIZE; return at + 1; } if (octet !== CR)",
  },
  {
    how: "bytes between a chunk and its end are skipped",
    file: "wire/chunked-decoder",
    from: "if (octet !== CR)",
    to: "if (octet !== CR && octet !== LF) return at + 1; if (octet !== CR)",
  },
  {
    how: "a chunk of one byte has none",
    file: "wire/chunked-decoder",
    from: "this.#state = this.#left === 0 ? TRAILERS : DATA;",
    to: "this.#state = this.#left <= 1 ? TRAILERS : DATA;",
  },
  {
    how: "what is left of a chunk is forgotten where a piece of it ends",
    isOfPieces: true,
    file: "wire/chunked-decoder",
    from: "this.#left -= end - i;",
    to: "this.#left = 0;",
  },
  {
    how: "a size that is cut in two begins anew",
    isOfPieces: true,
    file: "wire/chunked-decoder",
    from: "this.#digits = digits;",
    to: "this.#digits = 0; if (digits > 1) size = 0;",
  },
  {
    how: "the decoder keeps a trailer of the message before",
    file: "wire/trailer-section",
    from: 'this.#text = "";',
    to: "",
  },
  {
    how: "an answer to HEAD has a body",
    file: "wire/answer-head",
    from: ' || method === "HEAD"',
    to: "",
  },
  {
    how: "a 304 has a body",
    file: "wire/answer-head",
    from: " || status === 304",
    to: "",
  },
  {
    how: "close is not looked for beside another option",
    file: "wire/framing",
    from: 'if (name === "close")',
    to: 'if (name === "closed")',
  },
  {
    how: "a Content-Length with a leading zero is octal",
    file: "wire/framing",
    from: "length = length * 10 + digit;",
    to: "length = length * (fields.text.charCodeAt(start) === ZERO ? 8 : 10) + digit;",
  },
  {
    how: "a body ends a byte early",
    file: "wire/framing",
    from: "return Number.isSafeInteger(length) ? length : BAD_LENGTH;",
    to: "return Number.isSafeInteger(length) ? Math.max(0, length - 1) : BAD_LENGTH;",
  },
  {
    how: "an interim answer has a body",
    file: "wire/answer-head",
    from: "status < 200 || ",
    to: "",
  },
  {
    how: "an answer to the end of the connection leaves it open",
    file: "wire/answer-head",
    from: 'isOpen && framing !== "close"',
    to: "isOpen",
  },
  {
    how: "a space may stand in a request target",
    file: "wire/request-head",
    from: 'text.indexOf(" ", methodEnd + 1) === targetEnd',
    to: "true",
  },
  {
    how: "any version of HTTP is one that is known",
    file: "wire/request-head",
    from: 'text.startsWith(minorVersion === 1 ? " HTTP/1.1\\r\\n" : " HTTP/1.0\\r\\n", targetEnd)',
    to: 'text.startsWith(" HTTP/1.", targetEnd)',
  },
  {
    how: "a client's connection keeps bytes in a buffer that is overwritten",
    isOfPieces: true,
    file: "data-plane/listener/client-connection",
    from: "this.#pending = kept(this.#pending);",
    to: "",
  },
  {
    how: "a backend's connection keeps bytes in a buffer that is overwritten",
    isOfPieces: true,
    file: "data-plane/forward/backend-connection",
    from: "this.#pending = kept(",
    to: "this.#pending = (",
  },
  {
    how: "a client's connection forgets what came with the end of a body",
    file: "data-plane/listener/client-connection",
    from: "if (end < bytes.length && this.#phase <= DISCARDING)",
    to: "if (false)",
  },
  {
    how: "a client's connection goes on behind close",
    file: "data-plane/listener/client-connection",
    from: "head.minorVersion === 1 ? !isClose : isKeepAlive && !isClose",
    to: "head.minorVersion === 1 || isKeepAlive",
  },
  {
    how: "a backend's connection takes its end for the end of any body",
    file: "data-plane/forward/backend-connection",
    from: "handler !== null && this.#state === UNTIL_CLOSE",
    to: "handler !== null && this.#state >= LENGTH",
  },
];
