/**
 * Name table: which octets are a known name, and that nothing else is one.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { NameTable } from "../../../src/wire/name-table.ts";

const table = new NameTable([
  ["x-forwarded-for", 15],
  ["x-attempt-count", 20], // the same length and first letter
  ["host", 1],
  ["http2-settings", 8],
]);

function find(text: string): number {
  const bytes = Buffer.from(`~~${text}~~`, "latin1");
  return table.find(bytes, 2, 2 + text.length);
}

test("a known name is found whatever its case, also one that shares length and first letter", () => {
  for (const write of [(name: string) => name, (name: string) => name.toUpperCase()]) {
    const found = ["x-forwarded-for", "x-attempt-count", "host", "http2-settings"].map((name) =>
      find(write(name)),
    );
    assert.deepEqual(found, [15, 20, 1, 8]);
  }
});

test("every token that differs in one character is another name", () => {
  for (let octet = 33; octet < 127; octet++) {
    const character = String.fromCharCode(octet);
    if (!/[-!#$%&'*+.^_`|~0-9A-Za-z]/.test(character)) continue;
    for (const [name, value] of [
      ["host", 1],
      ["http2-settings", 8],
      ["x-forwarded-for", 15],
    ] as const) {
      for (let at = 0; at < name.length; at++) {
        const written = name.slice(0, at) + character + name.slice(at + 1);
        assert.equal(find(written), written.toLowerCase() === name ? value : 0, written);
      }
    }
  }
});

test("names without a character, and of any length, are none of them", () => {
  for (const name of ["", "h", "hos", "hosts", "x".repeat(31), "x".repeat(32), "h".repeat(4 + 32)]) {
    assert.equal(find(name), 0);
  }
});
