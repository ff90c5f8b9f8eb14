/**
 * Whether a message came through as it was: what a proxy must change is left out, everything else must be equal. Pure.
 *
 * Names keep their case and fields their order. Fields that `Connection` names are left out on both sides, for
 * taking them away is right; those that a proxy writes are no part of the comparison.
 */
import type { AnswerHead, AnswerMessage } from "./answers.ts";
import { type Field, listOf, valuesOf } from "./cursor.ts";
import { originForm, type RequestMessage } from "./requests.ts";

/** For one hop, or written by each hop anew (RFC 9110 §7.6, RFC 9112 §6). */
const OF_THE_HOP: readonly string[] = [
  "connection",
  "content-length",
  "http2-settings",
  "keep-alive",
  "proxy", // CGI would make HTTP_PROXY of it
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "via",
];
const OF_A_REQUEST = new Set([
  ...OF_THE_HOP,
  "host",
  "max-forwards",
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-forwarded-port",
  "x-real-ip",
]);
const OF_AN_ANSWER = new Set([...OF_THE_HOP, "proxy-status"]);

/** What may not stand in trailers (RFC 9110 §6.5.1): a proxy may drop it, or refuse the message. */
const NOT_A_TRAILER =
  /^(host|content-.*|cache-control|expect|max-forwards|pragma|range|te|authorization|cookie|set-cookie|age|date|expires|location|retry-after|vary|warning|forwarded|x-forwarded-.*)$/i;

/** @returns what is different, or null. */
export function requestDifference(sent: RequestMessage, seen: RequestMessage): string | null {
  const { path, authority } = originForm(sent);
  const host = authority ?? valuesOf(sent.fields, "host")[0];
  const seenHost = valuesOf(seen.fields, "host")[0];
  if (seen.method !== sent.method) return different("method", sent.method, seen.method);
  if (seen.target !== path) return different("target", path, seen.target);
  if (host !== undefined && seenHost !== host) return different("Host", host, seenHost);
  const named = namedBy(sent.fields, OF_A_REQUEST);
  // A 100-continue of HTTP/1.0 is to be ignored (RFC 9110 §10.1.1).
  if (sent.version === "1.0") named.add("expect");
  return listDifference("fields", sent.fields, seen.fields, named) ?? contentDifference(sent, seen, named);
}

/** For a request that broke off at the backend: what did arrive of it may not be another one's. */
export function isBeginningOf(sent: RequestMessage, seen: RequestMessage): boolean {
  return (
    requestDifference({ ...sent, body: seen.body, trailers: seen.trailers }, seen) === null &&
    sent.body.startsWith(seen.body)
  );
}

/** @param isHttp10 the client's version: no chunks, so neither trailers nor interim answers. */
export function answerDifference(sent: AnswerMessage, got: AnswerMessage, isHttp10: boolean): string | null {
  const head = headDifference(sent, got);
  if (head !== null) return head;
  // A 205 has no content (RFC 9110 §15.3.6), whatever came with it.
  if (sent.status === 205 && got.body === "") return null;
  if (isHttp10) return sent.body === got.body ? null : different("body", sent.body, got.body);
  return contentDifference(sent, got, namedBy(sent.fields, OF_AN_ANSWER)) ?? interimDifference(sent, got);
}

export function headDifference(sent: AnswerHead, got: AnswerHead): string | null {
  if (got.status !== sent.status) return different("status", sent.status, got.status);
  if (got.reason !== sent.reason) return different("reason", sent.reason, got.reason);
  const named = namedBy(sent.fields, OF_AN_ANSWER);
  // A proxy with a clock may date an answer that has no date (RFC 9110 §6.6.1).
  if (valuesOf(sent.fields, "date").length === 0) named.add("date");
  return listDifference("fields", sent.fields, got.fields, named);
}

/** A 100 is not for a client that did not ask for it. */
function interimDifference(sent: AnswerMessage, got: AnswerMessage): string | null {
  const [of, to] = [sent, got].map(({ interim }) => interim.filter(({ status }) => status !== 100));
  if (of === undefined || to === undefined || of.length !== to.length) {
    return different(
      "interim answers",
      of?.map(({ status }) => status),
      to?.map(({ status }) => status),
    );
  }
  for (const [index, head] of of.entries()) {
    const difference = headDifference(head, to[index] ?? head);
    if (difference !== null) return `interim answer ${index}: ${difference}`;
  }
  return null;
}

function contentDifference(
  sent: { body: string; trailers: readonly Field[] },
  seen: { body: string; trailers: readonly Field[] },
  without: ReadonlySet<string>,
): string | null {
  if (seen.body !== sent.body) return different("body", sent.body, seen.body);
  const isTrailer = ({ name }: Field): boolean => !NOT_A_TRAILER.test(name);
  return listDifference(
    "trailers",
    sent.trailers.filter(isTrailer),
    seen.trailers.filter(isTrailer),
    without,
  );
}

function namedBy(fields: readonly Field[], also: ReadonlySet<string>): Set<string> {
  return new Set([...also, ...listOf(fields, "connection")]);
}

function listDifference(
  what: string,
  sent: readonly Field[],
  seen: readonly Field[],
  without: ReadonlySet<string>,
): string | null {
  const [before, after] = [sent, seen].map((fields) =>
    fields
      .filter(({ name }) => !without.has(name.toLowerCase()))
      .map(({ name, value }) => `${name}: ${value}`),
  );
  const [of, to] = [before?.join("\r\n"), after?.join("\r\n")];
  return of === to ? null : different(what, of, to);
}

function different(what: string, was: unknown, is: unknown): string {
  return `${what}: ${JSON.stringify(was)} became ${JSON.stringify(is)}`;
}
