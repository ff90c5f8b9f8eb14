/**
 * An answer's head: what is one, how its body ends, and whether the connection lives on.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readAnswerHead } from "../../../src/wire/answer-head.ts";
import { Fields } from "../../../src/wire/fields.ts";
import { NO_LENGTH } from "../../../src/wire/framing.ts";
import { answerHead, linesOf } from "../../support/heads.ts";

const BAD_LINE = "its status line is not valid";
const OK = "HTTP/1.1 200 OK";

function faultOf(start: string, ...fields: string[]): string {
  const head = readAnswerHead(`${start}\r\n${linesOf(fields)}`, new Fields(), 100, "GET");
  if (!("fault" in head)) return "none";
  return head.fault;
}

test("status, reason and fields are read as they came", () => {
  const head = answerHead("HTTP/1.1 404 N\xf6t  there\t", ["set-Cookie: a", "SET-cookie: b", "E:"]);
  assert.deepEqual([head.minorVersion, head.status, head.reason], [1, 404, "N\xf6t  there\t"]);
  assert.deepEqual(head.fields.toList(), ["set-Cookie", "a", "SET-cookie", "b", "E", ""]);
});

test("a reason may be empty, and the space before it may lack", () => {
  assert.equal(answerHead("HTTP/1.1 200 ", []).reason, "");
  assert.equal(answerHead("HTTP/1.0 200", []).reason, "");
});

test("every status of three digits from 100 on is one", () => {
  for (const status of [100, 103, 199, 200, 299, 418, 599, 600, 999]) {
    assert.equal(answerHead(`HTTP/1.1 ${status} x`, []).status, status);
  }
});

for (const [what, line] of [
  ["nothing", ""],
  ["no status", "HTTP/1.1"],
  ["a status of two digits", "HTTP/1.1 20 OK"],
  ["a status of four digits", "HTTP/1.1 2000 OK"],
  ["a status below 100", "HTTP/1.1 099 OK"],
  ["a signed status", "HTTP/1.1 +20 OK"],
  ["no number for a status", "HTTP/1.1 OK"],
  ["two spaces in front of the status", "HTTP/1.1  200 OK"],
  ["a tab in front of the status", "HTTP/1.1\t200 OK"],
  ["a tab behind the status", "HTTP/1.1 200\tOK"],
  ["a reason without a space", "HTTP/1.1 200OK"],
  ["a space in front", " HTTP/1.1 200 OK"],
  ["HTTP/1.2", "HTTP/1.2 200 OK"],
  ["HTTP/2", "HTTP/2 200 OK"],
  ["HTTP/2.0", "HTTP/2.0 200 OK"],
  ["HTTP/0.9", "HTTP/0.9 200 OK"],
  ["a version in lower case", "http/1.1 200 OK"],
  ["another protocol", "ICY 200 OK"],
  ["a bare CR in the reason", "HTTP/1.1 200 O\rK"],
  ["a bare LF in the reason", "HTTP/1.1 200 O\nK"],
  ["a NUL in the reason", "HTTP/1.1 200 O\0K"],
  ["a DEL in the reason", "HTTP/1.1 200 O\x7fK"],
  ["a request", "GET / HTTP/1.1"],
] as const) {
  test(`a status line with ${what} is refused`, () => {
    assert.equal(faultOf(line), BAD_LINE);
  });
}

for (const [what, fields, fault] of [
  ["a folded field", ["A: 1", " b"], "a folded header field"],
  [
    "a bare CR in a field",
    ["A: 1\rB: 2"],
    "a header field with a control character, or a line that does not end in CRLF",
  ],
  ["a length that is no number", ["Content-Length: x"], "its Content-Length is not one whole number"],
  ["a negative length", ["Content-Length: -1"], "its Content-Length is not one whole number"],
  [
    "two equal lengths",
    ["Content-Length: 1", "Content-Length: 1"],
    "its Content-Length is not one whole number",
  ],
  [
    "a coding and a length",
    ["Content-Length: 1", "Transfer-Encoding: chunked"],
    "it has both Transfer-Encoding and Content-Length",
  ],
  [
    "another coding",
    ["Transfer-Encoding: gzip, chunked"],
    "it has a transfer coding besides chunked, which nobody asked for",
  ],
  [
    "identity",
    ["Transfer-Encoding: identity"],
    "it has a transfer coding besides chunked, which nobody asked for",
  ],
] as const) {
  test(`an answer with ${what} is refused, and says why`, () => {
    assert.equal(faultOf(OK, ...fields), fault);
    // Also where no body could follow: whoever sends it is not to be relied upon.
    assert.equal(faultOf("HTTP/1.1 304 Not Modified", ...fields), fault);
  });
}

test("white space before a colon is no fault", () => {
  const head = answerHead(OK, ["Content-Length \t: 5"]);
  assert.deepEqual([head.framing, head.contentLength], ["length", 5]);
});

test("as many fields as the limit are read, one more is refused", () => {
  const read = (count: number) =>
    readAnswerHead(`${OK}\r\n${linesOf(Array<string>(count).fill("A: 1"))}`, new Fields(), 3, "GET");
  assert.equal("fault" in read(3), false);
  assert.deepEqual(read(4), { fault: "more than 3 header fields" });
});

const LENGTH = "Content-Length: 5";
const CHUNKED = "Transfer-Encoding: chunked";
for (const [what, line, fields, method, framing, contentLength] of [
  ["a length ends with it", OK, [LENGTH], "GET", "length", 5],
  ["a length of 0 has none", OK, ["Content-Length: 0"], "GET", "length", 0],
  ["chunks ends with the last", OK, [CHUNKED], "GET", "chunked", NO_LENGTH],
  ["neither ends with the connection", OK, [], "GET", "close", NO_LENGTH],
  ["neither to a POST ends with the connection", OK, [], "POST", "close", NO_LENGTH],
  ["HEAD for a question has none, whatever it says", OK, [LENGTH], "HEAD", "none", 5],
  ["HEAD for a question has none, chunked or not", OK, [CHUNKED], "HEAD", "none", NO_LENGTH],
  ["HEAD for a question has none, said or not", OK, [], "HEAD", "none", NO_LENGTH],
  ["head for a question, which is not HEAD, has one", OK, [LENGTH], "head", "length", 5],
  ["204 has none", "HTTP/1.1 204 x", [LENGTH], "GET", "none", 5],
  ["304 has none, and may say how long it would be", "HTTP/1.1 304 x", [LENGTH], "GET", "none", 5],
  ["1xx has none", "HTTP/1.1 103 x", [LENGTH], "GET", "none", 5],
  ["101 has none", "HTTP/1.1 101 x", [], "GET", "none", NO_LENGTH],
  ["205 is read like any other", "HTTP/1.1 205 x", [LENGTH], "GET", "length", 5],
  ["205 without a length is not waited for", "HTTP/1.1 205 x", [], "GET", "none", NO_LENGTH],
  ["HTTP/1.0 and chunks can be read all the same", "HTTP/1.0 200 x", [CHUNKED], "GET", "chunked", NO_LENGTH],
] as const) {
  test(`the body of an answer with ${what}`, () => {
    const head = answerHead(line, fields, method);
    assert.deepEqual([head.framing, head.contentLength], [framing, contentLength]);
  });
}

for (const [line, fields, isPersistent] of [
  [OK, [LENGTH], true],
  [OK, [CHUNKED], true],
  [OK, [LENGTH, "Connection: close"], false],
  [OK, [LENGTH, "Connection: x, Close"], false],
  [OK, [LENGTH, "Connection: keep-alive"], true],
  [OK, [LENGTH, "Connection: keep-alive, close"], false],
  [OK, [], false],
  [OK, ["Connection: keep-alive"], false],
  ["HTTP/1.1 204 x", [], true],
  ["HTTP/1.1 304 x", ["Connection: close"], false],
  ["HTTP/1.0 200 x", [LENGTH], false],
  ["HTTP/1.0 200 x", [LENGTH, "Connection: keep-alive"], true],
  ["HTTP/1.0 200 x", [LENGTH, "Connection: keep-alive, close"], false],
  ["HTTP/1.0 200 x", [CHUNKED, "Connection: keep-alive"], false],
] as const) {
  test(`${[line, ...fields].join(", ")}: the connection ${isPersistent ? "takes another request" : "ends"}`, () => {
    assert.equal(answerHead(line, fields).isPersistent, isPersistent);
  });
}

test("whatever valid parts a head is made of, it is read back exactly", () => {
  const head = fc.record({
    minorVersion: fc.constantFrom(0, 1),
    status: fc.integer({ min: 100, max: 999 }),
    reason: fc.stringMatching(/^[\t -~\x80-\xff]{0,40}$/),
    fields: fc.array(
      fc.tuple(fc.stringMatching(/^X-[a-zA-Z0-9]{0,10}$/), fc.stringMatching(/^[!-~\x80-\xff]{0,30}$/)),
    ),
    length: fc.option(fc.maxSafeNat(), { nil: undefined }),
  });
  fc.assert(
    fc.property(head, ({ minorVersion, status, reason, fields, length }) => {
      const lines = fields.map(([name, value]) => `${name}: ${value}`);
      if (length !== undefined) lines.push(`CONTENT-length: ${length}`);
      const read = answerHead(`HTTP/1.${minorVersion} ${status} ${reason}`, lines);
      assert.deepEqual(
        [read.minorVersion, read.status, read.reason, read.contentLength],
        [minorVersion, status, reason, length ?? NO_LENGTH],
      );
      assert.deepEqual(read.fields.toList().slice(0, 2 * fields.length), fields.flat());
    }),
  );
});
