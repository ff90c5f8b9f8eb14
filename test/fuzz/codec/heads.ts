/** What is asked of the heads that were read. Pure. */
import type { Head, RequestLine, StatusLine } from "./reading.ts";

export function isRequest(line: RequestLine | StatusLine): line is RequestLine {
  return "target" in line;
}

/** A 205 that would only end with the connection. */
export function isEndless205({ line, framing, contentLength }: Head): boolean {
  return !isRequest(line) && line.status === 205 && framing === "none" && contentLength === -1;
}

export function valuesOf(fields: readonly string[], name: string): string[] {
  return fields.filter((_, i) => i % 2 === 1 && fields[i - 1]?.toLowerCase() === name);
}
