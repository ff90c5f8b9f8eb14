import assert from "node:assert/strict";
import { test } from "node:test";
import { listItems, trimBlanks } from "../../../src/wire/lists.ts";

test("only SP and HTAB are white space", () => {
  assert.equal(trimBlanks(" \t a b\t "), "a b");
  assert.equal(trimBlanks("\xa0a\x0b"), "\xa0a\x0b");
  assert.deepEqual([trimBlanks(" \t"), trimBlanks("")], ["", ""]);
});

test("a list's empty members do not count", () => {
  assert.deepEqual(listItems(" a,,\tb , "), ["a", "b"]);
  assert.deepEqual(listItems("\xa0close"), ["\xa0close"]);
  assert.deepEqual(listItems(""), []);
});
