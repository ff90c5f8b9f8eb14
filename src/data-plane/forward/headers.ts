/**
 * Headers: which lines of a request travel on to the backend, and what we add. Pure. Answers: answer-headers.ts.
 *
 * Lines that travel are cut out of the text they came in, so names keep their case and lines their order and bytes.
 * What ends at this hop is left out first (RFC 9110 §7.6.1), with all that `Connection` names; our own lines come
 * after it, so that nobody can have them taken out. Framing is made anew on each side.
 */
import { type Fields, Kind, kindBit } from "../../wire/fields.ts";
import { listItems } from "../../wire/lists.ts";
import { ZERO } from "../../wire/octets.ts";
import type { RequestHead } from "../../wire/request-head.ts";
import { clientAddress, forwardedElement, parseForwardedFor, viaEntry, viaNames } from "./forwarded.ts";
import { nextMaxForwards } from "./max-forwards.ts";

/** What is added and judged by the config, the same for every request of a worker. */
export interface HeaderPolicy {
  /** Our name in `Via`; null: none is sent. */
  readonly via: string | null;
  /** Of this daemon since its start, unlike any other's: stands in `Forwarded`, and by it a loop is seen. */
  readonly ownName: string;
  /** `X-Forwarded-For`, `-Proto`, `-Host` and `X-Real-IP` are sent. */
  readonly hasXForwarded: boolean;
  /** `Forwarded` (RFC 7239) is sent. */
  readonly hasForwarded: boolean;
  isTrusted(address: string): boolean;
  /** Media types, `type/subtype` or `type/*`, whose answers may stay silent. */
  readonly streamTypes: readonly string[];
}

/** The client's side of a request, as far as the forwarded fields need it. */
export interface ClientSide {
  /** Address of the socket's peer, without `::ffff:`. */
  readonly address: string;
  /** What it says of those before it is believed. */
  readonly isTrusted: boolean;
  readonly protocol: "http" | "https";
  /** Our lines for the last `Host` on this connection: it rarely changes. */
  lastHost: string | null;
  lastLines: string;
}

/** Where a request is to go, as admit.ts has judged it. */
export interface RequestTarget {
  /** Path and query, or `*`. */
  readonly target: string;
  /** Of an absolute-form target: replaces `Host`; null otherwise. */
  readonly authority: string | null;
  /** null: the client sent none. */
  readonly host: string | null;
}

/** A request as it goes to a backend. */
export interface ForwardedRequest {
  readonly method: string;
  /** Whole, with the empty line. */
  readonly head: string;
  readonly hasBody: boolean;
  readonly isChunked: boolean;
  /** -1: none. */
  readonly contentLength: number;
  readonly expectsContinue: boolean;
  readonly minorVersion: 0 | 1;
  /** The client named no host: `Host`, the first of the fields, is the backend's. */
  readonly isHostOurs: boolean;
  /** What `Connection` names, in lower case; null for nothing. */
  readonly named: ReadonlySet<string> | null;
  /** What the client wants to change to, as it goes to the backend; null: nothing. */
  readonly upgrade: string | null;
}

export interface HeaderRefusal {
  readonly code: "LOOP_DETECTED";
  readonly message: string;
}

/**
 * The request as it goes on to a backend: end-to-end lines as they came, then ours.
 *
 * @param backendHost `Host` for a client that sent none, as HTTP/1.0 allows.
 */
export function forwardedRequest(
  head: RequestHead,
  { target, authority, host }: RequestTarget,
  client: ClientSide,
  backendHost: string,
  policy: HeaderPolicy,
): ForwardedRequest | HeaderRefusal {
  const { fields, method, minorVersion, isChunked, contentLength } = head;
  const knownAs = hasBeenHere(fields, policy);
  if (knownAs !== null) {
    return { code: "LOOP_DETECTED", message: `the request has come through ${knownAs} before` };
  }
  const upgrade = wantedUpgrade(head);
  // A request line of HTTP/1.1 that names no host goes on as it came, cut out together with the lines behind it.
  const isLineKept = minorVersion === 1 && target === head.target;
  let lines = isLineKept ? "" : `${method} ${target} HTTP/1.1\r\n`;
  if (host === null) lines += `Host: ${authority ?? backendHost}\r\n`;
  lines += travellingLines(head, authority, isLineKept ? 0 : fields.lineStart(0));
  lines += forwardedLines(head, client, authority ?? host, policy);
  if (policy.via !== null) lines += `Via: ${viaEntry(minorVersion, policy.via)}\r\n`;
  if (upgrade !== null) lines += `Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n`;
  else if (takesTrailers(head)) lines += "Connection: TE\r\nTE: trailers\r\n";
  if (isChunked) lines += "Transfer-Encoding: chunked\r\n";
  return {
    method,
    head: `${lines}\r\n`,
    hasBody: isChunked || contentLength > 0,
    isChunked,
    contentLength,
    expectsContinue: head.expectsContinue,
    minorVersion,
    isHostOurs: host === null && authority === null,
    named: head.connection.named,
    upgrade,
  };
}

