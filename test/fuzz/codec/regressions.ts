/**
 * Cases that the fuzzer of the codec has found, and borders that it must not lose, each with what is right. They run
 * always, before anything is made up. Data only.
 */
import type { Kind } from "./codec-case.ts";

export interface Regression {
  /** Ends the sentence "the codec …". */
  readonly promise: string;
  readonly kind: Kind;
  readonly text: string;
  readonly methods?: readonly string[];
  /** Messages that are told whole, and how it ends. */
  readonly whole: number;
  readonly ending: "waiting" | "refused" | "over";
}

const H = "Host: h\r\n";
const GET = `GET / HTTP/1.1\r\n${H}\r\n`;
const CHUNKED = `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n`;
const OK = "HTTP/1.1 200 OK\r\n";
const DONE = `${OK}Content-Length: 0\r\n\r\n`;

export const REGRESSIONS: readonly Regression[] = [
  // llhttp refuses them; the codec once took any text for an extension.
  request("refuses a chunk extension without a name", `${CHUNKED}1;\r\na\r\n0\r\n\r\n`, 0, "refused"),
  request("refuses a chunk extension of two words", `${CHUNKED}1;a b\r\na\r\n0\r\n\r\n`, 0, "refused"),
  request(
    "refuses a chunk extension with a value of obs-text",
    `${CHUNKED}1;a=\x80\r\na\r\n0\r\n\r\n`,
    0,
    "refused",
  ),
  request("waits behind a blank in a chunk's size", `${CHUNKED}1\t`, 0, "waiting"),
  request("leaves CONNECT to those behind it", `CONNECT \\ HTTP/1.1\r\n${H}\r\n`, 1, "over"),
  // llhttp reads it as Connection.
  request(
    "takes nothing from Proxy-Connection",
    `GET / HTTP/1.1\r\n${H}Proxy-Connection: close\r\n\r\n${GET}GET / HTTP/1.0\r\nProxy-Connection: keep-alive\r\n\r\n`,
    3,
    "over",
  ),
  request(
    "reads four requests in a row",
    `${GET}${CHUNKED}1\r\na\r\n0\r\n\r\n\r\n${GET}${GET}`,
    4,
    "waiting",
  ),
  request("reads nothing behind close", `GET / HTTP/1.1\r\n${H}Connection: close\r\n\r\n${GET}`, 1, "over"),
  request(
    "waits for the last byte of a body",
    `POST / HTTP/1.1\r\n${H}Content-Length: 2\r\n\r\na`,
    0,
    "waiting",
  ),
  request("refuses a bare LF", `GET / HTTP/1.1\n${H}\r\n`, 0, "refused"),
  request("refuses a folded field", `GET / HTTP/1.1\r\n${H}A: b\r\n c\r\n\r\n`, 0, "refused"),
  answer("reads no body behind HEAD", `${OK}Content-Length: 5\r\n\r\n${DONE}`, 2, "waiting", ["HEAD", "GET"]),
  answer(
    "reads no body behind 204 and 304",
    `HTTP/1.1 204 x\r\n\r\nHTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n${DONE}`,
    3,
    "waiting",
  ),
  answer("reads to the end of the connection", `${OK}\r\nhello\r\n\r\n`, 1, "over"),
  answer(
    "reads the final answer behind interim ones",
    `HTTP/1.1 103 x\r\nContent-Length: 3\r\n\r\n${DONE}`,
    2,
    "waiting",
  ),
  answer("closes behind a 205 that says no length", `HTTP/1.1 205 x\r\n\r\n${DONE}`, 1, "over"),
  answer(
    "closes behind chunks of HTTP/1.0",
    "HTTP/1.0 200 x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    1,
    "over",
  ),
];

function request(promise: string, text: string, whole: number, ending: Regression["ending"]): Regression {
  return { promise, kind: "requests", text, whole, ending };
}

function answer(
  promise: string,
  text: string,
  whole: number,
  ending: Regression["ending"],
  methods?: string[],
): Regression {
  return { promise, kind: "answers", text, whole, ending, ...(methods === undefined ? {} : { methods }) };
}
