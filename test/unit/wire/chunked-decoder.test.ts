/**
 * The chunked coding: each rule at its edge, and the same result however the bytes are split.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ChunkedDecoder, MAX_EXTENSION_BYTES } from "../../../src/wire/chunked-decoder.ts";

const LIMITS = { maxTrailerBytes: 64, maxTrailerCount: 3 };

interface Decoded {
  body: string;
  /** Bytes used, over all feeds. */
  used: number;
  isDone: boolean;
  fault: string | null;
  isTrailerTooLarge: boolean;
  trailers: string;
}

/** Feeds the pieces as the owner of a socket would: no more once the body has ended or is malformed. */
function decodePieces(pieces: readonly Buffer[], decoder = new ChunkedDecoder(LIMITS)): Decoded {
  let body = "";
  let used = 0;
  const sink = {
    onPiece(piece: Buffer): void {
      body += piece.toString("latin1");
    },
  };
  for (const piece of pieces) {
    const behind = decoder.feed(piece, 0, sink);
    used += behind;
    const hasEnded = decoder.isDone || decoder.fault !== null;
    if (behind < piece.length) assert.ok(hasEnded, "bytes are left only at an end");
    if (hasEnded) break;
  }
  const { isDone, fault, isTrailerTooLarge, trailers } = decoder;
  return { body, used, isDone, fault, isTrailerTooLarge, trailers };
}

function split(bytes: Buffer, at: readonly number[]): Buffer[] {
  const edges = [0, ...at.toSorted((a, b) => a - b), bytes.length];
  return edges.slice(1).map((end, index) => bytes.subarray(edges[index], end));
}

/** Whole, byte by byte and in every two parts: all must be the same. */
function decode(text: string): Decoded {
  const bytes = Buffer.from(text, "latin1");
  const whole = decodePieces([bytes]);
  if (bytes.length > 1_000) return whole;
  assert.deepEqual(decodePieces([...bytes].map((byte) => Buffer.of(byte))), whole, "byte by byte");
  for (let at = 0; at <= bytes.length; at++)
    assert.deepEqual(decodePieces(split(bytes, [at])), whole, `split at ${at}`);
  return whole;
}

const DONE = { isDone: true, fault: null, isTrailerTooLarge: false, trailers: "" };

for (const [what, text, body] of [
  ["a body of no chunks", "0\r\n\r\n", ""],
  ["a last chunk of several zeros", "000\r\n\r\n", ""],
  ["one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello"],
  ["several chunks", "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc"],
  ["digits of both cases", "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", "01234567890123456789a"],
  ["a size of 16 digits", "0000000000000001\r\na\r\n0\r\n\r\n", "a"],
  ["line ends and chunks within a chunk", "c\r\n\r\n0\r\n\r\n1\r\na\r\r\n0\r\n\r\n", "\r\n0\r\n\r\n1\r\na\r"],
  ["every octet in the data", `2\r\n\0\xff\r\n0\r\n\r\n`, "\0\xff"],
  ["an extension", "1;a=b\r\na\r\n0;c\r\n\r\n", "a"],
  ["an extension behind spaces", "1 \t;\ta = b\r\na\r\n0\r\n\r\n", "a"],
  ["an extension with a quoted string and obs-text", '1;a="\xe9;\\"0"\r\na\r\n0\r\n\r\n', "a"],
  ["several extensions", '1;a;b = c ; d="";e\r\na\r\n0;a\r\n\r\n', "a"],
] as const) {
  test(`${what} can be read, at every split`, () => {
    assert.deepEqual(decode(text), { ...DONE, body, used: text.length });
  });
}

