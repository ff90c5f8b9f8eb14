/**
 * Max-Forwards: how many more proxies an OPTIONS or TRACE may pass (RFC 9110 §7.6.2). At 0 we are the last, and answer. Pure.
 */
import { type Fields, Kind } from "../../wire/fields.ts";
import type { RequestHead } from "../../wire/request-head.ts";

/** Not to be shown to whoever reads a TRACE (RFC 9110 §9.3.8). */
const SECRET = /^(?:authorization|proxy-authorization|cookie)$/i;

/** The 200 of the last one. */
export interface LastAnswer {
  /** Name, value, … */
  readonly fields: readonly string[];
  readonly body: Buffer;
}

/** @returns null: the request goes on. */
export function answerAsLast({ method, target, minorVersion, fields }: RequestHead): LastAnswer | null {
  if (!isCounted(method, fields) || left(fields) !== 0) return null;
  if (method === "OPTIONS") return { fields: [], body: Buffer.alloc(0) };
  let body = `${method} ${target} HTTP/1.${minorVersion}\r\n`;
  for (let i = 0; i < fields.count; i++) {
    if (!SECRET.test(fields.name(i))) body += `${fields.name(i)}: ${fields.value(i)}\r\n`;
  }
  return { fields: ["Content-Type", "message/http"], body: Buffer.from(`${body}\r\n`, "latin1") };
}

/** What the next one may still count; null: it is none of our business, and passes as it came. */
export function nextMaxForwards(method: string, fields: Fields): number | null {
  if (!isCounted(method, fields)) return null;
  const count = left(fields);
  return count === null ? null : count - 1;
}

function isCounted(method: string, fields: Fields): boolean {
  return fields.has(Kind.MAX_FORWARDS) && (method === "OPTIONS" || method === "TRACE");
}

/** null: no number that we could count down. */
function left(fields: Fields): number | null {
  const value = fields.joined(Kind.MAX_FORWARDS);
  return /^\d{1,9}$/.test(value) ? Number(value) : null;
}