/** @returns the name of ours that it has: the one in `Via` may be another daemon's too; null for none. */
function hasBeenHere(fields: Fields, { via, ownName }: HeaderPolicy): string | null {
  if (fields.has(Kind.FORWARDED) && fields.joined(Kind.FORWARDED).includes(ownName)) return ownName;
  const isInVia = via !== null && fields.has(Kind.VIA) && viaNames(fields.joined(Kind.VIA), via);
  return isInVia ? `"Via: ${via}"` : null;
}

/** Fields that travel as they came, when `Connection` names none of them and there is no other authority. */
const TRAVELLING =
  kindBit(Kind.OTHER) |
  kindBit(Kind.HOST) |
  kindBit(Kind.VIA) |
  kindBit(Kind.DATE) |
  kindBit(Kind.CONTENT_TYPE);

/** The lines of a request that travel on, as they came. @param start where in its text what travels begins. */
function travellingLines(head: RequestHead, authority: string | null, start: number): string {
  const { fields } = head;
  const isPlain = authority === null && head.connection.named === null;
  let lines = "";
  let from = start;
  for (let i = 0; i < fields.count; i++) {
    if (isPlain && (kindBit(fields.kind(i)) & TRAVELLING) !== 0) continue; // nearly all of them
    const instead = insteadOf(i, head, authority);
    if (instead === null) continue;
    lines += fields.text.slice(from, fields.lineStart(i)) + instead;
    from = fields.lineStart(i + 1);
  }
  return lines + fields.text.slice(from, fields.lineStart(fields.count));
}

/** What goes on in place of field `i`: perhaps nothing. @returns null: the line as it came. */
function insteadOf(i: number, head: RequestHead, authority: string | null): string | null {
  const { fields } = head;
  switch (fields.kind(i)) {
    case Kind.HOST:
      return authority === null ? null : `${fields.name(i)}: ${authority}\r\n`;
    case Kind.CONTENT_LENGTH: {
      const start = fields.valueStart(i);
      const hasLeadingZero = fields.text.charCodeAt(start) === ZERO && fields.valueEnd(i) > start + 1;
      const isSame = fields.isTidy(i) && !hasLeadingZero;
      return isSame ? null : `${fields.name(i)}: ${head.contentLength}\r\n`;
    }
    case Kind.MAX_FORWARDS: {
      const count = nextMaxForwards(head.method, fields);
      return count === null ? null : `${fields.name(i)}: ${count}\r\n`;
    }
    case Kind.TRAILER:
      return head.isChunked ? null : ""; // they travel too
    case Kind.EXPECT:
      return head.minorVersion === 1 ? null : "";
    case Kind.CONNECTION:
    case Kind.TRANSFER_ENCODING:
    case Kind.UPGRADE:
    case Kind.TE:
    case Kind.KEEP_ALIVE:
    case Kind.HOP_BY_HOP:
    case Kind.FORWARDED:
    case Kind.X_FORWARDED_FOR:
    case Kind.X_FORWARDED_HOST:
    case Kind.X_FORWARDED_PROTO:
    case Kind.X_REAL_IP:
    case Kind.ATTEMPT_COUNT:
      return "";
    default:
      return head.connection.named?.has(fields.name(i).toLowerCase()) ? "" : null;
  }
}