for (const [what, text, fault, offset] of [
  ["no size", "\r\n", "a chunk size that is no number", 0],
  ["a bare LF instead of a size", "\n", "a chunk size that is no number", 0],
  ["a sign", "+1\r\na\r\n", "a chunk size that is no number", 0],
  ["a minus", "-1\r\na\r\n", "a chunk size that is no number", 0],
  ["a 0x", "0x1\r\na\r\n", "a chunk size that is no number", 1],
  ["a digit of no base", "1g\r\na\r\n", "a chunk size that is no number", 1],
  ["an underscore", "1_0\r\n", "a chunk size that is no number", 1],
  ["an octet above ASCII", "1\xb2\r\n", "a chunk size that is no number", 1],
  ["a NUL", "1\0\r\n", "a chunk size that is no number", 1],
  ["a leading space", " 1\r\na\r\n", "a chunk size that is no number", 0],
  ["an extension without a size", ";a\r\n", "a chunk size that is no number", 0],
  ["a trailing space", "1 \r\na\r\n", "a space behind a chunk size", 2],
  ["a trailing tab", "1\t\r\na\r\n", "a space behind a chunk size", 2],
  ["a space within", "1 0\r\n", "a space behind a chunk size", 2],
  ["17 digits", "00000000000000001\r\na\r\n", "a chunk size of too many digits", 16],
  ["2^53", "20000000000000\r\n", "a chunk size that is too large", 13],
  ["2^64 - 1", "ffffffffffffffff\r\n", "a chunk size that is too large", 13],
  ["a bare LF behind it", "1\na\r\n", "an LF without CR behind a chunk size", 1],
  ["a bare CR behind it", "1\ra\r\n", "a CR without LF behind a chunk or its size", 2],
  ["two CR behind it", "1\r\r\na\r\n", "a CR without LF behind a chunk or its size", 2],
] as const) {
  test(`a chunk size with ${what} is a fault, at its byte`, () => {
    assert.deepEqual(decode(text), { ...DONE, isDone: false, body: "", used: offset, fault });
  });
}

for (const [what, text, body, fault, offset] of [
  ["data longer than its size", "1\r\nab\r\n", "a", "a chunk that does not end where its size says", 4],
  [
    "data shorter than its size",
    "3\r\na\r\n0\r\n",
    "a\r\n",
    "a chunk that does not end where its size says",
    6,
  ],
  ["a bare LF behind the data", "1\r\na\n0\r\n\r\n", "a", "a chunk that does not end where its size says", 4],
  ["a bare CR behind the data", "1\r\na\r0\r\n\r\n", "a", "a CR without LF behind a chunk or its size", 5],
  ["a second empty line", "1\r\na\r\n\r\n0\r\n\r\n", "a", "a chunk size that is no number", 6],
  ["a bare CR in an extension", "1;a\rb\r\na", "", "a CR without LF behind a chunk or its size", 4],
  ["a bare LF in an extension", "1;a\nb\r\na", "", "a control character in a chunk extension", 3],
  ["a quoted CRLF in an extension", '1;a="\r\nx"\r\n', "", "a malformed chunk extension", 5],
  ["an extension without a name", "1;\r\na", "", "a malformed chunk extension", 2],
  ["an extension without a name behind another", "1;a;;b\r\na", "", "a malformed chunk extension", 4],
  ["an extension without a value", "1;a=\r\na", "", "a malformed chunk extension", 4],
  ["an extension of two words", "1;a b\r\na", "", "a malformed chunk extension", 4],
  ["an extension with two values", "1;a=b c\r\na", "", "a space behind a chunk size", 6],
  ["a space behind an extension", "1;a \r\na", "", "a malformed chunk extension", 4],
  ["a space behind an extension's value", "1;a=b \r\na", "", "a space behind a chunk size", 6],
  ["text behind a quoted value", '1;a="b"c\r\na', "", "a malformed chunk extension", 7],
  ["a quoted value without its end", '1;a="\\"\r\na', "", "a malformed chunk extension", 7],
  ["obs-text in an extension's name", "1;\x80\r\na", "", "a malformed chunk extension", 2],
  ["obs-text in an extension's value", "1;a=\x80\r\na", "", "a malformed chunk extension", 4],
  ["a NUL in an extension", "1;\0\r\na", "", "a control character in a chunk extension", 2],
  ["a DEL in an extension", "1;\x7f\r\na", "", "a control character in a chunk extension", 2],
] as const) {
  test(`${what} is a fault, at its byte`, () => {
    assert.deepEqual(decode(text), { ...DONE, isDone: false, body, used: offset, fault });
  });
}

test("the largest size is 2^53 - 1", () => {
  assert.deepEqual(decode("1fffffffffffff\r\nab"), { ...DONE, isDone: false, body: "ab", used: 18 });
});

test("a body that is cut anywhere is neither done nor faulty", () => {
  const text = "5;x\r\nhello\r\n0\r\nA: b\r\n\r\n";
  for (let end = 0; end < text.length; end++) {
    const { isDone, fault, used, trailers } = decode(text.slice(0, end));
    assert.deepEqual(
      { isDone, fault, used, trailers },
      { isDone: false, fault: null, used: end, trailers: "" },
    );
  }
});

