/**
 * The words that backends' answers are made of: each table once with what is plainly right, once with what is rare or
 * wrong in a way that parsers disagree on. Data only.
 */
import { MARK } from "./wire-case.ts";

/** What must never be taken for the answer to the next request. */
const BAIT = `HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Bait: ${MARK}\r\n\r\npoison`;

export const STATUS_LINES = [
  "HTTP/1.1 200 OK",
  "HTTP/1.1 201 Made it",
  "HTTP/1.1 204 No Content",
  "HTTP/1.1 304 Not Modified",
  "HTTP/1.1 404 ",
  "HTTP/1.1 500 \xc4rger",
  "HTTP/1.1 299 (a; b)",
];
export const ODD_STATUS_LINES = [
  "HTTP/1.0 200 OK",
  "HTTP/1.1 200",
  "HTTP/1.1 205 Reset Content",
  "HTTP/1.1 101 Switching Protocols",
  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo",
  "HTTP/1.1 999 x",
  "HTTP/1.1 600 x",
  "HTTP/2.0 200 OK",
  "HTTP/1.2 200 OK",
  "HTTP/1.1 20 OK",
  "HTTP/1.1 2000 OK",
  "HTTP/1.1 099 OK",
  "HTTP/1.1 -20 OK",
  "HTTP/1.1 abc OK",
  "HTTP/1.1  200 OK",
  "HTTP/1.1\t200 OK",
  "HTTP/1.1200 OK",
  "http/1.1 200 OK",
  "ICY 200 OK",
  "200 OK",
  "",
  " HTTP/1.1 200 OK",
  "HTTP/1.1 200 a\0b",
  "HTTP/1.1 200 a\rb",
  "HTTP/1.1 200 a\nb",
  "HTTP/1.1 200 \x7f",
  "GET / HTTP/1.1",
];
export const INTERIM = [
  "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
  "HTTP/1.1 102 Processing\r\n\r\n",
  "HTTP/1.1 100 Continue\r\n\r\n",
];
export const ODD_INTERIM = [
  "HTTP/1.1 103 Early\r\nContent-Length: 5\r\n\r\n",
  "HTTP/1.1 103 Early\r\nTransfer-Encoding: chunked\r\n\r\n",
  "HTTP/1.1 199 x\r\n\r\n",
  "HTTP/1.0 100 Continue\r\n\r\n",
  "HTTP/1.1 103 a\n\n",
  "HTTP/1.1 103 Early\r\nX : y\r\n\r\n",
  "HTTP/1.1 103 Early\r\nConnection: close\r\n\r\n",
  "\r\n",
  "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(200),
];
export const FIELDS = [
  `X-Mark: ${MARK}`,
  "Content-Type: text/plain; charset=utf-8",
  "Set-Cookie: a=b; Path=/",
  "set-COOKIE: c=d",
  "Date: Mon, 01 Jan 2024 00:00:00 GMT",
  "Server: s/1",
  'ETag: "x"',
  "X-Empty:",
  "X-Wide: \t v w \t",
  "X-Latin: \xe4\xff",
  "Connection: x-hop",
  "X-Hop: 1",
  "Keep-Alive: timeout=5",
  "Connection: keep-alive",
  "Content-Encoding: gzip",
  "Via: 1.1 inner",
  "Location: /a b",
  "X-Twice: 1",
  "X-Twice: 2",
  `X-Bait: ${BAIT.slice(0, 15)}`,
];
export const ODD_FIELDS = [
  "Connection: close",
  "Connection: content-length",
  "Connection: transfer-encoding",
  "Connection: Upgrade\r\nUpgrade: echo",
  "Upgrade: h2c",
  "Trailer: X-Check",
  "X Space: 1",
  "X-Before : 1",
  "X-Fold: 1\r\n 2",
  " X-First: 1",
  "X-Nul: a\0b",
  "X-Cr: a\rb",
  "X-Lf: a\nb",
  `X-Split: a\r\n\r\n${BAIT}`,
  `X-Split: a\n\n${BAIT}`,
  ": nameless",
  "colonless",
  "X-\xfc: 1",
  "X-Del: \x7f",
  `X-Long: ${"y".repeat(70_000)}`,
  "X-Many: 1\r\n".repeat(1_200).trimEnd(),
  "Content-Length: 5",
  "Content-Length: 6",
  "Content-Length: 5, 5",
  "Content-Length: 5, 6",
  "Content-Length: +5",
  "Content-Length: -5",
  "Content-Length: 0x5",
  "Content-Length:",
  "Content-Length: 99999999999999999999",
  "Content-Length : 5",
  "Content-Length: 5 5",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: xchunked",
  "Transfer-Encoding: gzip, chunked",
  "Transfer-Encoding: chunked, gzip",
  "Transfer-Encoding: identity",
  "Transfer-Encoding:\x0bchunked",
  "Transfer-Encoding : chunked",
  "Transfer-Encoding: chunked, chunked",
  "Transfer-Encoding:",
];
export const BODIES = ["", "a", "hello", BAIT, "\r\n\r\n", "\0\xff\n", "x".repeat(300)];
export const TRAILERS = ["X-Check: abc", `X-Bait: ${MARK}`];
export const ODD_TRAILERS = [
  "Content-Length: 5",
  "Set-Cookie: a=b",
  "X-Before : 1",
  " folded",
  "colonless",
  "X-Lf: a\nb",
];
export const EXTENSIONS = ["", "", ";a=b"];
export const ODD_EXTENSIONS = [" ", ";\n", ";a\rb", "\n", "x", `;${"e".repeat(20_000)}`];
export const LEFTOVERS = [
  BAIT,
  "HTTP/1.1 200 OK\r\n",
  "x",
  "\r\n",
  "\0",
  "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",
];