/** `X-Forwarded-*`, `X-Real-IP` and `Forwarded`: what was said before, as far as it may be, and what we say. */
function forwardedLines(
  head: RequestHead,
  client: ClientSide,
  host: string | null,
  policy: HeaderPolicy,
): string {
  const { fields } = head;
  const saysNothing =
    !fields.has(Kind.X_FORWARDED_FOR) &&
    !fields.has(Kind.FORWARDED) &&
    !(client.isTrusted && (fields.has(Kind.X_FORWARDED_HOST) || fields.has(Kind.X_FORWARDED_PROTO)));
  if (!saysNothing) return composeForwarded(head, client, host, policy);
  if (client.lastLines === "" || client.lastHost !== host) {
    client.lastHost = host === null ? null : copyOf(host);
    client.lastLines = copyOf(composeForwarded(head, client, client.lastHost, policy));
  }
  return client.lastLines;
}

/**
 * For what outlives its request: a part of the head's text would keep all of it for as long as the connection lives,
 * and a text made of many would be put together anew with each request that it is sent with.
 */
function copyOf(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}

/** Who the client of a request is, behind the proxies that are trusted: what `X-Real-IP` says. */
export function clientOf(
  head: RequestHead,
  { address, isTrusted }: ClientSide,
  policy: Pick<HeaderPolicy, "isTrusted">,
): string {
  if (!isTrusted) return address;
  const forwardedFor = forwardedList(head, Kind.X_FORWARDED_FOR, "x-forwarded-for");
  const list =
    forwardedFor === "" ? parseForwardedFor(forwardedList(head, Kind.FORWARDED, "forwarded")) : forwardedFor;
  return clientAddress(address, list, policy.isTrusted);
}

/** A list that the client has named in `Connection` ends here; ours begins anew. */
function forwardedList({ fields, connection: { named } }: RequestHead, kind: number, name: string): string {
  return named?.has(name) ? "" : fields.joined(kind);
}

/** Lists are appended to whoever sent them: read from the right they are true up to the first who is not trusted. */
function composeForwarded(
  head: RequestHead,
  client: ClientSide,
  host: string | null,
  policy: HeaderPolicy,
): string {
  const { fields } = head;
  const { address, isTrusted, protocol } = client;
  let lines = "";
  const forwardedFor = forwardedList(head, Kind.X_FORWARDED_FOR, "x-forwarded-for");
  const forwarded = forwardedList(head, Kind.FORWARDED, "forwarded");
  const saidProtocol = isTrusted ? firstOf(fields.joined(Kind.X_FORWARDED_PROTO)) : "";
  const saidHost = isTrusted ? firstOf(fields.joined(Kind.X_FORWARDED_HOST)) : "";
  if (policy.hasXForwarded) {
    const clientsHost = saidHost === "" ? host : saidHost;
    const list = forwardedFor === "" ? parseForwardedFor(forwarded) : forwardedFor;
    lines +=
      `X-Forwarded-For: ${forwardedFor === "" ? address : `${forwardedFor}, ${address}`}\r\n` +
      `X-Forwarded-Proto: ${saidProtocol === "" ? protocol : saidProtocol}\r\n` +
      (clientsHost ? `X-Forwarded-Host: ${clientsHost}\r\n` : "") +
      `X-Real-IP: ${clientAddress(address, list, policy.isTrusted)}\r\n`;
  }
  if (policy.hasForwarded) {
    const element = forwardedElement({ address, host, protocol, by: policy.ownName });
    lines += `Forwarded: ${forwarded === "" ? element : `${forwarded}, ${element}`}\r\n`;
  }
  return lines;
}

function firstOf(list: string): string {
  const comma = list.indexOf(",");
  return comma === -1 ? list : list.slice(0, comma).trimEnd();
}

/**
 * What the client wants to change to. Only without a body: one reader would take its bytes for those of the new
 * protocol. h2c would carry requests past everything that is decided here (RFC 9113 §3.1 has removed it).
 */
function wantedUpgrade({
  connection,
  fields,
  minorVersion,
  isChunked,
  contentLength,
}: RequestHead): string | null {
  if (!connection.isUpgrade || minorVersion === 0 || isChunked || contentLength > 0) return null;
  const wanted = listItems(fields.joined(Kind.UPGRADE)).filter((protocol) => !/^h2c?$/i.test(protocol));
  return wanted.length === 0 ? null : wanted.join(", ");
}

/** RFC 9110 §10.1.4: for this hop, so it is said anew. */
function takesTrailers({ fields }: RequestHead): boolean {
  return fields.has(Kind.TE) && /(?:^|,)\s*trailers\s*(?:,|$)/i.test(fields.joined(Kind.TE));
}
