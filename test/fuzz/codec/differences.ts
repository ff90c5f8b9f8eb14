/**
 * Every way in which the codec accepts a message that llhttp refuses or reads otherwise: with its reason, and written so
 * that nothing else gets through. Pure.
 *
 * A message is rewritten into what llhttp can read, in that one respect; then both must agree on all of it. One that is
 * not in this list is a fault of the codec.
 */
import { defused, mapChunks, withoutBlanks } from "./chunk-lines.ts";
import type { CodecCase } from "./codec-case.ts";
import { isEndless205, isRequest, valuesOf } from "./heads.ts";
import { METHODS } from "./llhttp.ts";
import type { Message } from "./reading.ts";

/** A message as llhttp is given it, and what it then has to read. */
export interface Draft {
  readonly head: string;
  /** The bytes of the body, as they are framed. */
  readonly rest: string;
  readonly method: string | null;
  readonly target: string | null;
  readonly fields: readonly string[];
  readonly trailers: readonly string[];
  /** llhttp is told that no body follows. */
  readonly isBodiless: boolean;
}

/** A message, or some, that the two read otherwise for this reason alone. */
export type Example = Pick<CodecCase, "kind" | "text">;

export interface Difference {
  /** Ends the sentence "the codec takes …, llhttp does not". */
  readonly takes: string;
  readonly example: Example;
  /** Why it does no harm. */
  readonly why: string;
  readonly source: string;
  /** @returns the same draft when the message is no such case. */
  rewrite(message: Message, draft: Draft): Draft;
}

export const DIFFERENCES: readonly Difference[] = [
  {
    takes: "a method that is not registered",
    example: { kind: "requests", text: "FROB / HTTP/1.1\r\nHost: h\r\n\r\n" },
    why: "a method is any token; a proxy passes on those that it does not know",
    source: "RFC 9110 §9.1, §16.1",
    rewrite: ({ head: { line } }, draft) =>
      !isRequest(line) || METHODS.has(line.method)
        ? draft
        : { ...draft, head: draft.head.replace(line.method, "LOCK"), method: "LOCK" },
  },
  {
    takes: "a target with bytes above 0x7f",
    example: { kind: "requests", text: "GET /\xc3\xbc HTTP/1.1\r\nHost: h\r\n\r\n" },
    why: "they pass byte for byte, delimit nothing, and are what clients send that do not encode",
    source: "RFC 9112 §3.2 leaves it open",
    rewrite: ({ head: { line } }, draft) =>
      isRequest(line) ? withTarget(draft, draft.target?.replaceAll(/[\x80-\xff]/g, "x") ?? "") : draft,
  },
  {
    takes: "a target in no form that is served",
    example: { kind: "requests", text: "GET ?a HTTP/1.1\r\nHost: h\r\n\r\n" },
    why: "admit() refuses it and the connection is closed: nothing behind it is read",
    source: "RFC 9112 §3.2",
    rewrite: ({ head: { line, isAdmitted } }, draft) =>
      isRequest(line) && !isAdmitted ? withTarget(draft, line.method === "CONNECT" ? "h:80" : "/") : draft,
  },
  {
    takes: "Proxy-Connection as a field that says nothing",
    example: { kind: "requests", text: "GET / HTTP/1.1\r\nHost: h\r\nProxy-Connection: close\r\n\r\n" },
    why: "it never was part of HTTP; llhttp reads it as Connection. It does not travel on",
    source: "RFC 9112 §C.2.2",
    rewrite: (_, draft) => ({
      ...draft,
      head: draft.head.replaceAll(/^p(?=roxy-connection[ \t]*:)/gim, "x"),
      fields: draft.fields.map((text, i) =>
        i % 2 === 0 ? text.replace(/^p(?=roxy-connection$)/i, "x") : text,
      ),
    }),
  },
  {
    takes: "white space before the colon of an answer's field",
    example: { kind: "answers", text: "HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\na" },
    why: "a proxy has to take it out, and it does not travel on",
    source: "RFC 9112 §5.1",
    rewrite: ({ head: { line } }, draft) =>
      isRequest(line) ? draft : { ...draft, head: draft.head.replaceAll(/^([^\s:]+)[ \t]+:/gm, "$1:") },
  },
  {
    takes: "white space around the separators of a chunk extension",
    example: {
      kind: "requests",
      text: "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1 ; a = b\r\na\r\n0\r\n\r\n",
    },
    why: "it has to be read, and extensions end here",
    source: "RFC 9112 §7.1.1",
    rewrite: (message, draft) =>
      isChunked(message) ? { ...draft, rest: mapChunks(draft.rest, withoutBlanks, (lines) => lines) } : draft,
  },
  {
    takes: "trailer fields that would frame the message or end the connection",
    example: {
      kind: "requests",
      text: "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
    },
    why: "they are never looked at, and are left out when trailers travel on",
    source: "RFC 9110 §6.5.1, RFC 9112 §7.1.2",
    rewrite: (message, draft) =>
      isChunked(message)
        ? {
            ...draft,
            rest: mapChunks(draft.rest, (line) => line, defused),
            trailers: draft.trailers.map((text, i) =>
              i % 2 === 0 ? defused(`${text}:`).slice(0, -1) : text,
            ),
          }
        : draft,
  },
  {
    takes: "an interim answer above 103 as one without a body, also where a field frames one",
    example: { kind: "answers", text: "HTTP/1.1 104 x\r\nContent-Length: 3\r\n\r\nHTTP/1.1 204 x\r\n\r\n" },
    why: "no 1xx has one; llhttp knows only those that are registered, and the fields do not travel on",
    source: "RFC 9112 §6.3",
    rewrite: ({ head: { line } }, draft) =>
      !isRequest(line) && line.status > 103 && line.status < 200 ? { ...draft, isBodiless: true } : draft,
  },
  {
    takes: "a 205 that says no length as an answer without a body",
    example: { kind: "answers", text: "HTTP/1.1 205 x\r\n\r\n" },
    why: "it has none; nobody waits for the end of the connection, which is closed behind it",
    source: "RFC 9110 §15.3.6",
    rewrite: ({ head }, draft) => (isEndless205(head) ? { ...draft, isBodiless: true } : draft),
  },
];

function withTarget(draft: Draft, target: string): Draft {
  return { ...draft, head: draft.head.replace(` ${draft.target} `, () => ` ${target} `), target };
}

function isChunked({ head: { fields } }: Message): boolean {
  return valuesOf(fields, "transfer-encoding").length > 0;
}
