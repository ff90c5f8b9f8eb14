/** A failure as one line of a table. Pure. */
import { AssertionError } from "node:assert/strict";
import { inspect } from "node:util";

const MAX_SEEN = 300;

/** What was seen instead of what, or the message: a stack says nothing about the proxy. */
export function inOneLine(error: unknown): string {
  const line = textOf(error).replace(/\s+/g, " ").trim();
  return line.length > MAX_SEEN ? `${line.slice(0, MAX_SEEN)}…` : line;
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isComparison = error instanceof AssertionError && /equal/i.test(error.operator);
  if (!isComparison) return error.message;
  const seen = `${inspect(error.actual, COMPACT)} instead of ${inspect(error.expected, COMPACT)}`;
  // Node writes its own comparison below the first line.
  return error.generatedMessage ? seen : `${error.message.split("\n")[0]}: ${seen}`;
}

const COMPACT = { breakLength: Number.POSITIVE_INFINITY, depth: 4, maxStringLength: 100 };
