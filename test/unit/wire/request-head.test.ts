/**
 * A request's head: what is one, what it says, and that nothing uncertain passes.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fields } from "../../../src/wire/fields.ts";
import { NO_LENGTH } from "../../../src/wire/framing.ts";
import { readRequestHead } from "../../../src/wire/request-head.ts";
import { linesOf, requestHead } from "../../support/heads.ts";

const BAD_LINE = "the request line is not valid HTTP/1.1 or HTTP/1.0";

function faultOf(text: string): string {
  const head = readRequestHead(text, new Fields(), 100);
  if (!("fault" in head)) return "none";
  return head.fault;
}

test("a request is read as it came", () => {
  const head = requestHead("PATCH /a/%2f/../b?c=//d;e HTTP/1.1", ["hOST: h", "Content-Length: 003", "X-a: "]);
  const { method, target, minorVersion, isChunked, contentLength } = head;
  assert.deepEqual([method, target, minorVersion], ["PATCH", "/a/%2f/../b?c=//d;e", 1]);
  assert.deepEqual([isChunked, contentLength], [false, 3]);
  assert.deepEqual(head.fields.toList(), ["hOST", "h", "Content-Length", "003", "X-a", ""]);
});

test("a request without fields is one: what it lacks is not for the codec to say", () => {
  const head = requestHead("GET / HTTP/1.0", []);
  assert.deepEqual([head.minorVersion, head.isChunked, head.contentLength], [0, false, NO_LENGTH]);
  assert.equal(head.fields.count, 0);
});

test("any token is a method, in the case it came in", () => {
  for (const method of [
    "GET",
    "get",
    "M-SEARCH",
    "QUERY",
    "!#$%&'*+-.^_`|~09",
    "CONNECT",
    "x".repeat(1_000),
  ]) {
    assert.equal(requestHead(`${method} / HTTP/1.1`, []).method, method);
  }
});

test("every octet but controls and space may stand in a target, and stays what it is", () => {
  for (let octet = 0; octet < 256; octet++) {
    const target = `/a${String.fromCharCode(octet)}b`;
    const head = readRequestHead(`GET ${target} HTTP/1.1\r\n\r\n`, new Fields(), 10);
    const isAllowed = octet > 32 && octet !== 127;
    if (!isAllowed) assert.ok("fault" in head, `octet ${octet}`);
    else assert.equal("target" in head && head.target, target);
  }
  const utf8 = Buffer.from("/ключ/日本/🚀", "utf8").toString("latin1");
  assert.equal(requestHead(`GET ${utf8} HTTP/1.1`, []).target, utf8);
});

test("a target of any form is the codec's business only as text", () => {
  for (const target of ["*", "h:443", "http://h/a?b", "a", "//", "#", `/${"x".repeat(60_000)}`]) {
    assert.equal(requestHead(`GET ${target} HTTP/1.1`, []).target, target);
  }
});

for (const [what, line] of [
  ["nothing", ""],
  ["a method alone", "GET"],
  ["no version (HTTP/0.9)", "GET /"],
  ["no target", "GET HTTP/1.1"],
  ["an empty target", "GET  HTTP/1.1"],
  ["a space in front", " GET / HTTP/1.1"],
  ["two spaces behind the method", "GET  / HTTP/1.1"],
  ["two spaces behind the target", "GET /  HTTP/1.1"],
  ["a space behind the version", "GET / HTTP/1.1 "],
  ["a tab between", "GET\t/\tHTTP/1.1"],
  ["a space within the target", "GET /a b HTTP/1.1"],
  ["another version behind the target", "GET / HTTP/1.1 HTTP/1.1"],
  ["HTTP/1.2", "GET / HTTP/1.2"],
  ["HTTP/2.0", "GET / HTTP/2.0"],
  ["HTTP/0.9", "GET / HTTP/0.9"],
  ["HTTP/1.10", "GET / HTTP/1.10"],
  ["HTTP/01.1", "GET / HTTP/01.1"],
  ["HTTP/1", "GET / HTTP/1"],
  ["a version in lower case", "GET / http/1.1"],
  ["another protocol", "GET / ICY/1.1"],
  ["a method that is no token", "G(T / HTTP/1.1"],
  ["a method with an octet above ASCII", "G\xc9T / HTTP/1.1"],
  ["a NUL behind the method", "GET\0 / HTTP/1.1"],
  ["a bare CR in the target", "GET /\rHTTP/1.1"],
  ["an answer", "HTTP/1.1 200 OK"],
  ["the preface of HTTP/2", "PRI * HTTP/2.0"],
  ["a TLS hello", "\x16\x03\x01\x02"],
] as const) {
  test(`a request line with ${what} is refused`, () => {
    assert.equal(faultOf(`${line}\r\nHost: h\r\n\r\n`), BAD_LINE);
  });
}

test("a request line that ends in a bare LF is refused", () => {
  assert.equal(faultOf("GET / HTTP/1.1\nHost: h\r\n\r\n"), BAD_LINE);
});

for (const [what, fields, fault] of [
  ["a space before the colon", ["Host : h"], "a header field without a valid name"],
  ["a folded field", ["A: 1", " b"], "a folded header field"],
  ["a length that is no number", ["Content-Length: x"], "Content-Length is not one whole number"],
  [
    "the same length twice",
    ["Content-Length: 1", "Content-Length: 1"],
    "Content-Length is not one whole number",
  ],
  ["a list of lengths", ["Content-Length: 1, 1"], "Content-Length is not one whole number"],
  [
    "a coding and a length",
    ["Transfer-Encoding: chunked", "Content-Length: 0"],
    "both Transfer-Encoding and Content-Length",
  ],
  ["another coding", ["Transfer-Encoding: gzip, chunked"], "a transfer coding that is not chunked"],
  ["identity", ["Transfer-Encoding: identity"], "a transfer coding that is not chunked"],
  ["a coding without a value", ["Transfer-Encoding:"], "a transfer coding that is not chunked"],
  [
    "chunked twice",
    ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    "a transfer coding that is not chunked",
  ],
] as const) {
  test(`a head with ${what} is refused, and says why`, () => {
    assert.equal(faultOf(`POST / HTTP/1.1\r\nHost: h\r\n${linesOf(fields)}`), fault);
  });
}

test("chunks are for HTTP/1.1: in HTTP/1.0 nobody knows who reads them", () => {
  assert.equal(requestHead("POST / HTTP/1.1", ["Transfer-Encoding: Chunked"]).isChunked, true);
  assert.equal(
    faultOf("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "Transfer-Encoding in HTTP/1.0",
  );
});

test("as many fields as the limit are read, one more is refused as too many and not as malformed", () => {
  const text = (count: number): string => `GET / HTTP/1.1\r\n${linesOf(Array<string>(count).fill("A: 1"))}`;
  const full = readRequestHead(text(5), new Fields(), 5);
  assert.equal("fault" in full, false);
  assert.deepEqual(readRequestHead(text(6), new Fields(), 5), {
    fault: "more than 5 header fields",
    isTooMany: true,
  });
  const malformed = readRequestHead(`${text(5).slice(0, -2)}B\r\n\r\n`, new Fields(), 6);
  assert.deepEqual(malformed, { fault: "a header field without a valid name" });
});

test("what Connection says is read with the head", () => {
  const { connection } = requestHead("GET / HTTP/1.1", ["Connection: close, X-a", "connection: upgrade"]);
  assert.deepEqual(connection, {
    isClose: true,
    isKeepAlive: false,
    isUpgrade: true,
    named: new Set(["x-a"]),
  });
});

test("whatever valid parts a head is made of, it is read back exactly", () => {
  const head = fc.record({
    method: fc.stringMatching(/^[-!#$%&'*+.^_`|~0-9A-Za-z]{1,20}$/),
    target: fc.stringMatching(/^[!-~\x80-\xff]{1,100}$/),
    minorVersion: fc.constantFrom(0 as const, 1 as const),
    fields: fc.array(
      fc.tuple(fc.stringMatching(/^X-[a-zA-Z0-9]{0,10}$/), fc.stringMatching(/^[!-~\x80-\xff]{0,30}$/)),
    ),
    body: fc.constantFrom("none", "length", "chunked"),
    length: fc.maxSafeNat(),
  });
  fc.assert(
    fc.property(head, ({ method, target, minorVersion, fields, body, length }) => {
      const isChunked = body === "chunked" && minorVersion === 1;
      const framing = isChunked ? ["transfer-encoding: CHUNKED"] : [`content-length: ${length}`];
      const given = fields.map(([name, value]) => `${name}: ${value}`);
      const lines = body === "none" ? given : [...given, ...framing];
      const read = requestHead(`${method} ${target} HTTP/1.${minorVersion}`, lines);
      assert.deepEqual(
        [read.method, read.target, read.minorVersion, read.isChunked, read.contentLength],
        [method, target, minorVersion, isChunked, body === "none" || isChunked ? NO_LENGTH : length],
      );
      assert.deepEqual(read.fields.toList().slice(0, 2 * fields.length), fields.flat());
    }),
  );
});
