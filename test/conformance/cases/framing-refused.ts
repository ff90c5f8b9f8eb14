/** Framing of requests that are not as they should be: refused, the connection closed, and nothing reaches the backend. */
import { type Case, get, request } from "../case.ts";

/** Would be answered if the refused request were taken for one that ends somewhere. */
const BEHIND = get("/smuggled");
const HELLO_IN_A_CHUNK = "5\r\nhello\r\n0\r\n\r\n";

type Row = readonly [what: string, bytes: string, source: string];

const LENGTHS: readonly Row[] = [
  ["a negative", "-1", "RFC 9110 §8.6; Http11Probe"],
  ["a signed", "+5", "CVE-2023-40167 (Jetty), CVE-2021-32715 (hyper)"],
  ["a hexadecimal", "0x5", "CVE-2022-24801 (Twisted), CVE-2022-24761 (waitress)"],
  ["an octal", "0o5", "Http11Probe"],
  ["a broken", "5.0", "RFC 9110 §8.6"],
  ["an underscored", "1_0", "languages whose numbers may hold _; http-garden"],
  ["a spaced", "1 0", "CVE-2018-7159 (Node.js)"],
  ["a quoted", '"5"', "RFC 9110 §8.6"],
  ["an empty", "", "CVE-2023-40225 (HAProxy), CVE-2023-40175 (Puma)"],
  ["a superscript", "\xb2", "isdigit() of a locale; http-garden"],
  ["a 2^64 + 5 of a", "18446744073709551621", "RFC 9110 §8.6: overflow"],
  ["a forty digit", "9".repeat(40), "RFC 9110 §8.6: overflow"],
  ["a vertical-tabbed", "\x0b5", "RFC 9112 §5: OWS"],
  ["a NUL-terminated", "5\x00", "CVE-2019-9900 (Envoy)"],
  ["a list of different values as", "5, 6", "RFC 9112 §6.3, rule 5"],
];

const CODINGS: readonly Row[] = [
  ["xchunked", "Transfer-Encoding: xchunked", "Kettle 2019: TE.TE"],
  ["identity", "Transfer-Encoding: identity", "CVE-2021-33037 (Tomcat)"],
  ["no coding at all", "Transfer-Encoding:", "Http11Probe"],
  ["gzip alone", "Transfer-Encoding: gzip", "RFC 9112 §6.3, rule 4: chunked is not the last"],
  ["chunked before identity", "Transfer-Encoding: chunked, identity", "CVE-2022-32213 (Node.js)"],
  ["identity before chunked", "Transfer-Encoding: identity, chunked", "CVE-2019-16786 (waitress)"],
  ["chunked twice", "Transfer-Encoding: chunked, chunked", "RFC 9112 §6.1: not more than once"],
  [
    "chunked in two fields",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "RFC 9112 §6.1: not more than once",
  ],
  [
    "chunked and identity in two fields",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "CVE-2020-8287 (Node.js)",
  ],
  ["chunked in quotes", 'Transfer-Encoding: "chunked"', "Kettle 2019: TE.TE"],
  ["chunked with a parameter", "Transfer-Encoding: chunked;q=1", "RFC 9112 §7: it has none"],
  ["a vertical tab before chunked", "Transfer-Encoding: \x0bchunked", "CVE-2019-16789 (waitress)"],
  ["a form feed behind chunked", "Transfer-Encoding: chunked\x0c", "Http11Probe"],
  ["a NUL behind chunked", "Transfer-Encoding: chunked\x00", "Http11Probe"],
  ["chunked with the Kelvin sign for a k", "Transfer-Encoding: chun\xe2\x84\xaaed", "Unicode's lower case"],
];

const FIELDS: readonly Row[] = [
  ["a space before the colon of Content-Length", "Content-Length : 5", "RFC 9112 §5.1; CVE-2019-16276 (Go)"],
  [
    "a space before the colon of Transfer-Encoding",
    "Transfer-Encoding : chunked",
    "RFC 9112 §5.1; CVE-2021-22959 (Node.js)",
  ],
  ["a tab before a colon", "X-A\t: 1", "RFC 9112 §5.1"],
  ["a CR without LF before the next name", `\rX-A: 1`, "CVE-2025-23167 (llhttp)"],
];

const REQUEST_LINES: readonly Row[] = [
  ["a method that is no token", "G{T / HTTP/1.1", "RFC 9110 §9.1"],
  ["a NUL in its target", "GET /a\x00b HTTP/1.1", "RFC 9112 §3.2; Http11Probe"],
  ["a control character in its target", "GET /a\x01b HTTP/1.1", "RFC 9112 §3.2"],
  ["letters behind its version", "GET / HTTP/1.1x", "RFC 9112 §2.3"],
  ["a lower-case version", "GET / http/1.1", "RFC 9112 §2.3: case-sensitive"],
  ["version 1.10", "GET / HTTP/1.10", "RFC 9112 §2.3: one digit"],
  ["no target", "GET HTTP/1.1", "RFC 9112 §3"],
];

const UNPROCESSABLE = 422;
const NOT_IMPLEMENTED = 501; // RFC 9112 §6.1: for a coding that it does not understand
const TOO_LARGE = 413;
const UNKNOWN_VERSION = 505;

export const framingRefused: readonly Case[] = [
  ...LENGTHS.map(([what, value, source]): Case => {
    return refusedCase(
      `${what} Content-Length`,
      source,
      request("POST /", [`Content-Length: ${value}`], `hello${BEHIND}`),
      [400, TOO_LARGE],
    );
  }),
  refusedCase(
    "a shorter Content-Length behind a longer one",
    "RFC 9112 §6.3, rule 5",
    request("POST /", [`Content-Length: ${5 + BEHIND.length}`, "Content-Length: 5"], `hello${BEHIND}`),
    [400],
  ),
  refusedCase(
    "a longer Content-Length behind a shorter one",
    "RFC 9112 §6.3, rule 5; CVE-2019-20445 (Netty)",
    request("POST /", ["Content-Length: 5", `Content-Length: ${5 + BEHIND.length}`], `hello${BEHIND}`),
    [400],
  ),
  ...CODINGS.map(([what, field, source]): Case => {
    const bytes = request("POST /", [field], HELLO_IN_A_CHUNK + BEHIND);
    return refusedCase(`a Transfer-Encoding of ${what}`, source, bytes, [
      400,
      UNPROCESSABLE,
      NOT_IMPLEMENTED,
    ]);
  }),
  ...FIELDS.map(([what, field, source]): Case => {
    return refusedCase(`a field with ${what}`, source, request("POST /", [field], BEHIND), [400]);
  }),
  ...REQUEST_LINES.map(([what, line, source]): Case => {
    const bytes = `${line}\r\nHost: h\r\n\r\n${BEHIND}`;
    return refusedCase(`a request line with ${what}`, source, bytes, [400, UNKNOWN_VERSION]);
  }),
];

function refusedCase(what: string, source: string, bytes: string, statuses: readonly number[]): Case {
  return {
    promise: "framing",
    says: `${what} is refused, and what stands behind it is no request`,
    source,
    run: async ({ refused }) => {
      await refused(bytes, statuses);
    },
  };
}
