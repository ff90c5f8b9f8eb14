/**
 * Fields: which lines are a header section, and that what is read is what was written.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fields, Kind } from "../../../src/wire/fields.ts";
import { octetsOf } from "../../support/heads.ts";

const NO_NAME = "a header field without a valid name";
const FOLDED = "a folded header field";
const BAD_LINE = "a header field with a control character, or a line that does not end in CRLF";

function readAll(lines: string, { isAnswer = false, maxCount = 1_000, fields = new Fields() } = {}) {
  const fault = fields.read(octetsOf(`${lines}\r\n`), 0, maxCount, isAnswer);
  return { fault, fields };
}

/** The fields of lines that must be well formed. */
function wellFormed(lines: string, isAnswer = false): Fields {
  const { fault, fields } = readAll(lines, { isAnswer });
  assert.equal(fault, null, JSON.stringify(lines));
  return fields;
}

test("a head without fields has none", () => {
  const fields = wellFormed("");
  assert.equal(fields.count, 0);
  assert.deepEqual(fields.toList(), []);
  assert.equal(fields.lineStart(0), 0);
  assert.equal(fields.has(Kind.HOST), false);
});

test("names keep their case, values lose the white space around them and nothing else", () => {
  const fields = wellFormed("X-a:1\r\nx-A: \t b \t c\t \r\nEmpty:\r\nBlank: \t \r\nColons: a:b: c\r\n");
  assert.deepEqual(fields.toList(), [
    "X-a",
    "1",
    "x-A",
    "b \t c",
    "Empty",
    "",
    "Blank",
    "",
    "Colons",
    "a:b: c",
  ]);
});

test("reading begins where it is told to, and lines are found in the text they came in", () => {
  const fields = new Fields();
  const text = "GET / HTTP/1.1\r\nA: 1\r\nBc:2\r\n\r\n";
  assert.equal(fields.read(octetsOf(text), 16, 10, false), null);
  assert.equal(fields.text, text);
  assert.equal(text.slice(fields.lineStart(0), fields.lineStart(1)), "A: 1\r\n");
  assert.equal(text.slice(fields.lineStart(1), fields.lineStart(2)), "Bc:2\r\n");
});

