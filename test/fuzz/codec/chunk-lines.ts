/** Rewrites the lines of a chunked body, as its sender framed it. Pure. */
import { forwardableTrailers } from "../../../src/data-plane/forward/trailers.ts";

/** A size line without the white space around the separators of its extensions. */
export function withoutBlanks(sizeLine: string): string {
  return sizeLine.replaceAll(/("(?:[^"\\]|\\.)*")|[ \t]+/g, (_, quoted?: string) => quoted ?? "");
}

/** Names the fields otherwise that llhttp acts on in trailers, if they do not travel on. */
export function defused(lines: string): string {
  return lines.replaceAll(
    /^(content-length|transfer-encoding|(?:proxy-)?connection|upgrade)(?=:)/gim,
    (name) => (forwardableTrailers(`${name}: 1\r\n`) === "" ? `x${name.slice(1)}` : name),
  );
}

/** Rewrites the size lines and the trailer section of a chunked body, which may end anywhere. */
export function mapChunks(
  body: string,
  sizeLine: (line: string) => string,
  trailers: (lines: string) => string,
): string {
  let mapped = "";
  let at = 0;
  while (at < body.length) {
    const lineEnd = body.indexOf("\r\n", at);
    if (lineEnd === -1) return mapped + sizeLine(body.slice(at));
    const line = body.slice(at, lineEnd);
    const size = Number.parseInt(line, 16);
    mapped += `${sizeLine(line)}\r\n`;
    at = lineEnd + 2;
    if (size === 0) return mapped + trailers(body.slice(at));
    mapped += body.slice(at, at + size + 2);
    at += size + 2;
  }
  return mapped + body.slice(at);
}
