/**
 * Transports: every byte arrives as it was, in order, whoever reads slowly and whoever else reads into the same buffer.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { type TestContext, test as testOnce } from "node:test";
import fc from "fast-check";
import {
  backendTransport,
  clientTransport,
  type Engine,
} from "../../../../src/data-plane/sockets/open-transport.ts";
import { kept, ownBuffers } from "../../../../src/data-plane/sockets/read-buffers.ts";
import { NOBODY, type Transport } from "../../../../src/data-plane/sockets/transport.ts";
import { onTestEnd } from "../../../support/cleanup.ts";
import { ENGINES, engineOf, testEngines as test } from "../../../support/engines.ts";
import { RawClient } from "../../../support/raw-client.ts";
import { socketPair } from "../../../support/socket-pair.ts";
import { ToldByTransport } from "../../../support/told-by-transport.ts";
import { waitUntil } from "../../../support/wait.ts";

const limit = { timeout: 60_000 };
const KIB = 1_024;
const MIB = KIB * KIB;

async function open(t: TestContext, engine: Engine): Promise<{ transport: Transport; peer: Socket }> {
  const [near, peer] = await socketPair(t);
  const transport = clientTransport(near, engine);
  onTestEnd(t, () => transport.destroy());
  return { transport, peer };
}

// ── one connection ────────────────────────────────────────────────────────────────────────────────

/** Sizes around those at which something changes: a view made once, a buffer of its own, one whole read. */
const length = fc.oneof(
  fc.integer({ min: 1, max: 100 }),
  fc.integer({ min: 4 * KIB - 2, max: 4 * KIB + 2 }),
  fc.integer({ min: 8 * KIB - 2, max: 8 * KIB + 2 }),
  fc.integer({ min: 60 * KIB, max: 300 * KIB }),
);

test("what is written arrives in order, also while the peer reads slowly", limit, async (t) => {
  const write = fc.record({
    lengths: fc.array(length, { minLength: 1, maxLength: 5 }),
    isText: fc.boolean(),
  });
  const step = fc.oneof({ weight: 4, arbitrary: write }, fc.constantFrom("pause", "resume", "wait"));
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
      const { transport, peer } = await open(t, engineOf(t));
      const reader = new RawClient(peer);
      const sent: Buffer[] = [];
      for (const one of steps) {
        if (one === "pause") reader.pause();
        else if (one === "resume") reader.resume();
        else if (one === "wait") await new Promise(setImmediate);
        else {
          const parts = one.lengths.map((bytes) => randomBytes(bytes));
          sent.push(...parts);
          const texts = parts.map((part) => part.toString("latin1"));
          if (one.isText) for (const text of texts) transport.writeText(text);
          else transport.writeParts(parts.map((part, i) => (i % 2 === 0 ? part : (texts[i] as string))));
        }
      }
      transport.end();
      reader.resume();
      assert.ok((await reader.readToEnd()).equals(Buffer.concat(sent)), "other bytes arrived");
      transport.destroy();
    }),
    { numRuns: 30 },
  );
});

test(
  "what comes is told in order, whatever it is read into, and however often it is paused",
  limit,
  async (t) => {
    const step = fc.oneof(
      { weight: 4, arbitrary: length },
      fc.constantFrom("pause", "resume", "bulk", "no bulk", "rest", "wait"),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), async (steps) => {
        const { transport, peer } = await open(t, engineOf(t));
        const user = new ToldByTransport(transport);
        const sent: Buffer[] = [];
        for (const one of steps) {
          if (one === "pause") transport.pause();
          else if (one === "resume") transport.resume();
          else if (one === "bulk" || one === "no bulk") transport.isBulk = one === "bulk";
          else if (one === "rest") transport.rest();
          else if (one === "wait") await new Promise(setImmediate);
          else {
            const bytes = randomBytes(one);
            sent.push(bytes);
            peer.write(bytes);
          }
        }
        peer.end();
        transport.resume();
        await user.seen("fin");
        assert.ok(user.bytes.equals(Buffer.concat(sent)), "other bytes arrived");
        transport.destroy();
      }),
      { numRuns: 30 },
    );
    await waitUntil("no buffer is held", () => ownBuffers().inUse === 0);
  },
);

test("a pause stops what is told, and a resume goes on where it stopped", limit, async (t) => {
  const { transport, peer } = await open(t, engineOf(t));
  const user = new ToldByTransport(transport);
  peer.write("a");
  await user.received(1);
  transport.pause();
  transport.pause(); // twice is harmless
  const bytes = randomBytes(16 * MIB);
  peer.write(bytes);
  let before = -1;
  await waitUntil("the kernel takes no more", () => {
    const isStill = peer.writableLength === before;
    before = peer.writableLength;
    return isStill;
  });
  assert.ok(before > 0, "all of it was taken");
  assert.equal(user.length, 1);
  transport.resume();
  transport.resume();
  await user.received(1 + bytes.length);
  assert.ok(user.bytes.subarray(1).equals(bytes));
});