test("what follows the body is left alone, now and later", () => {
  const decoder = new ChunkedDecoder(LIMITS);
  const bytes = Buffer.from("junk1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\n");
  const pieces: string[] = [];
  const sink = { onPiece: (piece: Buffer) => void pieces.push(piece.toString()) };
  const behind = decoder.feed(bytes, 4, sink);
  assert.equal(bytes.toString("latin1", behind), "GET / HTTP/1.1\r\n");
  assert.equal(decoder.feed(bytes, behind, sink), behind);
  assert.deepEqual(pieces, ["a"]);
});

test("behind a fault nothing more is read", () => {
  const decoder = new ChunkedDecoder(LIMITS);
  decodePieces([Buffer.from("x")], decoder);
  const { used, body, fault } = decodePieces([Buffer.from("1\r\na\r\n0\r\n\r\n")], decoder);
  assert.deepEqual({ used, body, fault }, { used: 0, body: "", fault: "a chunk size that is no number" });
});

test("a piece is a view into what was fed, and never empty", () => {
  const decoder = new ChunkedDecoder(LIMITS);
  const bytes = Buffer.from("3\r\nabc\r\n0\r\n\r\n");
  const pieces: Buffer[] = [];
  const sink = { onPiece: (piece: Buffer) => void pieces.push(piece) };
  for (const piece of split(bytes, [3, 3, 4, 6])) decoder.feed(piece, 0, sink);
  assert.deepEqual(pieces.map(String), ["a", "bc"]);
  assert.equal(pieces[0]?.buffer, bytes.buffer);
  assert.equal(pieces[0]?.byteOffset, bytes.byteOffset + 3);
});

test("extensions may be 16 KiB in all over one message, and not a byte more", () => {
  const half = ";".padEnd(MAX_EXTENSION_BYTES / 2, "x");
  assert.deepEqual(decode(`1${half}\r\na\r\n0${half}\r\n\r\n`).fault, null);
  const { fault, used, isTrailerTooLarge } = decode(`1${half}\r\na\r\n0${half}x\r\n\r\n`);
  assert.deepEqual(
    { fault, used, isTrailerTooLarge },
    {
      fault: "too long chunk extensions",
      used: 1 + half.length + 5 + 1 + half.length,
      isTrailerTooLarge: false,
    },
  );
});

test("spaces before an extension, and many short ones, count as well", () => {
  assert.equal(decode(`1${" ".repeat(MAX_EXTENSION_BYTES)};\r\n`).fault, "too long chunk extensions");
  assert.equal(decode("1;a\r\na\r\n".repeat(MAX_EXTENSION_BYTES / 2)).fault, null);
  assert.equal(decode("1;a\r\na\r\n".repeat(MAX_EXTENSION_BYTES / 2 + 1)).fault, "too long chunk extensions");
});

for (const [what, trailers] of [
  ["one field", "grpc-status: 0\r\n"],
  ["several fields", "A: 1\r\nb:2\r\nA:\t3 \r\n"],
  ["an empty value", "A:\r\nB: \r\n"],
  ["every sort of name", "!#$%&'*+-.^_`|~09azAZ: x\r\n"],
  ["obs-text and colons in the value", "A: \xe9:\xff\r\n"],
  ["a size at the limit", `${"A:".padEnd(LIMITS.maxTrailerBytes - 2, "x")}\r\n`],
] as const) {
  test(`a trailer section with ${what} comes out as it went in`, () => {
    const text = `1\r\na\r\n0\r\n${trailers}\r\n`;
    assert.deepEqual(decode(text), { ...DONE, body: "a", used: text.length, trailers });
  });
}

for (const [what, section, fault, offset] of [
  ["a field without a name", ": x\r\n\r\n", "a trailer field without a name", 0],
  ["a bare LF at the end", "\n", "a trailer field without a name", 0],
  ["a bare CR at the end", "\rA", "a CR without LF behind the trailer section", 1],
  ["a line without a colon", "A\r\n\r\n", "a trailer field's name that is no token", 1],
  ["a space before the colon", "A : x\r\n\r\n", "a trailer field's name that is no token", 1],
  ["a tab before the colon", "A\t: x\r\n\r\n", "a trailer field's name that is no token", 1],
  ["a name that is no token", "A(b): x\r\n\r\n", "a trailer field's name that is no token", 1],
  ["a name above ASCII", "\xe9: x\r\n\r\n", "a trailer field without a name", 0],
  ["a folded line", "A: x\r\n y\r\n\r\n", "a trailer line that starts with a space", 6],
  ["a line folded by a tab", "A: x\r\n\ty\r\n\r\n", "a trailer line that starts with a space", 6],
  ["a space before the first name", " A: x\r\n\r\n", "a trailer line that starts with a space", 0],
  ["a NUL in a value", "A: \0\r\n\r\n", "a control character in a trailer field", 3],
  ["a DEL in a value", "A: \x7f\r\n\r\n", "a control character in a trailer field", 3],
  ["a bare LF in a value", "A: x\n\r\n", "a control character in a trailer field", 4],
  ["a bare CR in a value", "A: x\ry\r\n\r\n", "a CR without LF in the trailer section", 5],
] as const) {
  test(`a trailer section with ${what} is a fault of syntax, at its byte`, () => {
    const expected = { ...DONE, isDone: false, body: "", used: 3 + offset, fault };
    assert.deepEqual(decode(`0\r\n${section}`), expected);
  });
}

