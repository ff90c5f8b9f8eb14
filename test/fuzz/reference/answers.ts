/**
 * The strict reference for answers: the first final answer that a server's bytes hold, as the answer to one
 * request. Pure.
 *
 * Strict as the promises are, but for what the RFCs let a proxy mend, because it alone decides what an answer means
 * to its client: a length beside chunked is ignored, equal lengths count once, chunks of HTTP/1.0 are read (RFC 9112
 * §6.1, RFC 9110 §8.6), white space before a colon goes (RFC 9112 §5.1).
 */
import {
  type BodySoFar,
  Cursor,
  type Field,
  Incomplete,
  Malformed,
  parseLength,
  valuesOf,
} from "./cursor.ts";

export interface AnswerHead {
  readonly version: "1.0" | "1.1";
  readonly status: number;
  readonly reason: string;
  readonly fields: readonly Field[];
}

export interface AnswerMessage extends AnswerHead, Readonly<BodySoFar> {
  /** `tunnel`: what follows a 101 is no HTTP any more. */
  readonly framing: "none" | "length" | "chunked" | "close" | "tunnel";
  /** The 1xx before it. */
  readonly interim: readonly AnswerHead[];
}

export interface AnswerRead {
  readonly kind: "whole" | "incomplete" | "malformed";
  readonly why: string;
  /** With as much of its body as there is; null while its head is not whole. */
  readonly answer: AnswerMessage | null;
  readonly interim: readonly AnswerHead[];
  /** Where a whole one ends. */
  readonly end: number;
}

const STATUS_LINE = /^HTTP\/(1\.[01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?$/;

/** @param options `isClosed`: the connection was ended (not broken) after `text`. */
export function readAnswer(
  text: string,
  from: number,
  options: { method: string; isClosed: boolean },
): AnswerRead {
  const cursor = new Cursor(text, from);
  const interim: AnswerHead[] = [];
  let answer: AnswerMessage | null = null;
  const stopped = (kind: AnswerRead["kind"], why = ""): AnswerRead => ({
    kind,
    why,
    answer,
    interim,
    end: cursor.at,
  });
  try {
    let head = readHead(cursor);
    while (head.status < 200 && head.status !== 101) {
      interim.push(head);
      head = readHead(cursor);
    }
    const soFar: BodySoFar = { body: "", trailers: [] };
    const { framing, length } = framingOf(head, options.method);
    answer = Object.assign(soFar, { ...head, framing, interim });
    if (framing === "chunked") cursor.chunked(soFar);
    else if (framing === "length") cursor.ofLength(length, soFar);
    else if (framing === "close" || framing === "tunnel") {
      soFar.body = text.slice(cursor.at);
      cursor.at = text.length;
      if (!options.isClosed) return stopped("incomplete", "a body that ends with the connection");
    }
    return stopped("whole");
  } catch (error) {
    if (error instanceof Malformed) return stopped("malformed", error.message);
    if (error instanceof Incomplete) return stopped("incomplete", error.message);
    throw error;
  }
}

function readHead(cursor: Cursor): AnswerHead {
  const [, version, status, reason = ""] = STATUS_LINE.exec(cursor.line()) ?? [];
  if (status === undefined) throw new Malformed("a status line that is none");
  return {
    version: version === "1.0" ? "1.0" : "1.1",
    status: Number(status),
    reason,
    fields: cursor.fields({ looseNames: true }),
  };
}

/** RFC 9112 §6.3. */
function framingOf(
  { status, fields }: AnswerHead,
  method: string,
): { framing: AnswerMessage["framing"]; length: number } {
  const codings = valuesOf(fields, "transfer-encoding");
  const lengths = new Set(
    valuesOf(fields, "content-length").flatMap((value) => value.split(/[ \t]*,[ \t]*/)),
  );
  if (lengths.size > 1) throw new Malformed("lengths that differ");
  const length = Math.max(0, ...[...lengths].map(parseLength));
  if (codings.length > 1 || !/^chunked$/i.test(codings[0] ?? "chunked")) {
    throw new Malformed("a transfer coding besides chunked");
  }
  if (status === 101) return { framing: "tunnel", length: 0 };
  if (method === "HEAD" || status === 204 || status === 304) return { framing: "none", length: 0 };
  if (codings.length > 0) return { framing: "chunked", length: 0 };
  return lengths.size > 0 ? { framing: "length", length } : { framing: "close", length: 0 };
}
