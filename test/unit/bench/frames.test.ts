/** The frames that the bench's WebSocket load and backend speak. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientFrames, maskedFrame, plainFrame } from "../../../bench/load/frames.ts";

const MASK = [1, 2, 3, 4] as const;
const MESSAGE = Buffer.from("hello, bench");

test("a masked frame is that of RFC 6455, section 5.7, as binary", () => {
  const frame = maskedFrame(Buffer.from("Hello"), [0x37, 0xfa, 0x21, 0x3d]);
  assert.equal(frame.toString("hex"), "828537fa213d7f9f4d5158");
});

test("a client's message comes back unmasked", () => {
  assert.deepEqual(new ClientFrames().echo(maskedFrame(MESSAGE, MASK)), plainFrame(MESSAGE));
});

test("however the bytes are cut, every message comes back once", () => {
  const sent = Buffer.concat([maskedFrame(MESSAGE, MASK), maskedFrame(MESSAGE, MASK)]);
  const expected = Buffer.concat([plainFrame(MESSAGE), plainFrame(MESSAGE)]);
  for (let cut = 0; cut <= sent.length; cut++) {
    const frames = new ClientFrames();
    const echoes = [frames.echo(sent.subarray(0, cut)), frames.echo(sent.subarray(cut))];
    assert.deepEqual(Buffer.concat(echoes), expected, `cut at ${cut}`);
  }
});

test("what no bench sends is refused: a frame without a mask, a close, a long one", () => {
  assert.throws(() => new ClientFrames().echo(plainFrame(MESSAGE)), RangeError);
  assert.throws(() => new ClientFrames().echo(Buffer.from([0x88, 0x80, 0, 0, 0, 0])), RangeError);
  assert.throws(() => new ClientFrames().echo(Buffer.from([0x82, 0xfe, 1, 0])), RangeError);
  assert.throws(() => maskedFrame(Buffer.alloc(126), MASK), RangeError);
});
