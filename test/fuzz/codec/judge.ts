/**
 * Judges what the codec read in a case by what llhttp reads in the same bytes.
 *
 * Whatever the codec accepts, llhttp must accept: the same line, fields, body and trailers, the message ending at the
 * same byte, and the connection kept or closed as the codec has it. What the codec refuses llhttp may take.
 */
import type { CodecCase, Kind } from "./codec-case.ts";
import { DIFFERENCES, type Difference, type Draft } from "./differences.ts";
import { EARLY_ENDS, type EndDifference, LATE_ENDS } from "./end-differences.ts";
import { isRequest } from "./heads.ts";
import { Llhttp, type Seen } from "./llhttp.ts";
import { isSameList, type Message, type Reading } from "./reading.ts";

const parsers: Readonly<Record<Kind, Llhttp>> = {
  requests: new Llhttp("requests"),
  answers: new Llhttp("answers"),
};

const PROBES: Readonly<Record<Kind, string>> = {
  requests: "GET / HTTP/1.1\r\n\r\n",
  answers: "HTTP/1.1 204 x\r\n\r\n",
};

/** What the two may read otherwise. */
export interface Allowed {
  readonly differences: readonly Difference[];
  readonly earlyEnds: readonly EndDifference[];
  readonly lateEnds: readonly EndDifference[];
}

const NOTHING: Allowed = { differences: [], earlyEnds: [], lateEnds: [] };
export const LISTED: Allowed = { differences: DIFFERENCES, earlyEnds: EARLY_ENDS, lateEnds: LATE_ENDS };

/** @returns what is wrong; null when nothing is. What is allowed is looked at only where the two do differ. */
export function judge({ kind, text }: CodecCase, reading: Reading, allowed = LISTED): string | null {
  return compare(kind, text, reading, NOTHING) === null ? null : compare(kind, text, reading, allowed);
}

/** The message as it came. */
function draftOf(message: Message, { ending, used }: Reading, text: string): Draft {
  const { start, head, end, trailers } = message;
  const { line, text: headText } = head;
  const headEnd = start + headText.length;
  const isMalformed = end === -1 && ending === "refused";
  return {
    head: headText,
    rest: text.slice(headEnd, end !== -1 ? end : isMalformed ? used : text.length),
    method: isRequest(line) ? line.method : null,
    target: isRequest(line) ? line.target : null,
    fields: head.fields,
    trailers,
    isBodiless: !isRequest(line) && line.method === "HEAD",
  };
}

function compare(kind: Kind, text: string, reading: Reading, allowed: Allowed): string | null {
  const llhttp = parsers[kind];
  llhttp.begin();
  let at = 0;
  for (const [index, message] of reading.messages.entries()) {
    const draft = allowed.differences.reduce(
      (before, { rewrite }) => rewrite(message, before),
      draftOf(message, reading, text),
    );
    const fault = compareMessage(llhttp, text.slice(at, message.start), message, draft, reading);
    if (fault !== null) return `message ${index + 1}: ${fault}`;
    if (message.end === -1 || !message.head.isAdmitted) return null;
    at = message.end;
    if (allowed.lateEnds.some(({ isMet }) => isMet(message))) llhttp.begin();
  }
  return compareFate(llhttp, kind, text.slice(at), reading, allowed);
}

function compareMessage(
  llhttp: Llhttp,
  before: string,
  message: Message,
  draft: Draft,
  { ending }: Reading,
): string | null {
  const bytes = before + draft.head + draft.rest;
  const index = llhttp.seen.length;
  llhttp.isBodiless = draft.isBodiless;
  if (message.end === -1) {
    const fault = llhttp.feed(bytes);
    const seen = llhttp.seen[index];
    if (seen === undefined) return `refused by llhttp: ${fault}`;
    if (ending === "refused")
      return differenceOfHead(seen, message, draft) ?? differenceOfBeginning(seen, message);
    if (fault !== null || seen.isWhole) return fault ?? "llhttp sees its end, the codec does not";
    return differenceOf(seen, message, draft);
  }
  if (!message.head.isAdmitted) {
    const fault = llhttp.feed(bytes);
    const seen = llhttp.seen[index];
    return seen === undefined ? `refused by llhttp: ${fault}` : differenceOfHead(seen, message, draft);
  }
  const isUntilClose = message.head.framing === "close";
  const early = llhttp.feed(isUntilClose ? bytes : bytes.slice(0, -1));
  if (early !== null) return `refused by llhttp: ${early}`;
  if (llhttp.seen[index]?.isWhole === true) return "llhttp sees its end before the codec does";
  const late = isUntilClose ? llhttp.end() : llhttp.feed(bytes.slice(-1));
  if (late !== null) return `refused by llhttp: ${late}`;
  const seen = llhttp.seen[index];
  if (seen === undefined || !seen.isWhole) return "the codec sees its end, llhttp does not";
  if (llhttp.seen.length !== index + 1) return "llhttp sees another message in it";
  return differenceOf(seen, message, draft);
}

/** What was told of a body before it turned out to be malformed. */
function differenceOfBeginning(seen: Seen, { body }: Message): string | null {
  return seen.body.startsWith(body) ? null : `another body: ${JSON.stringify(seen.body)}`;
}

function differenceOfHead(seen: Seen, { head: { line } }: Message, draft: Draft): string | null {
  if (seen.minorVersion !== line.minorVersion) return "another version";
  if (!isSameList(seen.fields, draft.fields)) return `other fields: ${JSON.stringify(seen.fields)}`;
  if (!isRequest(line)) {
    return seen.status === line.status && seen.reason === line.reason ? null : "another status line";
  }
  if (seen.isUpgrade !== line.isUpgrade) return "another upgrade";
  return seen.method === draft.method && seen.target === draft.target ? null : "another request line";
}

function differenceOf(seen: Seen, message: Message, draft: Draft): string | null {
  const head = differenceOfHead(seen, message, draft);
  if (head !== null) return head;
  if (seen.body !== message.body) return `another body: ${JSON.stringify(seen.body)}`;
  // Those of a message that is still coming are told at its end.
  if (message.end === -1 || isSameList(seen.trailers, draft.trailers)) return null;
  return `other trailers: ${JSON.stringify(seen.trailers)}`;
}

/** Whether both take what comes behind the last message for the beginning of another one, or for nothing. */
function compareFate(
  llhttp: Llhttp,
  kind: Kind,
  behind: string,
  { messages, ending }: Reading,
  { earlyEnds }: Allowed,
): string | null {
  const last = messages.at(-1);
  if (ending === "refused") return null;
  if (last?.head.framing === "close") return ending === "over" ? null : "a connection that has ended is kept";
  const count = llhttp.seen.length;
  llhttp.isBodiless = false;
  if (ending === "over") {
    if (last !== undefined && earlyEnds.some(({ isMet }) => isMet(last))) return null;
    return llhttp.feed(PROBES[kind]) === null ? "llhttp would keep the connection" : null;
  }
  const fault = llhttp.feed(behind === "" ? PROBES[kind] : behind);
  if (fault?.startsWith("HPE_CLOSED_CONNECTION")) return "llhttp would close the connection";
  if (behind !== "")
    return llhttp.seen.length === count ? null : "llhttp has read a head that the codec waits for";
  return fault === null && llhttp.seen.length === count + 1
    ? null
    : `llhttp would read no other message: ${fault}`;
}
