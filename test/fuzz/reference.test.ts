/** The strict reference by which the fuzzers judge, case by case: it decides, so it has to be right itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { answerCase } from "./answer-grammar.ts";
import { readAnswer } from "./reference/answers.ts";
import { answerDifference, requestDifference } from "./reference/fidelity.ts";
import { type RequestMessage, readRequests } from "./reference/requests.ts";
import { requestCase } from "./request-grammar.ts";
import { cutInto, endsOf, formatCase, MARK, markOf, parseCase, withMark } from "./wire-case.ts";

const H = "Host: h\r\n";
const read = (text: string) => readRequests(text, { emptyLines: true });

const WHOLE: Readonly<Record<string, { text: string; body?: string; trailers?: string[] }>> = {
  "without a body": { text: `GET / HTTP/1.1\r\n${H}\r\n` },
  "behind empty lines": { text: `\r\n\r\nGET / HTTP/1.1\r\n${H}\r\n` },
  "of HTTP/1.0 without a Host": { text: "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" },
  "with an unknown method": { text: `brew /pot HTTP/1.1\r\n${H}\r\n` },
  "with raw bytes in its target": { text: `GET /\xc3\xbc HTTP/1.1\r\n${H}\r\n` },
  "with an absolute target": { text: `GET http://h:80?a HTTP/1.1\r\n${H}\r\n` },
  "with an asterisk": { text: `OPTIONS * HTTP/1.1\r\n${H}\r\n` },
  "with a length": { text: `POST / HTTP/1.1\r\n${H}Content-Length: 005\r\n\r\nhello`, body: "hello" },
  "with chunks": {
    text: `POST / HTTP/1.1\r\n${H}Transfer-Encoding: CHUNKED\r\n\r\n2;a="b"\r\nhe\r\n003 ;x\r\nllo\r\n0\r\nA: 1\r\nB:2\r\n\r\n`,
    body: "hello",
    trailers: ["A", "B"],
  },
};

for (const [what, { text, body = "", trailers = [] }] of Object.entries(WHOLE)) {
  test(`a request ${what} is read whole, and at no place before its end`, () => {
    const { whole, rest, end } = read(text);
    assert.deepEqual([whole.length, rest, end], [1, "nothing", text.length]);
    assert.equal(whole[0]?.body, body);
    assert.deepEqual(
      whole[0]?.trailers.map(({ name }) => name),
      trailers,
    );
    for (let cut = 1; cut < text.length; cut++) {
      const part = read(text.slice(0, cut));
      assert.equal(part.whole.length, 0, JSON.stringify(text.slice(0, cut)));
      assert.notEqual(part.rest, "malformed", JSON.stringify(text.slice(0, cut)));
    }
  });
}

const MALFORMED: Readonly<Record<string, string>> = {
  "both framings": `POST / HTTP/1.1\r\n${H}Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n`,
  "two equal lengths": `POST / HTTP/1.1\r\n${H}Content-Length: 0\r\nContent-Length: 0\r\n\r\n`,
  "a list of lengths": `POST / HTTP/1.1\r\n${H}Content-Length: 0, 0\r\n\r\n`,
  "a signed length": `POST / HTTP/1.1\r\n${H}Content-Length: +0\r\n\r\n`,
  "a length past 2^53": `POST / HTTP/1.1\r\n${H}Content-Length: 9007199254740992\r\n\r\n`,
  "two codings": `POST / HTTP/1.1\r\n${H}Transfer-Encoding: gzip, chunked\r\n\r\n`,
  "two fields of codings": `POST / HTTP/1.1\r\n${H}Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n\r\n`,
  "a coding in HTTP/1.0": `POST / HTTP/1.0\r\n${H}Transfer-Encoding: chunked\r\n\r\n`,
  "a bare LF": `GET / HTTP/1.1\n${H}\r\n`,
  "a bare CR": `GET / HTTP/1.1\r\n${H}X: a\rb\r\n\r\n`,
  "a NUL": `GET / HTTP/1.1\r\n${H}X: a\0b\r\n\r\n`,
  "a folded field": `GET / HTTP/1.1\r\n${H}X: a\r\n b\r\n\r\n`,
  "a space before a colon": `GET / HTTP/1.1\r\n${H}X : a\r\n\r\n`,
  "no Host": "GET / HTTP/1.1\r\n\r\n",
  "two Hosts": `GET / HTTP/1.1\r\n${H}${H}\r\n`,
  "a Host with a path": "GET / HTTP/1.1\r\nHost: h/x\r\n\r\n",
  "userinfo in its target": `GET http://u@h/ HTTP/1.1\r\n${H}\r\n`,
  "the method CONNECT": "CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n",
  "two spaces in its first line": `GET  / HTTP/1.1\r\n${H}\r\n`,
  "a chunk size with 0x": `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n0x1\r\n`,
  "a space behind a chunk size": `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n1 \r\n`,
  "a chunk that is longer than its size": `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n1\r\nab`,
  "an extension without a name": `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n1;\r\na\r\n0\r\n\r\n`,
  "a bare LF in an extension": `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n1;a\n`,
  "a folded trailer": `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n0\r\nA: 1\r\n b\r\n`,
};

for (const [what, text] of Object.entries(MALFORMED)) {
  test(`a request with ${what} is malformed, and so is all behind it`, () => {
    const { whole, rest } = read(`GET /first HTTP/1.1\r\n${H}\r\n${text}GET /behind HTTP/1.1\r\n${H}\r\n`);
    assert.deepEqual([whole.map(({ target }) => target), rest], [["/first"], "malformed"]);
  });
}

test("nothing counts behind a request that says close, or one of HTTP/1.0 that does not say keep-alive", () => {
  for (const text of [`GET / HTTP/1.1\r\n${H}connection: x, Close\r\n\r\n`, "GET / HTTP/1.0\r\n\r\n"]) {
    const { whole, rest } = read(`${text}GET / HTTP/1.1\r\n${H}\r\n`);
    assert.deepEqual([whole.length, rest], [1, "over"]);
  }
});

type Ending = { isClosed?: boolean; method?: string };
const answer = (text: string, { isClosed = false, method = "GET" }: Ending = {}) =>
  readAnswer(text, 0, { method, isClosed });

test("an answer ends with its length, its last chunk, its head or its connection, as RFC 9112 has it", () => {
  const cases: readonly (readonly [text: string, framing: string, body: string, ending?: Ending])[] = [
    ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP", "length", "ok"],
    [
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: 1\r\n\r\nHTTP",
      "chunked",
      "ok",
    ],
    ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "chunked", ""],
    ["HTTP/1.1 204 \r\n\r\nHTTP", "none", ""],
    ["HTTP/1.1 304\r\nContent-Length: 9\r\n\r\nHTTP", "none", ""],
    ["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP", "none", "", { method: "HEAD" }],
    ["HTTP/1.0 200 OK\r\n\r\nok", "close", "ok", { isClosed: true }],
    [
      "HTTP/1.1 100 \r\n\r\nHTTP/1.1 103 a\r\nX : y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
      "length",
      "ok",
    ],
  ];
  for (const [text, framing, body, ending] of cases) {
    const { kind, answer: got } = answer(text, ending);
    assert.deepEqual([kind, got?.framing, got?.body], ["whole", framing, body], text);
  }
  assert.equal(answer("HTTP/1.1 200 OK\r\n\r\nok").kind, "incomplete");
  assert.equal(
    answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", { isClosed: true }).kind,
    "incomplete",
  );
});

test("an answer is malformed with a bad status line, lengths that differ, other codings, bare line ends", () => {
  for (const text of [
    "HTTP/2.0 200 OK\r\n",
    "HTTP/1.1 20 OK\r\n",
    "HTTP/1.1  200 OK\r\n",
    "HTTP/1.1 200 a\0b\r\n",
    "HTTP/1.1 200 OK\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
    "HTTP/1.1 103 a\r\nX: a\nb\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
  ]) {
    assert.equal(answer(text).kind, "malformed", JSON.stringify(text));
  }
});

function first(text: string): RequestMessage {
  const [request] = read(text).whole;
  assert.ok(request);
  return request;
}

test("what a proxy changes in a request is no difference, everything else is one", () => {
  const sent = first(
    "GET http://h?a HTTP/1.1\r\nHost: x\r\nA: 1\r\nConnection: b\r\nB: 2\r\nTE: trailers\r\n\r\n",
  );
  const added = "X-Forwarded-For: 1.2.3.4\r\nVia: 1.1 p\r\n";
  assert.equal(requestDifference(sent, first(`GET /?a HTTP/1.1\r\nHost: h\r\nA: 1\r\n${added}\r\n`)), null);
  for (const other of [
    `GET /?A HTTP/1.1\r\nHost: h\r\nA: 1\r\n\r\n`,
    `PUT /?a HTTP/1.1\r\nHost: h\r\nA: 1\r\n\r\n`,
    `GET /?a HTTP/1.1\r\nHost: x\r\nA: 1\r\n\r\n`,
    `GET /?a HTTP/1.1\r\nHost: h\r\na: 1\r\n\r\n`,
    `GET /?a HTTP/1.1\r\nHost: h\r\nA: 1\r\nC: 1\r\n\r\n`,
    `GET /?a HTTP/1.1\r\nHost: h\r\nA: 1\r\nContent-Length: 1\r\n\r\nb`,
  ]) {
    assert.notEqual(requestDifference(sent, first(other)), null, other);
  }
});

test("what a proxy changes in an answer is no difference, everything else is one", () => {
  const given = (text: string) => {
    const { answer: message } = answer(text, { isClosed: true });
    assert.ok(message);
    return message;
  };
  const said = given("HTTP/1.1 103 a\r\nL: 1\r\n\r\nHTTP/1.0 200 Fine\r\nA: 1\r\nKeep-Alive: x\r\n\r\nok");
  const got = (reason: string, field: string, body: string): string =>
    `HTTP/1.1 103 a\r\nL: 1\r\n\r\nHTTP/1.1 200 ${reason}\r\n${field}\r\nDate: now\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  assert.equal(answerDifference(said, given(got("Fine", "A: 1", "ok")), false), null);
  for (const [reason, field, body] of [
    ["OK", "A: 1", "ok"],
    ["Fine", "A: 2", "ok"],
    ["Fine", "A: 1\r\nB: 1", "ok"],
    ["Fine", "A: 1", "o"],
  ] as const) {
    assert.notEqual(answerDifference(said, given(got(reason, field, body)), false), null);
  }
  const withoutInterim = got("Fine", "A: 1", "ok").replace(/^.*?\r\n\r\n/s, "");
  assert.notEqual(answerDifference(said, given(withoutInterim), false), null);
  assert.equal(answerDifference(said, given(withoutInterim), true), null);
});

test("sound cases are whole for the reference, and odd ones are of every kind", async () => {
  const kinds = new Set<string>();
  await fc.assert(
    fc.property(requestCase, ({ pieces, isSound }) => {
      const { rest } = read(pieces.join(""));
      kinds.add(`requests ${rest}`);
      return !isSound || rest === "nothing";
    }),
    { numRuns: 2_000 },
  );
  await fc.assert(
    fc.property(answerCase, ({ ask, pieces, end, isSound }) => {
      const method = ask === "HEAD" ? "HEAD" : "GET";
      const { kind } = answer(pieces.join(""), { method, isClosed: end === "fin" });
      kinds.add(`answers ${kind}`);
      return !isSound || kind === "whole";
    }),
    { numRuns: 2_000 },
  );
  assert.deepEqual([...kinds].sort(), [
    "answers incomplete",
    "answers malformed",
    "answers whole",
    "requests incomplete",
    "requests malformed",
    "requests nothing",
    "requests over",
  ]);
});

test("a case is cut, marked, written and read again without loss", () => {
  const pieces = cutInto(`a${MARK}b`, [4, 1, 100, 4]);
  assert.equal(pieces.join(""), `a${MARK}b`);
  assert.ok(pieces.length > 2);
  const marked = withMark(pieces, 7);
  assert.equal(marked.join(""), `a${markOf(7)}b`);
  assert.deepEqual(endsOf(marked), endsOf(pieces));
  const wireCase = { ask: "HEAD", pieces: ["'\xff\0", "\r\n"], end: "fin", isSound: false } as const;
  const text = formatCase(wireCase);
  assert.match(text, /^[ -&(-~]+$/);
  assert.deepEqual(parseCase(text), wireCase);
});