// ── many, with one buffer for all ─────────────────────────────────────────────────────────────────

/** All that came to the other end, in time that grows with its length alone. */
class Sink {
  readonly #peer: Socket;
  readonly #pieces: Buffer[] = [];

  constructor(peer: Socket) {
    this.#peer = peer;
    peer.on("data", (bytes: Buffer) => this.#pieces.push(bytes));
  }

  async readToEnd(): Promise<Buffer> {
    await waitUntil("it has ended", () => this.#peer.readableEnded, { limitMs: 30_000 });
    return Buffer.concat(this.#pieces);
  }
}

/** Carries what comes from one side to the other, as a tunnel does. */
function carry(from: Transport, to: Transport, isBulk: (read: number) => boolean): void {
  let reads = 0;
  from.user = {
    ...NOBODY,
    onBytes: (bytes) => {
      // In two pieces, with text beside them, as answers are written.
      const half = bytes.length >> 1;
      if (reads % 3 === 0) to.writeParts([bytes.subarray(0, half), bytes.toString("latin1", half)]);
      else if (reads % 3 === 1) to.writeParts([bytes]);
      else to.writeParts(["", bytes.subarray(0, half), bytes.subarray(half)]);
      from.isBulk = isBulk(reads++);
      if (to.isFull) from.pause();
    },
    onFin: () => to.end(),
  };
  to.user = { ...NOBODY, onDrained: () => from.resume() };
}

const BULK: readonly (readonly [what: string, isBulk: (read: number) => boolean])[] = [
  ["the shared buffer", () => false],
  ["buffers of their own", () => true],
  ["now the shared, now their own", (read) => read % 5 < 2],
];

for (const inwards of ENGINES) {
  for (const outwards of ENGINES) {
    for (const [what, isBulk] of BULK) {
      testOnce(
        `connections that read into ${what} never disturb what waits for a slow reader (${inwards} to ${outwards})`,
        limit,
        async (t) => {
          const ways = [];
          for (let i = 0; i < 4; i++) {
            const from = await open(t, inwards);
            const to = await open(t, outwards);
            carry(from.transport, to.transport, isBulk);
            ways.push({ from, to, sink: new Sink(to.peer), bytes: randomBytes((i === 0 ? 16 : 4) * MIB) });
          }
          const [slow, ...others] = ways;
          assert.ok(slow);
          slow.to.peer.pause();
          slow.from.peer.end(slow.bytes);
          let looks = 0;
          await waitUntil("the slow one takes no more", () => {
            looks = slow.to.transport.isFull ? looks + 1 : 0;
            return looks > 10; // the kernel takes a little more for a while
          });
          for (const { from, bytes } of others) from.peer.end(bytes);
          for (const { sink, bytes } of others) assert.ok((await sink.readToEnd()).equals(bytes));
          assert.ok(slow.to.transport.isFull, "it still waits");
          slow.to.peer.resume();
          assert.ok((await slow.sink.readToEnd()).equals(slow.bytes), "other bytes arrived");
        },
      );
    }
  }
}

test("bytes that are kept stay as they are, however much is read after them", limit, async (t) => {
  const all: { pieces: Buffer[]; bytes: Buffer; length: number }[] = [];
  for (let i = 0; i < 3; i++) {
    const { transport, peer } = await open(t, engineOf(t));
    const seen = { pieces: [] as Buffer[], bytes: randomBytes(2 * MIB), length: 0 };
    all.push(seen);
    transport.user = {
      ...NOBODY,
      onBytes: (bytes) => {
        transport.isBulk = seen.pieces.length % 4 < 2;
        seen.pieces.push(kept(bytes));
        seen.length += bytes.length;
      },
    };
    for (let at = 0; at < seen.bytes.length; ) {
      const end = at + 1 + Math.floor(Math.random() * 40 * KIB);
      peer.write(seen.bytes.subarray(at, end));
      at = end;
    }
  }
  for (const { length: expected } of all.map(({ bytes }) => bytes)) {
    await waitUntil("all has come", () => all.every(({ length: came }) => came === expected));
  }
  for (const { pieces, bytes } of all)
    assert.ok(Buffer.concat(pieces).equals(bytes), "other bytes were kept");
});

// ── how much waits ────────────────────────────────────────────────────────────────────────────────

test("a peer that reads no more is told by isFull, and the drain when all has left", limit, async (t) => {
  const { transport, peer } = await open(t, engineOf(t));
  const user = new ToldByTransport(transport);
  assert.deepEqual([transport.isFull, transport.isFlushed], [false, true]);
  transport.writeText("x");
  assert.deepEqual([transport.isFull, transport.isFlushed], [false, true]);
  peer.pause();
  let sent = 0;
  await waitUntil("much waits, and stays", () => {
    if (transport.isFull) return true;
    for (; !transport.isFull; sent++) transport.writeParts([Buffer.alloc(64 * KIB)]);
    return false;
  });
  assert.ok(sent < 1_000, "64 MiB were taken");
  assert.deepEqual([transport.isFlushed, transport.isWritable], [false, true]);
  user.told.length = 0;
  await new Promise(setImmediate);
  assert.deepEqual(user.told, []);
  peer.resume();
  await user.seen("drained");
  await waitUntil("all has left", () => transport.isFlushed);
  assert.deepEqual([transport.isFull, transport.isFlushed], [false, true]);
});

test(
  "who asks whether all has left, and it has not, is told when it has, though it was never full",
  limit,
  async (t) => {
    const { transport, peer } = await open(t, engineOf(t));
    const user = new ToldByTransport(transport);
    peer.pause();
    await waitUntil("some of it waits, and stays", () => {
      if (!transport.isFlushed) return true;
      while (transport.isFlushed) transport.writeParts([Buffer.alloc(8 * KIB)]);
      return false;
    });
    assert.deepEqual([transport.isFull, transport.isFlushed], [false, false]);
    user.told.length = 0;
    peer.resume();
    await user.seen("drained");
    assert.equal(transport.isFlushed, true);
  },
);

test(
  "a bulk body is read into a buffer of its own, which goes back when it is no longer one",
  limit,
  async (t) => {
    const isOwn = engineOf(t) === "auto" ? 1 : 0;
    const { transport, peer } = await open(t, engineOf(t));
    const user = new ToldByTransport(transport);
    const send = async (bytes: number): Promise<void> => {
      const before = user.length;
      peer.write(Buffer.alloc(bytes));
      await user.received(before + bytes);
    };
    await send(200 * KIB);
    assert.equal(ownBuffers().inUse, 0, "nobody has said that it is bulk");
    transport.isBulk = true;
    await send(100);
    assert.equal(ownBuffers().inUse, 0, "a small read is no reason");
    await send(200 * KIB);
    assert.equal(ownBuffers().inUse, isOwn);
    transport.rest();
    transport.rest(); // twice is harmless
    assert.equal(ownBuffers().inUse, 0);
    await send(200 * KIB);
    assert.equal(ownBuffers().inUse, isOwn);
    transport.isBulk = false;
    await send(1);
    assert.equal(ownBuffers().inUse, 0);
    transport.isBulk = true;
    await send(200 * KIB);
    transport.destroy();
    transport.rest(); // too late, and harmless
    await user.seen("closed");
    assert.equal(ownBuffers().inUse, 0);
  },
);

testOnce("a buffer whose connection is closed stays until what was lent of it has left", limit, async (t) => {
  const from = await open(t, "auto");
  const to = await open(t, "auto");
  const other = await open(t, "auto");
  const reader = new RawClient(to.peer);
  reader.pause();
  const sent: Buffer[] = [];
  while (!to.transport.isFull) {
    sent.push(randomBytes(64 * KIB));
    to.transport.writeParts(sent.slice(-1));
  }
  from.transport.isBulk = true;
  let reads = 0;
  from.transport.user = {
    ...NOBODY,
    onBytes: (bytes) => {
      if (reads++ === 0) return; // into the shared one
      from.transport.destroy(); // first, as when a stream is ended in the middle of a read
      sent.push(Buffer.from(bytes));
      to.transport.writeParts([bytes]);
      assert.equal(ownBuffers().inUse, 1);
    },
  };
  from.peer.write(randomBytes(2 * MIB));
  await waitUntil("it is closed", () => from.transport.isDestroyed);
  // Somebody else needs one now.
  const user = new ToldByTransport(other.transport);
  other.transport.isBulk = true;
  other.peer.write(Buffer.alloc(2 * MIB, "x"));
  await user.received(2 * MIB);
  assert.equal(ownBuffers().inUse, 2);
  to.transport.end();
  reader.resume();
  assert.ok((await reader.readToEnd()).equals(Buffer.concat(sent)), "other bytes arrived");
  other.transport.destroy();
  await waitUntil("no buffer is held", () => ownBuffers().inUse === 0);
});

for (const [what, close] of [
  ["destroyed", (to: Transport) => to.destroy()],
  ["reset", (to: Transport) => to.reset()],
] as const) {
  testOnce(`what was lent to a connection that is ${what} comes back`, limit, async (t) => {
    const from = await open(t, "auto");
    const to = await open(t, "auto");
    carry(from.transport, to.transport, () => true);
    to.peer.pause();
    from.peer.write(Buffer.alloc(32 * MIB));
    await waitUntil("it takes no more", () => to.transport.isFull);
    assert.ok(ownBuffers().inUse > 0);
    close(to.transport);
    from.transport.destroy();
    await waitUntil("no buffer is held", () => ownBuffers().inUse === 0);
  });
}

test("the address of the peer is known while it is there", limit, async (t) => {
  const [near, peer] = await socketPair(t);
  const transport = backendTransport(near, engineOf(t));
  onTestEnd(t, () => transport.destroy());
  assert.equal(transport.remoteAddress, "127.0.0.1");
  peer.destroy();
  transport.destroy();
  if (engineOf(t) === "auto") assert.equal(transport.remoteAddress, undefined);
});
