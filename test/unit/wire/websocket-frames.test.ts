/**
 * WebSocket frames: where one ends, for every length and mask, cut anywhere.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CLOSE_SERVICE_RESTART, WebSocketFrames } from "../../../src/wire/websocket-frames.ts";

const TEXT = 0x81;
const CLOSE = 0x88;

/** A frame whose payload looks like headers, so that a reader who is out of step stays so. */
function frame(first: number, size: number, form: "short" | "16" | "64", isMasked: boolean): Buffer {
  const mask = isMasked ? 0x80 : 0;
  const head =
    form === "short"
      ? [first, mask | size]
      : form === "16"
        ? [first, mask | 126, size >> 8, size & 255]
        : [first, mask | 127, 0, 0, 0, 0, 0, size >> 16, (size >> 8) & 255, size & 255];
  return Buffer.concat([Buffer.from(head), Buffer.alloc(isMasked ? 4 : 0, CLOSE), Buffer.alloc(size, CLOSE)]);
}

const FRAMES: readonly (readonly [string, Buffer])[] = [
  ["an empty one", frame(TEXT, 0, "short", false)],
  ["an empty one, masked", frame(TEXT, 0, "short", true)],
  ["one of 1 byte", frame(TEXT, 1, "short", false)],
  ["one of 125 bytes", frame(TEXT, 125, "short", false)],
  ["one of 125 bytes, masked", frame(TEXT, 125, "short", true)],
  ["one of 126 bytes", frame(TEXT, 126, "16", false)],
  ["one of 300 bytes, masked", frame(TEXT, 300, "16", true)],
  ["one of 0 bytes with a length of 16 bits", frame(TEXT, 0, "16", false)],
  ["one of 256 bytes with a length of 64 bits", frame(TEXT, 256, "64", false)],
  ["one of 0 bytes with a length of 64 bits, masked", frame(TEXT, 0, "64", true)],
];

for (const [what, bytes] of FRAMES) {
  test(`${what}, cut at every byte, ends where it ends`, () => {
    const following = frame(TEXT, 7, "short", false);
    for (let cut = 1; cut < bytes.length; cut++) {
      const frames = new WebSocketFrames();
      assert.ok(frames.isBetween);
      frames.pass(bytes.subarray(0, cut));
      assert.ok(!frames.isBetween, `cut at ${cut}`);
      const rest = Buffer.concat([bytes.subarray(cut), following]);
      assert.equal(frames.passToEnd(rest), bytes.length - cut, `cut at ${cut}`);
      assert.ok(frames.isBetween);
      frames.pass(following);
      assert.ok(frames.isBetween);
    }
    const whole = new WebSocketFrames();
    whole.pass(bytes);
    assert.ok(whole.isBetween && !whole.hasClosed);
    const byteByByte = new WebSocketFrames();
    for (const [i, octet] of bytes.entries()) {
      byteByByte.pass(Buffer.of(octet));
      assert.equal(byteByByte.isBetween, i === bytes.length - 1);
    }
  });
}

test("any frames, in any pieces, are between two exactly where one has ended", () => {
  const one = fc.record({
    size: fc.oneof(fc.integer({ min: 0, max: 125 }), fc.integer({ min: 0, max: 2_000 })),
    isMasked: fc.boolean(),
    isLong: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(one, { minLength: 1, maxLength: 8 }), fc.array(fc.nat(9_000)), (specs, cuts) => {
      const sent = specs.map(({ size, isMasked, isLong }) =>
        frame(TEXT, size, isLong ? "64" : size < 126 ? "short" : "16", isMasked),
      );
      const ends = new Set<number>();
      let length = 0;
      for (const each of sent) {
        length += each.length;
        ends.add(length);
      }
      const bytes = Buffer.concat(sent);
      const edges = [0, ...cuts.filter((cut) => cut < length).toSorted((a, b) => a - b), length];
      const frames = new WebSocketFrames();
      edges.slice(1).forEach((end, i) => {
        frames.pass(bytes.subarray(edges[i], end));
        assert.equal(frames.isBetween, end === 0 || ends.has(end), `at ${end}`);
      });
      assert.ok(!frames.hasClosed);
    }),
  );
});

test("a close frame is known once it is whole, and as nothing else", () => {
  const frames = new WebSocketFrames();
  frames.pass(Buffer.from([TEXT, 2, CLOSE, CLOSE]));
  assert.ok(!frames.hasClosed);
  frames.pass(CLOSE_SERVICE_RESTART.subarray(0, 3));
  assert.ok(!frames.hasClosed);
  frames.pass(CLOSE_SERVICE_RESTART.subarray(3));
  assert.ok(frames.hasClosed && frames.isBetween);
  const inOnePiece = new WebSocketFrames();
  inOnePiece.pass(Buffer.concat([Buffer.from([TEXT, 0]), CLOSE_SERVICE_RESTART]));
  assert.ok(inOnePiece.hasClosed && inOnePiece.isBetween);
});

test("our close frame says 1012, unmasked and whole", () => {
  assert.equal(CLOSE_SERVICE_RESTART.toString("hex"), "880203f4");
  assert.equal(CLOSE_SERVICE_RESTART.readUInt16BE(2), 1012);
});

test("a frame of more bytes than there can be never ends", () => {
  const frames = new WebSocketFrames();
  frames.pass(Buffer.from([TEXT, 127, 255, 255, 255, 255, 255, 255, 255, 255]));
  const piece = Buffer.alloc(1_024 * 1_024);
  for (let i = 0; i < 100; i++) assert.equal(frames.passToEnd(piece), piece.length);
  assert.ok(!frames.isBetween);
});
