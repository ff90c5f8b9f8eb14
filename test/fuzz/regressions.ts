/**
 * Cases that a fuzzer has found, on this daemon or on another proxy, each with the promise it is about. They run
 * always, alone and before anything is made up. Data only.
 */
import type { Direction } from "./campaign.ts";
import { BAIT } from "./request-words.ts";
import { MARK, type WireCase } from "./wire-case.ts";

export interface Regression {
  /** Ends the sentence "a proxy …". */
  readonly promise: string;
  readonly direction: Direction;
  readonly wireCase: WireCase;
}

const H = "Host: h\r\n";
const GET = `GET /${MARK} HTTP/1.1\r\n${H}\r\n`;
const CHUNKED = `POST /${MARK} HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n`;
const OK = "HTTP/1.1 200 OK\r\n";

export const REGRESSIONS: readonly Regression[] = [
  sends("passes trailers on", `${CHUNKED}5\r\nhello\r\n0\r\nX-Check: abc\r\n\r\n`, { isSound: true }),
  sends(
    "passes Expect on, and the 100 back",
    `POST /${MARK} HTTP/1.1\r\n${H}Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello`,
    { isSound: true },
  ),
  sends("refuses a bare CR before a request", `\r${GET}`),
  sends("refuses two spaces in a request line", `GET  /${MARK} HTTP/1.1\r\n${H}\r\n`),
  sends("serves nothing behind a request that it has refused", `GET * HTTP/1.1\r\n${H}\r\n${GET}`),
  sends("serves nothing behind a request with two Hosts", `GET / HTTP/1.1\r\n${H}${H}\r\n${GET}`),
  sends("serves nothing behind Connection: close", `GET / HTTP/1.1\r\n${H}Connection: close\r\n\r\n${GET}`),
  sends(
    "closes the connection of an upload that has stopped",
    `POST /${MARK} HTTP/1.1\r\n${H}Content-Length: 6\r\n\r\nhello`,
  ),
  sends("closes the connection of chunks that have stopped", `${CHUNKED}5\r\nhello\r\n0\r\nX-Check: a\r`),
  sends(
    "gives no body to a HEAD whose chunks it refuses",
    `HEAD /${MARK} HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n`,
  ),
  sends(
    "refuses an empty Transfer-Encoding beside another",
    `POST /${MARK} HTTP/1.1\r\n${H}Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ),
  sends(
    "refuses both framings, however the body is written",
    `POST /${MARK} HTTP/1.1\r\n${H}Content-Length: ${BAIT.length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${BAIT}`,
  ),
  sends("refuses a bare LF in a chunk extension", `${CHUNKED}5;\n${BAIT}\r\nhello\r\n0\r\n\r\n`),
  sends(
    "takes nothing in a quoted extension for a line",
    `${CHUNKED}5;a="\r\n${BAIT}"\r\nhello\r\n0\r\n\r\n`,
  ),
  // 0xa0 is white space to String.trim(), and to nobody in HTTP.
  sends(
    "takes 0xa0 before a name in Connection for a part of that name",
    `GET / HTTP/1.1\r\n${H}Connection: \xa0x-mark\r\nX-Mark: ${MARK}\r\n\r\n`,
  ),
  sends(
    "refuses a request without Host, the last one of Max-Forwards too",
    `TRACE /${MARK} HTTP/1.1\r\nMax-Forwards: 0\r\n\r\n`,
  ),
  sends(
    "may answer as the last one of Max-Forwards before a body that is none",
    `OPTIONS /${MARK} HTTP/1.1\r\n${H}Max-Forwards: 0\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n`,
  ),
  sends("serves a client no more that has reset", GET, { end: "reset" }),

  says("passes 103 on", `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}Content-Length: 0\r\n\r\n`, {
    isSound: true,
  }),
  says(
    "survives a 100 that nobody has asked for",
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n`,
    { isSound: true },
  ),
  says(
    "passes trailers back",
    `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Check: abc\r\n\r\n`,
    { isSound: true },
  ),
  // Its reason phrase once ended the worker: node:http throws on it.
  says(
    "survives a control character in a reason phrase",
    "HTTP/1.1 200 a\x7fb\r\nContent-Length: 5\r\n\r\nhe",
  ),
  says("survives a NUL in a reason phrase", "HTTP/1.1 200 a\0b\r\nContent-Length: 5\r\n\r\nhe"),
  says(
    "takes nothing behind an answer for another",
    `${OK}Content-Length: 0\r\n\r\n${OK}Content-Length: 6\r\n\r\npoison`,
  ),
  says("takes nothing behind an answer to HEAD for another", `${OK}Content-Length: 6\r\n\r\npoison`, {
    ask: "HEAD",
  }),
  says("ends a 205 with its head", "HTTP/1.1 205 Reset Content\r\nContent-Length: 1\r\n\r\n"),
  says(
    "takes white space before a colon out of an answer",
    `HTTP/1.1 103 Early\r\nX : y\r\n\r\n${OK}Content-Length: 0\r\n\r\n`,
  ),
  says(
    "refuses an empty Transfer-Encoding in an answer beside another",
    `${OK}Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ),
  says(
    "refuses a 101 that nobody has asked for",
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n${OK}\r\n`,
  ),
  says("breaks an answer of HTTP/1.0 that was broken off", `${OK}\r\nhello`, {
    ask: "HTTP/1.0",
    end: "reset",
  }),
];

type Rest = Partial<Omit<WireCase, "pieces">>;

function sends(promise: string, text: string, rest: Rest = {}): Regression {
  return {
    promise,
    direction: "requests",
    wireCase: { pieces: [text], end: "keep", isSound: false, ...rest },
  };
}

function says(promise: string, text: string, rest: Rest = {}): Regression {
  const wireCase = { ask: "GET", pieces: [text], end: "keep", isSound: false, ...rest } as const;
  return { promise, direction: "answers", wireCase };
}
