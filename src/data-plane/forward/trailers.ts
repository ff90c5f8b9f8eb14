/**
 * Which trailer fields may travel to the next hop, in both directions. Pure.
 *
 * A recipient may merge a trailer into the header section, so a field that decides how a message is framed, routed,
 * authenticated or read must not come in behind everybody who has checked the header. What is left out here is
 * left out silently: a trailer is additional by its nature.
 *
 * @see RFC 9110 §6.5.1, §7.6.1
 */

const FORBIDDEN: ReadonlySet<string> = new Set([
  // Framing and routing.
  "content-length",
  "host",
  "transfer-encoding",
  // Modifiers of the request and of the answer.
  "age",
  "cache-control",
  "date",
  "expect",
  "expires",
  "location",
  "max-forwards",
  "pragma",
  "range",
  "retry-after",
  "vary",
  "warning",
  // Who it is.
  "authorization",
  "cookie",
  "set-cookie",
  "www-authenticate",
  // What the body is.
  "content-encoding",
  "content-range",
  "content-type",
  "trailer",
  // For one hop.
  "connection",
  "keep-alive",
  "te",
  "upgrade",
  // Said by proxies: a client that could add them could say who it is.
  "forwarded",
  "via",
  "x-real-ip",
]);

/** All that begin so: conditions, what is between two hops or proxies, what proxies say of the client. */
const FORBIDDEN_PREFIXES = ["if-", "proxy-", "x-forwarded-"];

/**
 * @param raw field lines, "Name: value\r\n…", each well formed, as the decoder of the chunked coding gives them.
 * @param named what the `Connection` fields of the same message list, in lower case: it is for trailers too.
 * @returns the lines that may travel on, byte for byte and in their order; empty when there are none.
 */
export function forwardableTrailers(raw: string, named: ReadonlySet<string> | null = null): string {
  let kept = "";
  let at = 0;
  while (at < raw.length) {
    const lineEnd = raw.indexOf("\r\n", at);
    if (lineEnd === -1) break; // not from the decoder: a line that may not be whole
    const name = raw.slice(at, raw.indexOf(":", at)).toLowerCase();
    if (!isForbidden(name) && !named?.has(name)) kept += raw.slice(at, lineEnd + 2);
    at = lineEnd + 2;
  }
  return kept;
}

function isForbidden(name: string): boolean {
  return FORBIDDEN.has(name) || FORBIDDEN_PREFIXES.some((prefix) => name.startsWith(prefix));
}
