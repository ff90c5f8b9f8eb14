/**
 * Which name was meant: near ones are found, far ones are not guessed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nearest } from "../../../src/config/nearest.ts";

const KNOWN = ["host", "port", "min_interval", "max_header_bytes", "max_header_count"];

for (const [name, expected] of [
  ["prot", "port"],
  ["ports", "port"],
  ["PORT", "port"],
  ["minInterval", "min_interval"],
  ["min-interval", "min_interval"],
  ["max_header_byte", "max_header_bytes"],
  ["max_header_cuont", "max_header_count"],
  ["timeout", undefined],
  ["", undefined],
  ["x".repeat(1_000_000), undefined],
] as const) {
  test(`${name.slice(0, 20) || "nothing"} means ${expected ?? "none of them"}`, () => {
    assert.equal(nearest(name, KNOWN), expected);
  });
}
