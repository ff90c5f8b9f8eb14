/**
 * Head octets: the same text as numbers, and where its control characters stand.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HeadOctets } from "../../../src/wire/head-octets.ts";
import { octetsOf } from "../../support/heads.ts";

test("every octet is the one of the text, and a NUL stands behind them", () => {
  const text = String.fromCharCode(...Array.from({ length: 256 }, (_, octet) => octet));
  const { bytes } = octetsOf(text);
  assert.deepEqual([...bytes.subarray(0, 257)], [...Array.from({ length: 256 }, (_, octet) => octet), 0]);
});

test("each control character is found at every place, whatever stands around it", () => {
  for (let octet = 0; octet < 256; octet++) {
    const isControl = octet < 32 || octet === 127;
    for (const around of [" ", "a", "~", "\x80", "\x9f", "\xff"]) {
      for (let place = 0; place < 9; place++) {
        const text = `${around.repeat(place)}${String.fromCharCode(octet)}${around.repeat(9 - place)}`;
        const octets = octetsOf(text);
        const expected = isControl ? place : text.length;
        for (let at = 0; at <= place; at++) assert.equal(octets.nextControl(at), expected, `octet ${octet}`);
        assert.equal(octets.nextControl(place + 1), text.length); // the one before is not found again
      }
    }
  }
});

test("in whatever text, the next control character is the first at or behind the place", () => {
  const octet = fc.oneof(fc.constantFrom(0, 9, 10, 13, 31, 32, 126, 127, 128, 255), fc.nat(255));
  const octets = new HeadOctets();
  fc.assert(
    fc.property(fc.array(octet, { maxLength: 200 }), fc.nat(200), (list, from) => {
      octets.take(String.fromCharCode(...list));
      const at = Math.min(from, list.length);
      const found = list.findIndex((each, i) => i >= at && (each < 32 || each === 127));
      assert.equal(octets.nextControl(at), found === -1 ? list.length : found);
    }),
  );
});

test("a longer text than any before is taken whole, and nothing of it is left in a shorter one", () => {
  const octets = new HeadOctets();
  for (const length of [0, 3, 16_383, 16_384, 16_385, 100_000, 5]) {
    octets.take("x".repeat(length));
    assert.equal(octets.text.length, length);
    assert.equal(octets.nextControl(0), length);
  }
});
