/**
 * MessageWriter: what is put in comes out in order, late and together, and can be taken back until it has left.
 */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import fc from "fast-check";
import { MessageWriter } from "../../../../src/data-plane/forward/message-writer.ts";
import { engineOf, testEngines as test } from "../../../support/engines.ts";
import { RawClient } from "../../../support/raw-client.ts";
import { ToldByTransport } from "../../../support/told-by-transport.ts";
import { waitUntil } from "../../../support/wait.ts";
import { transportPair } from "../../../support/watched-transport.ts";

const limit = { timeout: 20_000 };
const KIB = 1_024;

async function startWriter(t: TestContext) {
  const [transport, far] = await transportPair(t, engineOf(t), "client");
  return { writer: new MessageWriter(transport), transport, peer: new RawClient(far) };
}

async function read(peer: RawClient, length: number): Promise<string> {
  return await peer.readUntil((unread) => unread.length >= length);
}

test("nothing leaves before it is flushed, and then all of it in one write", limit, async (t) => {
  const { writer, transport, peer } = await startWriter(t);
  writer.text("HTTP/1.1 200 OK\r\n\r\n");
  writer.chunk(Buffer.from("a\xff", "latin1"));
  writer.piece(Buffer.from("b"));
  writer.lastChunk("X: 1\r\n");
  assert.equal(transport.writes, 0);
  assert.equal(writer.flush(), true);
  assert.equal(transport.writes, 1);
  const expected = "HTTP/1.1 200 OK\r\n\r\n2\r\na\xff\r\nb0\r\nX: 1\r\n\r\n";
  assert.equal(await read(peer, expected.length), expected);
});

test("a large piece leaves with the text around it, in one gathering write", limit, async (t) => {
  const { writer, transport, peer } = await startWriter(t);
  const piece = Buffer.alloc(32 * KIB, "x");
  writer.text("head\r\n");
  writer.chunk(piece);
  writer.lastChunk("");
  writer.flush();
  assert.equal(transport.writes, 1);
  const expected = `head\r\n8000\r\n${"x".repeat(piece.length)}\r\n0\r\n\r\n`;
  assert.equal(await read(peer, expected.length), expected);
});

test("a flush of nothing writes nothing", limit, async (t) => {
  const { writer, transport } = await startWriter(t);
  assert.equal(writer.flush(), true);
  writer.piece(Buffer.alloc(8 * KIB));
  writer.flush();
  writer.flush();
  assert.equal(transport.writes, 1);
});

test("many small pieces arrive whole, and in one write", limit, async (t) => {
  const { writer, transport, peer } = await startWriter(t);
  const pieces = Array.from({ length: 1_000 }, (_, i) => `${i} `.padEnd(100, "x"));
  for (const piece of pieces) writer.piece(Buffer.from(piece));
  writer.flush();
  assert.equal(transport.writes, 1);
  assert.ok((await read(peer, 100_000)) === pieces.join(""), "other bytes arrived");
});

test(
  "a peer that reads no more is told by the flush, and the drain follows when it reads",
  limit,
  async (t) => {
    const { writer, transport, peer } = await startWriter(t);
    peer.pause();
    let isTaken = true;
    for (let i = 0; i < 1_000 && isTaken; i++) {
      writer.piece(Buffer.alloc(64 * KIB));
      isTaken = writer.flush();
    }
    assert.equal(isTaken, false);
    const user = new ToldByTransport(transport);
    peer.resume();
    await user.seen("drained");
    writer.text("x");
    assert.equal(writer.flush(), true);
  },
);

test("all since the mark can be taken back; what was gathered before it stays", limit, async (t) => {
  const { writer, peer } = await startWriter(t);
  writer.text("interim|");
  writer.mark();
  writer.text("head|");
  writer.chunk(Buffer.from("body"));
  assert.equal(writer.retract(), true);
  writer.mark();
  writer.text("error|");
  writer.flush();
  assert.equal(await peer.readUntil("error|"), "interim|error|");
});

for (const [what, leave] of [
  ["a flush", (writer: MessageWriter) => writer.flush()],
  ["a large piece", (writer: MessageWriter) => writer.piece(Buffer.alloc(5 * KIB, "y"))],
  [
    "more small pieces than are kept",
    (writer: MessageWriter) => {
      for (let i = 0; i < 50; i++) writer.piece(Buffer.alloc(100, "y"));
    },
  ],
] as const) {
  test(`after ${what} it is too late to take anything back`, limit, async (t) => {
    const { writer, peer } = await startWriter(t);
    writer.mark();
    writer.text("head|");
    leave(writer);
    assert.equal(writer.retract(), false);
    writer.text("|end");
    writer.flush();
    assert.match(await peer.readUntil("|end"), /^head\|y*\|end$/);
  });
}

test("a large piece right behind the mark has left, too", limit, async (t) => {
  const { writer, peer } = await startWriter(t);
  writer.mark();
  writer.piece(Buffer.alloc(5 * KIB, "y"));
  assert.equal(writer.retract(), false);
  writer.flush();
  assert.equal((await read(peer, 5 * KIB)).length, 5 * KIB);
});

test("without a mark there is nothing to take back", limit, async (t) => {
  const { writer, peer } = await startWriter(t);
  writer.text("a");
  assert.equal(writer.retract(), false);
  writer.flush();
  assert.equal(await peer.readUntil("a"), "a");
});

test("whatever mix of text, pieces and chunks comes, its bytes arrive in order", limit, async (t) => {
  const { writer, transport, peer } = await startWriter(t);
  // Around 4 KiB, where pieces are no longer copied, and around 64 KiB, where the socket is full.
  const length = fc.oneof(
    fc.integer({ min: 1, max: 100 }),
    fc.integer({ min: 4_090, max: 4_100 }),
    fc.constant(70_000),
  );
  const step = fc.oneof(
    fc.record({ kind: fc.constantFrom("text", "piece", "chunk"), length }),
    fc.record({ kind: fc.constantFrom("last", "flush"), length: fc.constant(0) }),
  );
  let octet = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
      let expected = "";
      for (const { kind, length: bytes } of steps) {
        const piece = Buffer.alloc(bytes);
        for (let i = 0; i < bytes; i++) piece[i] = octet++ & 255;
        const text = piece.toString("latin1");
        if (kind === "text") writer.text(text);
        else if (kind === "piece") writer.piece(piece);
        else if (kind === "chunk") writer.chunk(piece);
        else if (kind === "last") writer.lastChunk("A: 1\r\n");
        else writer.flush();
        if (kind === "last") expected += "0\r\nA: 1\r\n\r\n";
        else if (kind === "chunk") expected += `${bytes.toString(16)}\r\n${text}\r\n`;
        else expected += text;
      }
      writer.flush();
      assert.ok((await read(peer, expected.length)) === expected, "other bytes arrived");
      await waitUntil("all has left", () => transport.isFlushed);
    }),
    { numRuns: 60 },
  );
});
