/**
 * Answers: the two kinds of successful answer of the admin API. Refusals are http/problem.ts.
 */
import type { AdminAnswer } from "../../core/admin-call.ts";

/** Indented, for curl; ends with a newline. */
export function jsonAnswer(body: unknown): AdminAnswer {
  return {
    status: 200,
    headers: { "Content-Type": "application/json; charset=utf-8" },
    body: `${JSON.stringify(body, null, 2)}\n`,
  };
}

export function textAnswer(status: number, body: string): AdminAnswer {
  return { status, headers: { "Content-Type": "text/plain; charset=utf-8" }, body };
}