test("every character of a token may stand in a name, and no other octet", () => {
  const allowed = /[-!#$%&'*+.^_`|~0-9A-Za-z]/;
  for (let octet = 0; octet < 256; octet++) {
    const character = String.fromCharCode(octet);
    if (character === ":") continue; // it ends the name
    const { fault } = readAll(`a${character}b: 1\r\n`);
    assert.equal(fault === null, allowed.test(character), `octet ${octet}`);
  }
});

test("every octet but the control characters may stand in a value", () => {
  for (let octet = 0; octet < 256; octet++) {
    const character = String.fromCharCode(octet);
    const isAllowed = octet === 9 || (octet >= 32 && octet !== 127);
    const { fault, fields } = readAll(`a: x${character}y\r\n`);
    assert.equal(fault, isAllowed ? null : BAD_LINE, `octet ${octet}`);
    if (isAllowed) assert.equal(fields.value(0), `x${character}y`);
  }
});

for (const [what, lines, fault] of [
  ["a line without a colon", "Host\r\n", NO_NAME],
  ["an empty name", ": v\r\n", NO_NAME],
  ["an octet above ASCII in a name", "X-\xe4: v\r\n", NO_NAME],
  ["a NUL in a name", "X\0: v\r\n", NO_NAME],
  ["a bracket in a name", "X[0]: v\r\n", NO_NAME],
  ["a space within a name", "X Y: v\r\n", NO_NAME],
  ["a fold", "A: 1\r\n 2\r\n", FOLDED],
  ["a fold by a tab", "A: 1\r\n\t2\r\n", FOLDED],
  ["a fold in the first line", " A: 1\r\n", FOLDED],
  ["a fold that looks like a field", "A: 1\r\n Transfer-Encoding: chunked\r\n", FOLDED],
  ["a line of blanks alone", "A: 1\r\n \r\n", FOLDED],
  ["a bare LF", "A: 1\nB: 2\r\n", BAD_LINE],
  ["a bare LF at the end of the lines", "A: 1\n\r\n", BAD_LINE],
  ["a bare CR in a value", "A: 1\rB: 2\r\n", BAD_LINE],
  ["a bare CR before the line's end", "A: 1\r\r\n", BAD_LINE],
  ["a NUL in a value", "A: \x001\r\n", BAD_LINE],
  ["a DEL in a value", "A: \x7f\r\n", BAD_LINE],
  ["a bare CR where a line begins", "A: 1\r\n\rB: 2\r\n", "a bare CR"],
  ["a bare LF where a line begins", "A: 1\r\n\nB: 2\r\n", NO_NAME],
  ["an end in the middle of a name", "A", NO_NAME],
] as const) {
  test(`${what} is a fault, in requests and in answers`, () => {
    assert.equal(readAll(lines).fault, fault);
    assert.equal(readAll(lines, { isAnswer: true }).fault, fault);
  });
}

test("text that stops in the middle of a line is a fault and nothing worse", () => {
  for (const text of ["", "A", "A:", "A: 1", "A: 1\r", "A: 1\r\n", "A: 1\r\n\r"]) {
    assert.notEqual(new Fields().read(octetsOf(text), 0, 10, false), null, JSON.stringify(text));
  }
});

test("white space before the colon is a fault in a request; in an answer it is seen and left out", () => {
  for (const blank of [" ", "\t", " \t "]) {
    assert.equal(readAll(`Content-Length${blank}: 5\r\n`).fault, NO_NAME);
    const fields = wellFormed(`Content-Length${blank}: 5\r\nB: 1\r\n`, true);
    assert.deepEqual(fields.toList(), ["Content-Length", "5", "B", "1"]);
    assert.equal(fields.kind(0), Kind.CONTENT_LENGTH);
    assert.deepEqual([fields.isLoose(0), fields.isLoose(1)], [true, false]);
  }
});

test("as many fields as the limit are read, one more is too many", () => {
  const lines = (count: number): string => "A: 1\r\n".repeat(count);
  for (const maxCount of [1, 2, 64, 100]) {
    const full = readAll(lines(maxCount), { maxCount });
    assert.deepEqual([full.fault, full.fields.isTooMany, full.fields.count], [null, false, maxCount]);
    const over = readAll(lines(maxCount + 1), { maxCount });
    assert.deepEqual([over.fault, over.fields.isTooMany], [`more than ${maxCount} header fields`, true]);
  }
  assert.equal(readAll("", { maxCount: 0 }).fault, null);
  assert.equal(readAll("A: 1\r\n", { maxCount: 0 }).fields.isTooMany, true);
});

test("more fields than there is room for at first are all kept, at every count around it", () => {
  for (const count of [62, 63, 64, 65, 127, 128, 129, 999]) {
    const list = Array.from({ length: count }, (_, i) => [`N${i}`, `v${i}`]);
    const lines = list.map(([name, value]) => `${name}: ${value}\r\n`).join("");
    const fields = wellFormed(`${lines}Host: h\r\n`);
    assert.deepEqual(fields.toList(), [...list.flat(), "Host", "h"]);
    assert.deepEqual([fields.kind(count - 1), fields.kind(count)], [Kind.OTHER, Kind.HOST]);
    assert.equal(fields.lineStart(count + 1), lines.length + 9);
  }
});

const KNOWN = {
  Host: Kind.HOST,
  "Content-Length": Kind.CONTENT_LENGTH,
  "Transfer-Encoding": Kind.TRANSFER_ENCODING,
  Connection: Kind.CONNECTION,
  Upgrade: Kind.UPGRADE,
  TE: Kind.TE,
  Trailer: Kind.TRAILER,
  "Keep-Alive": Kind.KEEP_ALIVE,
  "Proxy-Connection": Kind.HOP_BY_HOP,
  "Proxy-Authenticate": Kind.HOP_BY_HOP,
  "Proxy-Authorization": Kind.HOP_BY_HOP,
  Proxy: Kind.HOP_BY_HOP,
  "HTTP2-Settings": Kind.HOP_BY_HOP,
  Expect: Kind.EXPECT,
  Via: Kind.VIA,
  Forwarded: Kind.FORWARDED,
  "X-Forwarded-For": Kind.X_FORWARDED_FOR,
  "X-Forwarded-Host": Kind.X_FORWARDED_HOST,
  "X-Forwarded-Proto": Kind.X_FORWARDED_PROTO,
  "X-Real-IP": Kind.X_REAL_IP,
  Date: Kind.DATE,
  "Content-Type": Kind.CONTENT_TYPE,
};
for (const [name, kind] of Object.entries(KNOWN)) {
  test(`${name} is recognised whatever the case, and nothing that only looks like it`, () => {
    const mixed = [...name].map((letter, i) => (i % 2 === 0 ? letter.toLowerCase() : letter.toUpperCase()));
    for (const written of [name, name.toLowerCase(), name.toUpperCase(), mixed.join("")]) {
      const fields = wellFormed(`A: 1\r\n${written}: v\r\n`);
      assert.equal(fields.kind(1), kind, written);
      assert.equal(fields.has(kind), true);
    }
    // The same length and first letter, a letter more, a letter less, and one that differs in bit 5 alone.
    const lookAlikes = [
      `${name.slice(0, -1)}~`,
      `${name}x`,
      `x${name}`,
      name.slice(0, -1),
      `_${name.slice(1)}`,
    ];
    for (const written of lookAlikes.filter((each) => !Object.keys(KNOWN).includes(each))) {
      const fields = wellFormed(`${written}: v\r\n`);
      assert.equal(fields.kind(0), Kind.OTHER, written);
      assert.equal(fields.has(kind), false);
    }
  });
}

test("names of every length are told apart from the known ones", () => {
  for (const length of [1, 2, 4, 16, 30, 31, 32, 33, 64, 255, 256, 5_000]) {
    for (const letter of ["c", "H", "x"]) {
      const fields = wellFormed(`${letter.repeat(length)}: v\r\n`);
      assert.deepEqual([fields.kind(0), fields.name(0).length], [Kind.OTHER, length]);
    }
  }
});

test("the values of one kind are joined as a list, in their order", () => {
  const fields = wellFormed("Via: a\r\nvia: \r\nX: 0\r\nVIA: b, c\r\n");
  assert.equal(fields.joined(Kind.VIA), "a, , b, c");
  assert.equal(fields.joined(Kind.HOST), "");
});

test("nothing of the head before is left in the next", () => {
  const fields = new Fields();
  const first = `${"Host: h\r\n".repeat(70)}Connection: close\r\nTE: x\r\n`;
  assert.equal(readAll(first, { fields }).fault, null);
  assert.equal(readAll(first, { fields, maxCount: 3 }).fields.isTooMany, true);
  assert.equal(readAll("A: 1\r\n", { fields }).fault, null);
  assert.deepEqual(fields.toList(), ["A", "1"]);
  assert.equal(fields.isTooMany, false);
  assert.equal(readAll("Host : h\r\nHost: i\r\n", { fields, isAnswer: true }).fault, null);
  assert.deepEqual([fields.hasLoose, fields.isRepeated(Kind.HOST)], [true, true]);
  assert.equal(readAll("Host: i\r\n", { fields }).fault, null);
  assert.deepEqual([fields.hasLoose, fields.isRepeated(Kind.HOST)], [false, false]);
  assert.equal(readAll("A: 1\r\n", { fields }).fault, null);
  for (const kind of [Kind.HOST, Kind.CONNECTION, Kind.TE]) {
    assert.deepEqual([fields.has(kind), fields.joined(kind)], [false, ""]);
  }
});

test("whatever well formed fields come, they are read back exactly", () => {
  const token = fc.stringMatching(/^[-!#$%&'*+.^_`|~0-9A-Za-z]{1,40}$/);
  const name = fc.oneof(token, fc.constantFrom(...Object.keys(KNOWN)));
  const value = fc.stringMatching(/^([!-~\x80-\xff]([\t -~\x80-\xff]{0,60}[!-~\x80-\xff])?)?$/);
  const blank = fc.stringMatching(/^[\t ]{0,3}$/);
  const field = fc.record({ name, value, before: blank, after: blank });
  fc.assert(
    fc.property(fc.array(field, { maxLength: 150 }), fc.boolean(), (list, isAnswer) => {
      const lines = list.map((each) => `${each.name}:${each.before}${each.value}${each.after}\r\n`);
      const fields = wellFormed(lines.join(""), isAnswer);
      assert.deepEqual(
        fields.toList(),
        list.flatMap((each) => [each.name, each.value]),
      );
      const places = lines.map((_, i) => fields.text.slice(fields.lineStart(i), fields.lineStart(i + 1)));
      assert.deepEqual(places, lines);
      list.forEach((each, i) => {
        const known = Object.entries(KNOWN).find(([one]) => one.toLowerCase() === each.name.toLowerCase());
        assert.equal(fields.kind(i), known?.[1] ?? Kind.OTHER);
      });
    }),
  );
});
