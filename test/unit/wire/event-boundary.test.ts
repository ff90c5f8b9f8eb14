/**
 * Event boundary: between which bytes a stream of events may end, for every kind of line end, cut anywhere.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EventBoundary } from "../../../src/wire/event-boundary.ts";

/** Where the text stands, found the plain way: by its lines. */
function placeOf(text: string): "between" | "perhaps" | "within" {
  if (text === "") return "between";
  if (!/[\r\n]$/.test(text)) return "within";
  const lines = text.split(/\r\n|\n|\r/);
  const isBlank = lines.at(-2) === ""; // the last one has not begun
  if (!isBlank) return "within";
  return text.endsWith("\r") ? "perhaps" : "between";
}

function place(boundary: EventBoundary): "between" | "perhaps" | "within" {
  return boundary.isBetween ? "between" : boundary.isPerhapsBetween ? "perhaps" : "within";
}

const anyText = fc
  .array(fc.constantFrom("\n", "\r", "\r\n", "\n\n", "\r\n\r\n", "data: x", ":", "y"), { maxLength: 12 })
  .map((parts) => parts.join(""));

test("after any pieces it stands where the whole text stands", () => {
  fc.assert(
    fc.property(anyText, fc.array(fc.nat(40)), (text, cuts) => {
      const bytes = Buffer.from(text);
      const edges = [0, ...cuts.filter((cut) => cut < bytes.length).toSorted((a, b) => a - b), bytes.length];
      const boundary = new EventBoundary();
      edges.slice(1).forEach((end, i) => {
        boundary.pass(bytes.subarray(edges[i], end));
        assert.equal(place(boundary), placeOf(text.slice(0, end)), JSON.stringify(text.slice(0, end)));
      });
    }),
    { numRuns: 2_000 },
  );
});

for (const [name, end] of [
  ["LF", "\n\n"],
  ["CRLF", "\r\n\r\n"],
  ["LF and CRLF", "\n\r\n"],
  ["CRLF and LF", "\r\n\n"],
] as const) {
  test(`an event that ends with ${name}, cut at every byte, passes whole, and nothing behind it`, () => {
    const event = `id: 1\ndata: a${end}`;
    const bytes = Buffer.from(`${event}data: next${end}`);
    for (let cut = 1; cut < event.length; cut++) {
      const boundary = new EventBoundary();
      boundary.pass(bytes.subarray(0, cut));
      assert.ok(!boundary.isBetween, `cut at ${cut}`);
      assert.equal(boundary.passToEnd(bytes.subarray(cut)), event.length - cut, `cut at ${cut}`);
      assert.ok(boundary.isBetween);
      const byteByByte = new EventBoundary();
      for (const octet of bytes.subarray(0, event.length - 1)) {
        assert.equal(byteByByte.passToEnd(Buffer.of(octet)), 1);
        assert.ok(!byteByByte.isBetween);
      }
      assert.equal(byteByByte.passToEnd(bytes.subarray(event.length - 1, event.length)), 1);
      assert.ok(byteByByte.isBetween);
    }
  });
}

test("two CR end an event once it is known that no LF belongs to the second", () => {
  const boundary = new EventBoundary();
  assert.equal(boundary.passToEnd(Buffer.from("data: a\r\r")), 9);
  assert.ok(!boundary.isBetween && boundary.isPerhapsBetween);
  assert.equal(boundary.passToEnd(Buffer.from("data: b\r\r")), 0);
  assert.ok(boundary.isBetween);
  const withLf = new EventBoundary();
  withLf.pass(Buffer.from("data: a\r\n\r"));
  assert.equal(withLf.passToEnd(Buffer.from("\ndata: b")), 1);
  assert.ok(withLf.isBetween);
});

test("before the first byte it stands between two events", () => {
  assert.ok(new EventBoundary().isBetween);
});
