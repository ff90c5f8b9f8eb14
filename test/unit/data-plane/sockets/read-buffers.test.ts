/** Read buffers: who reads into which one, and how many there are of them. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import {
  giveBack,
  kept,
  leave,
  lend,
  nextBuffer,
  ownBuffers,
  type ReadBuffer,
  SHARED,
  setTold,
  viewOf,
  writable,
} from "../../../../src/data-plane/sockets/read-buffers.ts";

const LARGE_BYTES = 64 * 1_024;
const MOST_OWN = 256;
const MOST_FREE = 16;

/** As a connection in the middle of a large body has. */
function takeOwn(): ReadBuffer {
  const buffer = nextBuffer(SHARED, LARGE_BYTES, true);
  assert.equal(buffer.isShared, false);
  return buffer;
}

/** Not by assert.equal: it would print all their bytes. */
function assertSame(actual: unknown, expected: unknown, why?: string): void {
  assert.ok(actual === expected, why ?? "it is another one");
}

/** What `act` gives while the bytes of `buffer` are being told. */
function whileTold<T>(buffer: ReadBuffer, act: () => T): T {
  setTold(buffer);
  const result = act();
  setTold(null);
  return result;
}

afterEach(() => assert.equal(ownBuffers().inUse, 0, "nothing is left behind"));

test("only a large read of a bulk body leads to a buffer of its own", () => {
  for (const [bytes, isBulk, isOwn] of [
    [LARGE_BYTES, true, true],
    [8 * 1_024, true, true],
    [8 * 1_024 - 1, true, false],
    [LARGE_BYTES, false, false],
  ] as const) {
    const buffer = nextBuffer(SHARED, bytes, isBulk);
    assert.equal(!buffer.isShared, isOwn, `${bytes} bytes`);
    leave(buffer);
  }
});

test("an own buffer is read into again while nothing of it is lent, however small the reads", () => {
  const own = takeOwn();
  assertSame(nextBuffer(own, 1, true), own);
  assertSame(nextBuffer(own, LARGE_BYTES, true), own);
  assertSame(nextBuffer(own, LARGE_BYTES, false), SHARED, "it is no bulk body any more");
});

test("what is lent is not read into: large reads get another buffer, small ones the shared", () => {
  for (const [bytes, isShared] of [
    [LARGE_BYTES, false],
    [1, true],
  ] as const) {
    const own = takeOwn();
    const lent = whileTold(own, lend);
    assertSame(lent, own);
    const next = nextBuffer(own, bytes, true);
    assert.ok(next !== own);
    assert.equal(next.isShared, isShared);
    assert.equal(ownBuffers().inUse, isShared ? 1 : 2);
    giveBack(own);
    leave(next);
  }
});

test("a buffer is free when its connection has left it and nothing of it is lent, in either order", () => {
  const first = takeOwn();
  whileTold(first, () => [lend(), lend()]);
  leave(first);
  giveBack(first);
  assert.equal(ownBuffers().inUse, 1);
  giveBack(first);
  assert.equal(ownBuffers().inUse, 0);
  const second = takeOwn();
  whileTold(second, lend);
  giveBack(second);
  assert.equal(ownBuffers().inUse, 1);
  leave(second);
});

test("a buffer that is left while it is told can be lent until that is over, and no one has it before", () => {
  const own = takeOwn();
  whileTold(own, () => {
    leave(own);
    const other = takeOwn();
    assert.ok(other !== own);
    leave(other);
    assertSame(lend(), own);
  });
  assert.equal(ownBuffers().inUse, 1);
  giveBack(own);
  const unused = takeOwn();
  whileTold(unused, () => leave(unused));
  assert.equal(ownBuffers().inUse, 0);
});

test("there are never more than 256 own ones: the others are read into the shared one; 16 are kept", () => {
  const own = Array.from({ length: MOST_OWN }, takeOwn);
  assert.equal(new Set(own).size, MOST_OWN);
  assert.deepEqual(ownBuffers(), { inUse: MOST_OWN, free: 0 });
  assertSame(nextBuffer(SHARED, LARGE_BYTES, true), SHARED);
  const [first] = own;
  assert.ok(first);
  whileTold(first, lend);
  assertSame(nextBuffer(first, LARGE_BYTES, true), SHARED, "nor is there another for what is lent");
  giveBack(first);
  for (const buffer of own.slice(1)) leave(buffer);
  assert.deepEqual(ownBuffers(), { inUse: 0, free: MOST_FREE });
  const again = Array.from({ length: MOST_OWN }, takeOwn);
  assertSame(nextBuffer(SHARED, LARGE_BYTES, true), SHARED);
  for (const buffer of again) leave(buffer);
  assert.deepEqual(ownBuffers(), { inUse: 0, free: MOST_FREE });
});

test("bytes that are told are copied where they are needed later; all others stay what they are", () => {
  const own = takeOwn();
  const others = Buffer.from("others");
  assertSame(kept(viewOf(SHARED, 3)).buffer, SHARED.bytes.buffer, "nothing is told");
  for (const buffer of [SHARED, own]) {
    buffer.bytes.write("abc");
    const [keptBytes, keptOthers] = whileTold(buffer, () => [kept(viewOf(buffer, 3)), kept(others)] as const);
    buffer.bytes.write("xyz");
    assert.equal(keptBytes.toString(), "abc");
    assert.equal(keptOthers, others);
  }
  leave(own);
});

test("the shared buffer's bytes are copied to be written; an own one is lent, the shared one never", () => {
  const own = takeOwn();
  const others = Buffer.from("others");
  whileTold(SHARED, () => {
    assert.ok((writable(viewOf(SHARED, 10_000)) as Buffer).buffer !== SHARED.bytes.buffer);
    assert.deepEqual([writable("text"), writable(others), lend()], ["text", others, null]);
  });
  whileTold(own, () => {
    const view = viewOf(own, 10_000);
    assertSame(writable(view), view);
    assertSame(writable(others), others);
  });
  assert.equal(lend(), null, "nothing is told");
  leave(own);
});

test("an own buffer takes an answer of 64 KiB with its head in one read", () => {
  const own = takeOwn();
  assert.ok(own.bytes.length > SHARED.bytes.length);
  leave(own);
});

test("views of the shared buffer are as long as what was read, small ones made once", () => {
  for (const bytes of [1, 4 * 1_024, 4 * 1_024 + 1, LARGE_BYTES]) {
    const view = viewOf(SHARED, bytes);
    assert.deepEqual([view.length, view.byteOffset], [bytes, SHARED.bytes.byteOffset]);
    assert.equal(viewOf(SHARED, bytes) === view, bytes <= 4 * 1_024);
  }
});
