/** uri-host with an optional port: what `Host` and the authority of a target may be (RFC 9110 §7.2, RFC 3986 §3.2.2). */
import { COLON } from "./octets.ts";

/** 1 for what may stand in a registered name or an IPv4 address. */
const IS_NAME = Uint8Array.from({ length: 256 }, (_, octet) =>
  /[-A-Za-z0-9._~%!$&'()*+,;=]/.test(String.fromCharCode(octet)) ? 1 : 0,
);
const BRACKET = 0x5b;
const IN_BRACKETS = /^\[[0-9A-Fa-fv:.]+\]/;
const MOST_DIGITS = 5;

/** Strict, since another reader could take what is no host for two values or for a path. Empty is one: a target may have no host. */
export function isHost(text: string): boolean {
  const end = text.charCodeAt(0) === BRACKET ? (IN_BRACKETS.exec(text)?.[0].length ?? 0) : nameEnd(text);
  return end === text.length || isPort(text, end);
}

function nameEnd(text: string): number {
  let at = 0;
  while (at < text.length && IS_NAME[text.charCodeAt(at)] === 1) at++;
  return at;
}

/** A colon, and digits that may all be missing. */
function isPort(text: string, start: number): boolean {
  if (text.charCodeAt(start) !== COLON || text.length - start - 1 > MOST_DIGITS) return false;
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x30 || code > 0x39) return false;
  }
  return true;
}
