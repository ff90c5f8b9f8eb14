/**
 * Where a head ends, and what can never become one.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { findHeadEnd, isHopeless, mayBeAnswer, skipEmptyLines } from "../../../src/wire/head-search.ts";

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

test("a head ends behind its first empty line, whatever follows", () => {
  const head = "GET / HTTP/1.1\r\nA: 1\r\n\r\n";
  assert.equal(findHeadEnd(bytes(head), 0), head.length);
  assert.equal(findHeadEnd(bytes(`${head}\r\n\r\n${head}`), 0), head.length);
  assert.equal(findHeadEnd(bytes(`${head}${head}`), head.length), 2 * head.length);
});

test("a head that has not come whole has no end, at any byte before it", () => {
  const head = "GET / HTTP/1.1\r\nA: 1\r\n\r\n";
  for (let length = 0; length < head.length; length++) {
    assert.equal(findHeadEnd(bytes(head.slice(0, length)), 0), -1);
  }
});

test("only CRLF CRLF is an end", () => {
  for (const text of ["A\n\nB", "A\r\n\nB", "A\n\r\nB", "A\r\rB", "A\r\n\rB\r\n"]) {
    assert.equal(findHeadEnd(bytes(text), 0), -1, JSON.stringify(text));
  }
});

test("wherever a head ends, and whatever looks like its end before, its end is found", () => {
  const piece = fc.constantFrom("\r", "\n", "\r\n", "\r\n\r\n", "a", "ab", "x".repeat(250));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), fc.nat(20), (pieces, start) => {
      const text = pieces.join("");
      const at = text.indexOf("\r\n\r\n", start);
      assert.equal(findHeadEnd(bytes(text), start), at === -1 ? -1 : at + 4);
    }),
    { numRuns: 2_000 },
  );
});

test("what may still become a head is waited for, at any byte", () => {
  const head = 'P\xd6ST /\xc3\xa4 HTTP/1.1\r\nA:\t1 "\xff"\r\nB: ~\r\n\r\n';
  for (let length = 0; length <= head.length; length++) {
    assert.equal(isHopeless(bytes(head.slice(0, length)), 0), false, `after ${length} bytes`);
  }
});

for (const [what, text] of [
  ["a bare LF", "GET / HTTP/1.1\n"],
  ["an LF at the very start", "\nGET"],
  ["a bare CR", "GET / HTTP/1.1\rA"],
  ["a CR before CRLF", "GET / HTTP/1.1\r\r\n"],
  ["a NUL", "GET /\0"],
  ["a DEL", "GET /\x7f"],
  ["an escape", "GET /\x1b"],
  ["a vertical tab", "GET /\x0b"],
  ["the start of TLS", "\x16\x03\x01"],
] as const) {
  test(`${what} makes a head hopeless, as soon as it has come`, () => {
    assert.equal(isHopeless(bytes(text), 0), true);
    assert.equal(isHopeless(bytes(`\0\n${text}`), 2), true);
  });
}

test("what stands before the head does not count", () => {
  assert.equal(isHopeless(bytes("\0\nGET /"), 2), false);
  // The LF belongs to what was before, so its CR cannot excuse it.
  assert.equal(isHopeless(bytes("\r\nGET /"), 1), true);
});

test("empty lines before a request are skipped, and nothing else is", () => {
  for (const [text, start, expected] of [
    ["GET", 0, 0],
    ["\r\nGET", 0, 2],
    ["\r\n\r\n\r\nGET", 0, 6],
    ["x\r\nGET", 1, 3],
    ["\r\n", 0, 2],
    ["\r", 0, 0],
    ["\r\n\r", 0, 2],
    ["\n\r\nGET", 0, 0],
    ["\r\rGET", 0, 0],
    [" \r\nGET", 0, 0],
    ["", 0, 0],
  ] as const) {
    assert.equal(skipEmptyLines(bytes(text), start), expected, JSON.stringify(text));
  }
});

test("an answer begins with HTTP/1., and is told apart at its first wrong byte", () => {
  const start = "HTTP/1.1 200 OK";
  for (let length = 0; length <= start.length; length++) {
    assert.equal(mayBeAnswer(bytes(start.slice(0, length)), 0), true, start.slice(0, length));
    assert.equal(mayBeAnswer(bytes(`xx${start.slice(0, length)}`), 2), true);
  }
  for (const text of ["h", "HTTP/2", "HTTP/1,", "ICY", "\r\nHTTP/1.1", " HTTP/1.1", "SSH-2.0", "\0"]) {
    assert.equal(mayBeAnswer(bytes(text), 0), false, JSON.stringify(text));
  }
});

test("hopeless is what holds a control character, a bare CR or a bare LF, and nothing else", () => {
  const text = fc.string({ unit: fc.constantFrom("a", ":", " ", "\t", "\r", "\n", "\r\n", "\0", "\xff") });
  fc.assert(
    fc.property(text, (given) => {
      const isBad = /[^\t\r\n -~\x80-\xff]|\r(?!\n|$)|(?<!\r)\n/.test(given);
      assert.equal(isHopeless(bytes(given), 0), isBad);
    }),
  );
});
