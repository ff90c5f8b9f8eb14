/**
 * Answer headers: which lines of an answer travel on to the client, and what we add. Pure.
 *
 * As headers.ts does for requests: cut out of the text they came in, without what ends at this hop.
 */
import type { AnswerHead } from "../../wire/answer-head.ts";
import { Kind, kindBit } from "../../wire/fields.ts";
import { isBlank, listItems } from "../../wire/lists.ts";
import { SEMICOLON } from "../../wire/octets.ts";
import { viaEntry } from "./forwarded.ts";
import type { HeaderPolicy } from "./headers.ts";

/** Status line and end-to-end lines of a final answer, for the client. @param isChunked how it goes on. */
export function answerLines(head: AnswerHead, isChunked: boolean, policy: HeaderPolicy): string {
  let lines = travellingLines(head, isChunked);
  // RFC 9110 §15.5.22: what it asks the client to upgrade to, for this hop too.
  if (head.status === 426 && head.fields.has(Kind.UPGRADE)) lines += upgradeOf(head);
  if (head.status === 205) lines += "Content-Length: 0\r\n";
  if (!head.fields.has(Kind.DATE)) lines += `Date: ${httpDate()}\r\n`; // RFC 9110 §6.6.1
  return lines + viaLine(head, policy);
}

/** The same for a 1xx. */
export function interimLines(head: AnswerHead, policy: HeaderPolicy): string {
  return travellingLines(head, false) + viaLine(head, policy);
}

/** The same for the 101 that ends HTTP on a connection. */
export function upgradeLines(head: AnswerHead, policy: HeaderPolicy): string {
  return interimLines(head, policy) + upgradeOf(head);
}

/** Whether a 101 changes to what was asked for (RFC 9110 §7.8), and to nothing else. */
export function isWantedUpgrade({ fields }: AnswerHead, wanted: string | null): boolean {
  const asked = new Set(listItems((wanted ?? "").toLowerCase()));
  return listItems(fields.joined(Kind.UPGRADE).toLowerCase()).every((protocol) => asked.has(protocol));
}

function upgradeOf({ fields }: AnswerHead): string {
  return `Connection: Upgrade\r\nUpgrade: ${fields.joined(Kind.UPGRADE)}\r\n`;
}

function viaLine({ minorVersion }: AnswerHead, { via }: HeaderPolicy): string {
  return via === null ? "" : `Via: ${viaEntry(minorVersion, via)}\r\n`;
}

/** Fields that may end at this hop, even if `Connection` names none. */
const NOT_PLAIN =
  kindBit(Kind.CONTENT_LENGTH) |
  kindBit(Kind.TRAILER) |
  kindBit(Kind.CONNECTION) |
  kindBit(Kind.TRANSFER_ENCODING) |
  kindBit(Kind.UPGRADE) |
  kindBit(Kind.TE) |
  kindBit(Kind.KEEP_ALIVE) |
  kindBit(Kind.HOP_BY_HOP);

/** Status line and lines that travel on, as they came. */
function travellingLines(head: AnswerHead, isChunked: boolean): string {
  const { fields, connection } = head;
  const isPlain = connection.named === null && !fields.hasLoose;
  // One of HTTP/1.1 goes on as it came, cut out together with the lines behind it.
  const isLineKept = head.minorVersion === 1 && head.hasReason;
  let lines = isLineKept ? "" : `HTTP/1.1 ${head.status} ${head.reason}\r\n`;
  let from = isLineKept ? 0 : fields.lineStart(0);
  for (let i = 0; i < fields.count; i++) {
    if (isPlain && (kindBit(fields.kind(i)) & NOT_PLAIN) === 0) continue; // nearly all of them
    const isKept = travels(i, head, isChunked);
    const isLoose = fields.isLoose(i);
    if (isKept && !isLoose) continue;
    lines += fields.text.slice(from, fields.lineStart(i));
    if (isKept) lines += `${fields.name(i)}: ${fields.value(i)}\r\n`;
    from = fields.lineStart(i + 1);
  }
  return lines + fields.text.slice(from, fields.lineStart(fields.count));
}

/** Whether field `i` is for the client too. */
function travels(
  i: number,
  { fields, status, framing, connection }: AnswerHead,
  isChunked: boolean,
): boolean {
  switch (fields.kind(i)) {
    case Kind.CONTENT_LENGTH:
      // It says how long a body is that follows, or that HEAD and 304 left out (RFC 9110 §8.6); nothing else.
      if (framing === "length") return status !== 205;
      return framing === "none" && status >= 200 && status !== 204 && status !== 205;
    case Kind.TRAILER:
      return isChunked;
    case Kind.CONNECTION:
    case Kind.TRANSFER_ENCODING:
    case Kind.UPGRADE:
    case Kind.TE:
    case Kind.KEEP_ALIVE:
    case Kind.HOP_BY_HOP:
      return false;
    default:
      return !connection.named?.has(fields.name(i).toLowerCase());
  }
}

/** The media type, without parameters, in lower case; empty without one. */
export function mediaType({ fields }: AnswerHead): string {
  if (!fields.has(Kind.CONTENT_TYPE)) return "";
  const value = fields.joined(Kind.CONTENT_TYPE);
  let end = 0;
  let isLower = true;
  for (; end < value.length; end++) {
    const code = value.charCodeAt(end);
    if (endsMediaType(code)) break;
    isLower &&= code > CAPITAL_Z ? code < 0x80 : code < CAPITAL_A;
  }
  const type = value.slice(0, end);
  return isLower ? type : type.toLowerCase(); // nearly all of them are
}

const COMMA = 0x2c;
const CAPITAL_A = 0x41;
const CAPITAL_Z = 0x5a;
const NO_BREAK_SPACE = 0xa0;

function endsMediaType(code: number): boolean {
  return code === SEMICOLON || code === COMMA || isBlank(code) || code === NO_BREAK_SPACE;
}

/** Whether an answer of the type is one that may stay silent between two pieces. */
export function isStreamType(type: string, { streamTypes }: HeaderPolicy): boolean {
  for (const each of streamTypes) {
    if (each.endsWith("/*") ? type.startsWith(each.slice(0, -1)) : each === type) return true;
  }
  return false;
}

/** Whether an answer of the type is a stream of events that can be ended between two of them, and still look whole. */
export function isEventStream(type: string, { status, fields, framing }: AnswerHead): boolean {
  if (type !== "text/event-stream" || status !== 200) return false;
  if (framing !== "chunked" && framing !== "close") return false;
  for (let i = 0; i < fields.count; i++) {
    // Where an event ends in compressed bytes, only who unpacks them knows.
    if (fields.name(i).toLowerCase() === "content-encoding" && !isIdentity(fields.value(i))) return false;
  }
  return true;
}

function isIdentity(coding: string): boolean {
  return coding.trim().toLowerCase() === "identity";
}

/** Whether a 101 makes a WebSocket (RFC 6455 §4.2.2). */
export function isWebSocket({ fields }: AnswerHead): boolean {
  return fields.joined(Kind.UPGRADE).trim().toLowerCase() === "websocket";
}

let dateText = "";
let dateSecond = 0;

/** The time as `Date` writes it, made once a second. */
export function httpDate(): string {
  const now = Date.now();
  const second = Math.floor(now / 1_000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(now).toUTCString();
  }
  return dateText;
}
