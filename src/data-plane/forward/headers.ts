/**
 * Which header fields may travel to the next hop, in both directions. Pure.
 *
 * Works on the raw lists of node:http and undici, so names keep their case and fields their order and
 * number. Runs once per request each way: no regular expression, no object per field.
 */

/** Not for the next hop, whatever `Connection` says. RFC 9110 §7.6.1; framing is made anew on each side. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** A client cannot have these taken out by naming them in `Connection`: they are the message itself. */
const NOT_TO_BE_NAMED: ReadonlySet<string> = new Set([
  "host",
  "content-length",
  "transfer-encoding",
  "content-type",
  "close",
  "keep-alive",
]);

/** Fields of a request that are looked at, by the length of their name: most names need no second look. */
const LENGTHS_OF_INTEREST = lengthsOf([
  ...HOP_BY_HOP,
  "host",
  "expect",
  "content-length",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
]);
const LENGTHS_OF_HOP_BY_HOP = lengthsOf([...HOP_BY_HOP, "content-length"]);

function lengthsOf(names: readonly string[]): Uint8Array {
  const lengths = new Uint8Array(256);
  for (const name of names) lengths[name.length] = 1;
  return lengths;
}

/** What uri-host and port cannot hold (RFC 9110 §7.2, RFC 3986 §3.2.2); a reader could take it for two values or a path. */
const NOT_IN_HOST = /[\s/?#@\\"<>]/;

/** The client's side of a request, as far as the forwarded fields need it. */
export interface ClientSide {
  /** Address of the socket's peer, without `::ffff:`. */
  readonly address: string;
  /** Its `X-Forwarded-Proto` and `-Host` are believed. */
  readonly isTrusted: boolean;
  readonly protocol: "http" | "https";
}

export interface RequestHeaders {
  /** Name, value, name, value, … for undici. Neither `Connection` nor framing but `Content-Length`. */
  readonly fields: string[];
  /** null: none. */
  readonly contentLength: number | null;
  readonly isChunked: boolean;
}

/**
 * The fields of a client's request for the backend: end-to-end fields as they came, then `X-Forwarded-*`.
 *
 * `Expect` is dropped: node:http has answered `100 Continue` already. What `Connection` names is removed
 * before our own fields are added, so that a client cannot strip them.
 *
 * @param raw `IncomingMessage.rawHeaders`; left unchanged.
 * @param authority of an absolute-form target: replaces `Host` (RFC 9112 §3.2.2); null otherwise.
 * @param isHttp11 and not HTTP/1.0, which needs no Host (RFC 9112 §3.2) and has no chunked bodies (§6.1).
 * @returns null when the message must be refused: two Host fields or none, a length that is no safe integer, a
 *   transfer coding that we would have to pass on without its name.
 */
export function requestHeaders(
  raw: readonly string[],
  client: ClientSide,
  authority: string | null,
  isHttp11: boolean,
): RequestHeaders | null {
  const named = connectionNames(raw);
  const fields: string[] = [];
  let host: string | null = authority;
  let hostFields = 0;
  let forwardedFor = "";
  let forwardedHost: string | null = null;
  let forwardedProto: string | null = null;
  let contentLength: number | null = null;
  let isChunked = false;

  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string;
    const value = raw[i + 1] as string;
    if (LENGTHS_OF_INTEREST[name.length] === 1) {
      const lower = name.toLowerCase();
      switch (lower) {
        case "host":
          if (++hostFields > 1 || NOT_IN_HOST.test(value)) return null;
          host ??= value;
          if (authority === null) fields.push(name, value);
          continue;
        case "content-length":
          contentLength = Number(value);
          if (!Number.isSafeInteger(contentLength)) return null;
          break;
        case "transfer-encoding":
          if (isChunked || !isHttp11 || value.toLowerCase() !== "chunked") return null;
          isChunked = true;
          continue;
        case "expect":
          continue;
        case "x-forwarded-for":
          if (named === null || !named.has(lower)) forwardedFor += forwardedFor === "" ? value : `, ${value}`;
          continue;
        case "x-forwarded-host":
          forwardedHost ??= value;
          continue;
        case "x-forwarded-proto":
          forwardedProto ??= value;
          continue;
        default:
          if (HOP_BY_HOP.has(lower)) continue;
      }
    }
    if (named?.has(name.toLowerCase())) continue;
    fields.push(name, value);
  }
  if (isHttp11 && hostFields === 0) return null;
  if (authority !== null) fields.unshift("Host", authority);
  fields.push(
    "X-Forwarded-For",
    forwardedFor === "" ? client.address : `${forwardedFor}, ${client.address}`,
    "X-Forwarded-Proto",
    client.isTrusted && forwardedProto !== null ? forwardedProto : client.protocol,
  );
  const clientsHost = client.isTrusted && forwardedHost !== null ? forwardedHost : host;
  if (clientsHost) fields.push("X-Forwarded-Host", clientsHost);
  return { fields, contentLength, isChunked };
}

export interface AnswerHeaders {
  /** Name, value, … for `ServerResponse.writeHead`. */
  readonly fields: string[];
  /** -1: none, so the body's end is found otherwise. */
  readonly contentLength: number;
  /** Its body is coded for one hop, which we did not ask for and could only pass on without its name. */
  readonly isCoded: boolean;
}

/**
 * The fields of a backend's answer for the client: end-to-end fields as they came.
 *
 * @param raw undici's `controller.rawHeaders`: Buffers, latin1.
 */
export function answerHeaders(raw: readonly Buffer[]): AnswerHeaders {
  const fields: string[] = [];
  let named: ReadonlySet<string> | null = null;
  let contentLength = -1;
  let lengthAt = -1;
  let isChunked = false;
  let isCoded = false;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] as Buffer).toString("latin1");
    const value = (raw[i + 1] as Buffer).toString("latin1");
    if (LENGTHS_OF_HOP_BY_HOP[name.length] === 1) {
      const lower = name.toLowerCase();
      if (lower === "content-length") {
        contentLength = Number(value);
        lengthAt = fields.length;
      } else if (HOP_BY_HOP.has(lower)) {
        if (lower === "connection") named = addNames(value, named);
        else if (lower === "transfer-encoding") {
          isChunked = true;
          isCoded ||= !/^(chunked|identity)$/i.test(value);
        }
        continue;
      }
    }
    fields.push(name, value);
  }
  if (isChunked && lengthAt !== -1) {
    fields.splice(lengthAt, 2); // RFC 9112 §6.1: Transfer-Encoding overrides, the length must go
    contentLength = -1;
  }
  return { fields: named === null ? fields : without(fields, named), contentLength, isCoded };
}

/** @returns the names that the message's own `Connection` fields list, in lower case; null for none of interest. */
function connectionNames(raw: readonly string[]): ReadonlySet<string> | null {
  let names: ReadonlySet<string> | null = null;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string;
    if (name.length === 10 && name.toLowerCase() === "connection")
      names = addNames(raw[i + 1] as string, names);
  }
  return names;
}

function addNames(value: string, names: ReadonlySet<string> | null): ReadonlySet<string> | null {
  if (value === "keep-alive" || value === "close") return names; // nearly all of them
  const wanted = new Set(names);
  for (const item of value.split(",")) {
    const name = item.trim().toLowerCase();
    if (name !== "" && !NOT_TO_BE_NAMED.has(name)) wanted.add(name);
  }
  return wanted.size === 0 ? null : wanted;
}

function without(fields: string[], named: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] as string;
    if (!named.has(name.toLowerCase())) kept.push(name, fields[i + 1] as string);
  }
  return kept;
}
