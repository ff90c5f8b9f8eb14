/** One case: what one side of a connection sends until it ends its side. */
import { AnswerReader } from "./answer-reader.ts";
import type { KnownHeads, Reading } from "./reading.ts";
import { RequestReader } from "./request-reader.ts";

export const KINDS = ["requests", "answers"] as const;
export type Kind = (typeof KINDS)[number];

export interface CodecCase {
  readonly kind: Kind;
  /** One character for each byte. */
  readonly text: string;
  /** Of answers: the methods of the requests. */
  readonly methods: readonly string[];
  /** Every part of it is plainly right: the codec must take all of it. */
  readonly isSound: boolean;
}

/** @returns what the codec reads when the bytes come in these pieces. */
export function readWithCodec(
  { kind, methods }: CodecCase,
  pieces: readonly Buffer[],
  known: KnownHeads = new Map(),
): Reading {
  if (kind === "requests") {
    const reader = new RequestReader(known);
    for (const piece of pieces) reader.feed(piece);
    return reader;
  }
  const reader = new AnswerReader(known, methods);
  for (const piece of pieces) reader.feed(piece);
  reader.end();
  return reader;
}

/** In ASCII, so that it stands in single quotes on a command line. */
export function formatCase({ kind, text, methods }: CodecCase): string {
  const json = JSON.stringify({ kind, text, ...(methods.length > 0 ? { methods } : {}) });
  return json.replace(/[\x7f-\uffff']/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** @throws TypeError when it is none. */
export function parseCase(json: string): CodecCase {
  const { kind, text, methods = [] } = JSON.parse(json) as Partial<CodecCase>;
  const isKind = KINDS.find((one) => one === kind);
  if (isKind === undefined || typeof text !== "string" || !Array.isArray(methods)) {
    throw new TypeError('a case is {"kind": "requests" or "answers", "text": "…", "methods": ["GET", …]}');
  }
  return { kind: isKind, text, methods, isSound: false };
}