test("a trailer section of one byte or one field more than the limit is too large", () => {
  const tooLarge = { ...DONE, isDone: false, body: "", isTrailerTooLarge: true };
  const long = `${"A:".padEnd(LIMITS.maxTrailerBytes - 1, "x")}\r\n\r\n`;
  assert.deepEqual(decode(`0\r\n${long}`), {
    ...tooLarge,
    used: 3 + LIMITS.maxTrailerBytes,
    fault: "a trailer section too large",
  });
  assert.deepEqual(decode(`0\r\n${"A:\r\n".repeat(LIMITS.maxTrailerCount + 1)}\r\n`), {
    ...tooLarge,
    used: 3 + 4 * LIMITS.maxTrailerCount,
    fault: "too many trailer fields",
  });
});

test("after a reset nothing of the message before is left", () => {
  const ext = ";".padEnd(MAX_EXTENSION_BYTES, "x");
  const full = `1${ext}\r\na\r\n0\r\n${"A:".padEnd(40, "x")}\r\nB:\r\nC:\r\n\r\n`;
  const next = Buffer.from("1;a\r\nb\r\n0\r\nA: b\r\nB: c\r\nC: d\r\n\r\n");
  const expected = decodePieces([next]);
  assert.equal(expected.fault, null);
  const before = [
    full,
    "1;",
    "12",
    "1\r\n",
    "5\r\nab",
    "x",
    "0\r\nA: b\r\nB",
    "0\r\n\0",
    `0\r\n${"A:\r\n".repeat(4)}`,
  ];
  for (const text of before) {
    for (const pieces of [[next], [...next].map((byte) => Buffer.of(byte))]) {
      const decoder = new ChunkedDecoder(LIMITS);
      decodePieces([Buffer.from(text)], decoder);
      decoder.reset();
      assert.deepEqual(decodePieces(pieces, decoder), expected, JSON.stringify(text.slice(0, 20)));
    }
  }
});

test("whatever is encoded comes back at any split", () => {
  const chunk = fc.record({
    data: fc.uint8Array({ minLength: 1, maxLength: 300 }),
    zeros: fc.nat(4),
    isUpper: fc.boolean(),
    extension: fc.constantFrom("", ";a", ' ; a="b"', "\t;a;b=c"),
  });
  const anySplit = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 });
  const trailers = fc.constantFrom("", "A: 1\r\n", "grpc-status: 0\r\nB:\r\n");
  fc.assert(
    fc.property(fc.array(chunk), trailers, anySplit, (chunks, trailers, ratios) => {
      const parts = chunks.flatMap(({ data, zeros, isUpper, extension }) => {
        const hex = data.length.toString(16);
        const size = "0".repeat(zeros) + (isUpper ? hex.toUpperCase() : hex);
        return [Buffer.from(`${size}${extension}\r\n`), Buffer.from(data), Buffer.from("\r\n")];
      });
      const bytes = Buffer.concat([...parts, Buffer.from(`0\r\n${trailers}\r\n`)]);
      const body = Buffer.concat(chunks.map(({ data }) => data)).toString("latin1");
      const expected = { ...DONE, body, used: bytes.length, trailers };
      const places = ratios.map((ratio) => Math.floor(ratio * bytes.length));
      assert.deepEqual(decodePieces(split(bytes, places)), expected);
      assert.deepEqual(decodePieces([...bytes].map((byte) => Buffer.of(byte))), expected);
    }),
  );
});

test("whatever comes, every split ends in the same way", () => {
  const word = fc.constantFrom(
    "0",
    "1",
    "a",
    "10",
    "\r\n",
    "\r",
    "\n",
    ";",
    " ",
    "\t",
    ":",
    "A: b\r\n",
    "\0",
    "\xe9",
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 25 }), (words) => {
      decode(words.join(""));
    }),
    { numRuns: 2_000 },
  );
});
