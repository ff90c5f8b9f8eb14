/**
 * Framing: one reading of Content-Length, Transfer-Encoding and Connection, or none.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Fields } from "../../../src/wire/fields.ts";
import {
  BAD_LENGTH,
  connectionOptions,
  contentLength,
  NO_LENGTH,
  transferCoding,
} from "../../../src/wire/framing.ts";
import { linesOf, octetsOf } from "../../support/heads.ts";

function read(...lines: string[]): Fields {
  const fields = new Fields();
  assert.equal(fields.read(octetsOf(linesOf(lines)), 0, 100, false), null);
  return fields;
}

const lengthOf = (...values: string[]): number =>
  contentLength(read("A: 1", ...values.map((value) => `Content-Length: ${value}`)));
const codingOf = (...values: string[]): string =>
  transferCoding(read("A: 1", ...values.map((value) => `Transfer-Encoding: ${value}`)));
const optionsOf = (...values: string[]) =>
  connectionOptions(read("A: 1", ...values.map((value) => `Connection: ${value}`)));

test("without the field there is no length", () => {
  assert.equal(lengthOf(), NO_LENGTH);
});

test("a length is one whole number up to 2^53 - 1, with leading zeros or without", () => {
  for (const [value, length] of [
    ["0", 0],
    ["1", 1],
    ["007", 7],
    ["0000000000000000001", 1],
    ["9007199254740991", Number.MAX_SAFE_INTEGER],
  ] as const) {
    assert.equal(lengthOf(value), length, value);
  }
});

for (const value of [
  "",
  "+1",
  "-1",
  "-0",
  "0x1",
  "1e3",
  "1.0",
  "1 0",
  "1_0",
  "1,1",
  "1, 1",
  "1,",
  "\xb2",
  "1\xa0",
  "Infinity",
  "9007199254740992",
  "18446744073709551616",
  "18446744073709551617",
  "00000000000000000001",
]) {
  test(`a length of ${JSON.stringify(value)} is none`, () => {
    assert.equal(lengthOf(value), BAD_LENGTH);
  });
}

test("a second length is never taken, not even an equal one, an empty one or a later good one", () => {
  for (const values of [
    ["5", "5"],
    ["5", "6"],
    ["5", ""],
    ["", "5"],
    ["x", "5"],
    ["0", "0"],
  ]) {
    assert.equal(lengthOf(...values), BAD_LENGTH, values.join(" and "));
  }
});

test("the only transfer coding is chunked, alone and once, whatever the case", () => {
  assert.equal(codingOf(), "none");
  for (const value of ["chunked", "Chunked", "CHUNKED", "chunked \t"])
    assert.equal(codingOf(value), "chunked");
  for (const value of [
    "",
    "identity",
    "gzip",
    "gzip, chunked",
    "chunked, gzip",
    "chunked, chunked",
    "chunked,",
    ",chunked",
    "chunked;q=1",
    "xchunked",
    "chunkedx",
    '"chunked"',
    "chunked\xa0",
    "\xa0chunked",
    "c hunked",
  ]) {
    assert.equal(codingOf(value), "other", JSON.stringify(value));
  }
});

test("a second Transfer-Encoding is never taken: another reader may look at the other one alone", () => {
  for (const values of [
    ["chunked", "chunked"],
    ["chunked", "identity"],
    ["identity", "chunked"],
    ["chunked", ""],
    ["", "chunked"],
    ["", ""],
  ]) {
    assert.equal(codingOf(...values), "other", values.join(" and "));
  }
});

test("a message without Connection, or with an empty one, has no options", () => {
  const none = { isClose: false, isKeepAlive: false, isUpgrade: false, named: null };
  assert.deepEqual(optionsOf(), none);
  for (const value of ["", ",", " , ,"]) assert.deepEqual(optionsOf(value), none);
});

test("close, keep-alive and upgrade are found in any place, case and field", () => {
  for (const [values, isClose, isKeepAlive, isUpgrade] of [
    [["close"], true, false, false],
    [["CLOSE"], true, false, false],
    [["keep-alive"], false, true, false],
    [["Keep-Alive"], false, true, false],
    [["Upgrade"], false, false, true],
    [["keep-alive, Upgrade"], false, true, true],
    [["keep-alive", "close"], true, true, false],
    [["close", "upgrade"], true, false, true],
    [["keep-alive,\tclose"], true, true, false],
    [["x", "y, close ,", "upgrade"], true, false, true],
    [["closed", "xclose", "keepalive", "upgrade2"], false, false, false],
    [['"close"', "close;x"], false, false, false],
  ] as const) {
    const options = optionsOf(...values);
    assert.deepEqual(
      [options.isClose, options.isKeepAlive, options.isUpgrade],
      [isClose, isKeepAlive, isUpgrade],
      values.join(" | "),
    );
  }
});

test("every other name ends at this hop, in lower case, over several fields", () => {
  const { named } = optionsOf("close, X-One,, x-Two", "X-ONE , keep-alive", "Via");
  assert.deepEqual(named, new Set(["x-one", "x-two", "via"]));
});

test("what the message itself is cannot be named", () => {
  const { named } = optionsOf(
    "Host, Content-Length, Transfer-Encoding, Content-Type, TE, Trailer, Connection, X-Last",
  );
  assert.deepEqual(named, new Set(["x-last"]));
  assert.equal(optionsOf("Host, content-length").named, null);
});
