/** Transports: how connections end, from either side, in order and out of it, and what is told of that. */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import type { TestContext } from "node:test";
import { backendTransport, clientTransport } from "../../../../src/data-plane/sockets/open-transport.ts";
import type { Transport } from "../../../../src/data-plane/sockets/transport.ts";
import { onTestEnd } from "../../../support/cleanup.ts";
import { engineOf, testEngines as test } from "../../../support/engines.ts";
import { RawClient } from "../../../support/raw-client.ts";
import { socketPair } from "../../../support/socket-pair.ts";
import { ToldByTransport } from "../../../support/told-by-transport.ts";
import { waitUntil } from "../../../support/wait.ts";

const limit = { timeout: 20_000 };
const MIB = 1_024 * 1_024;

interface Scene {
  readonly transport: Transport;
  readonly user: ToldByTransport;
  readonly peer: RawClient;
  readonly far: Socket;
  /** How often `onceClosed` was told. */
  readonly closed: { count: number; wasLast: boolean };
}

async function startScene(t: TestContext, kind: "backend" | "client" = "client"): Promise<Scene> {
  const [near, far] = await socketPair(t);
  const transport = (kind === "client" ? clientTransport : backendTransport)(near, engineOf(t));
  onTestEnd(t, () => transport.destroy());
  const user = new ToldByTransport(transport);
  const closed = { count: 0, wasLast: false };
  transport.onceClosed(() => {
    closed.count++;
    closed.wasLast = user.told.at(-1)?.startsWith("closed") === true;
  });
  return { transport, user, peer: new RawClient(far), far, closed };
}

/** It was told to be closed once, as the last, and all calls are harmless from there on. */
async function assertClosed({ transport, user, closed }: Scene, told: readonly string[]): Promise<void> {
  await user.seen("closed");
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
  assert.deepEqual(user.told, told);
  assert.deepEqual(closed, { count: 1, wasLast: true });
  assert.deepEqual([transport.isDestroyed, transport.isWritable], [true, false]);
  transport.pause();
  transport.resume();
  transport.rest();
  transport.writeText("too late");
  transport.writeParts([Buffer.from("too"), "late"]);
  transport.end();
  transport.destroySoon();
  transport.reset();
  transport.destroy();
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
  assert.deepEqual([user.told, closed.count], [told, 1]);
}

/** Writes until some of it waits here, and stays: the peer does not read. @returns how many bytes. */
async function fill({ transport, user, peer }: Scene): Promise<number> {
  const step = Buffer.alloc(64 * 1_024, "x");
  let bytes = 0;
  peer.pause();
  await waitUntil("much waits, and stays", () => {
    if (transport.isFull) return true;
    for (; !transport.isFull; bytes += step.length) transport.writeParts([step]);
    return false;
  });
  user.told.length = 0; // some of it may have drained meanwhile
  return bytes;
}

// ── ours ──────────────────────────────────────────────────────────────────────────────────────────

test("our end goes behind all that was written; the peer may still speak", limit, async (t) => {
  const scene = await startScene(t);
  const { transport, user, peer } = scene;
  const bytes = await fill(scene);
  transport.end();
  assert.deepEqual([transport.isWritable, transport.isDestroyed], [false, false]);
  transport.writeText("too late");
  transport.end(); // twice is harmless
  peer.resume();
  assert.equal((await peer.readToEnd()).length, bytes);
  peer.send("one");
  await user.received(3);
  peer.send("two").end();
  await user.received(6);
  await assertClosed(scene, [...user.told.filter((one) => one === "drained"), "fin", "closed"]);
  assert.equal(user.text, "onetwo");
});

test("when both have ended it is closed, whoever was first", limit, async (t) => {
  for (const isOursFirst of [true, false]) {
    const scene = await startScene(t);
    const { transport, user, peer } = scene;
    if (isOursFirst) {
      transport.end();
      assert.equal(await peer.waitClosed(), "end");
      assert.equal(transport.hasEnded, false);
      peer.end();
    } else {
      peer.end();
      await user.seen("fin");
      assert.deepEqual(
        [transport.hasEnded, transport.isDestroyed, transport.isWritable],
        [true, false, true],
      );
      transport.writeText("answer");
      transport.end();
      assert.equal(await peer.waitClosed(), "end");
      assert.equal(peer.unread.toString(), "answer");
    }
    await assertClosed(scene, ["fin", "closed"]);
  }
});

test("destroySoon closes it when all that was written has left", limit, async (t) => {
  const scene = await startScene(t);
  const { transport, peer } = scene;
  const bytes = await fill(scene);
  transport.destroySoon();
  assert.deepEqual([transport.isDestroyed, transport.isWritable], [false, false]);
  transport.writeText("too late");
  await new Promise(setImmediate);
  assert.equal(transport.isDestroyed, false);
  peer.resume();
  assert.equal((await peer.readToEnd()).length, bytes);
  await scene.user.seen("closed");
  assert.equal(await peer.waitClosed(), "end");
  await assertClosed(scene, [...scene.user.told.slice(0, -1), "closed"]);
});

test("destroySoon with nothing to send closes it, and what the peer has is whole", limit, async (t) => {
  const scene = await startScene(t);
  scene.transport.writeText("all");
  scene.transport.destroySoon();
  assert.equal((await scene.peer.readToEnd()).toString(), "all");
  await assertClosed(scene, ["closed"]);
});

for (const [what, close] of [
  ["destroy", (transport: Transport) => transport.destroy()],
  ["reset", (transport: Transport) => transport.reset()],
] as const) {
  test(`a ${what} closes it at once, whatever has not left, and is told later`, limit, async (t) => {
    const scene = await startScene(t);
    const { transport, user, peer } = scene;
    const bytes = await fill(scene);
    close(transport);
    assert.equal(transport.isDestroyed, true);
    assert.deepEqual(user.told, [], "nothing is told from within a call");
    peer.resume();
    await peer.waitClosed();
    assert.ok(peer.bytesReceived < bytes, "some of it had not left");
    await assertClosed(scene, ["closed"]);
  });
}

test("after a reset the peer knows that what it has is not all", limit, async (t) => {
  const scene = await startScene(t);
  const failed = new Promise<NodeJS.ErrnoException>((resolve) => scene.far.once("error", resolve));
  scene.transport.writeText("half");
  await scene.peer.readUntil("half");
  scene.transport.reset();
  assert.equal((await failed).code, "ECONNRESET");
  await assertClosed(scene, ["closed"]);
});

test("a destroy from within what is told of a read is the last of it", limit, async (t) => {
  for (const isBulk of [false, true]) {
    const scene = await startScene(t);
    const { transport, user, peer } = scene;
    transport.isBulk = isBulk;
    const onBytes = user.onBytes.bind(user);
    user.onBytes = (bytes) => {
      onBytes(bytes);
      if (user.length < 500_000) return;
      transport.destroy();
      assert.deepEqual(user.told, []);
    };
    peer.send(Buffer.alloc(8 * MIB)).end();
    await user.seen("closed");
    assert.ok(user.length < MIB, `${user.length} bytes were told`);
    await assertClosed(scene, ["closed"]);
  }
});

// ── the peer's ────────────────────────────────────────────────────────────────────────────────────

for (const kind of ["client", "backend"] as const) {
  test(`a ${kind} that resets is told with why, once`, limit, async (t) => {
    const scene = await startScene(t, kind);
    scene.peer.send("x");
    await scene.user.received(1);
    scene.peer.reset();
    await assertClosed(scene, ["closed ECONNRESET"]);
  });
}

test("a reset while much waits to be written is told once", limit, async (t) => {
  const scene = await startScene(t);
  await fill(scene);
  scene.peer.reset();
  await scene.user.seen("closed");
  await assertClosed(scene, [scene.user.told[0] ?? ""]);
  assert.match(scene.user.told[0] ?? "", /^closed (ECONNRESET|EPIPE)$/);
});

test(
  "a peer that ends while it is not read is told when it is read, behind its last bytes",
  limit,
  async (t) => {
    const scene = await startScene(t);
    const { transport, user, peer } = scene;
    transport.pause();
    peer.send(Buffer.alloc(MIB)).end();
    await waitUntil("it has left", () => scene.far.writableFinished);
    assert.deepEqual([user.length, user.told, transport.hasEnded], [0, [], false]);
    transport.resume();
    await user.seen("fin");
    assert.deepEqual([user.length, user.told, transport.hasEnded], [MIB, ["fin"], true]);
  },
);

// ── a write that fails ────────────────────────────────────────────────────────────────────────────

/** All in one turn of the event loop: the peer speaks and resets, and is written to before any of it could be read. */
async function failWrite(t: TestContext, kind: "backend" | "client", words: string): Promise<Scene> {
  const scene = await startScene(t, kind);
  scene.far.write(words);
  scene.far.resetAndDestroy();
  scene.transport.writeText("into the void");
  assert.deepEqual(scene.user.told, [], "nothing is told from within a call");
  return scene;
}

test(
  "what a backend said before a write failed is read, and then it is closed with why",
  limit,
  async (t) => {
    const words = "last words".repeat(2_000);
    const scene = await failWrite(t, "backend", words);
    await scene.user.received(words.length);
    assert.equal(scene.user.text, words);
    await scene.user.seen("closed");
    assert.match(scene.user.told.at(-1) ?? "", /^closed (ECONNRESET|EPIPE)$/);
    await assertClosed(scene, scene.user.told.slice());
  },
);

test("a backend that says nothing before a write fails is given up in time", limit, async (t) => {
  const scene = await failWrite(t, "backend", "");
  await scene.user.seen("closed");
  assert.match(scene.user.told.at(-1) ?? "", /^closed (ECONNRESET|EPIPE)$/);
});

test("of a client nothing is waited for after a failed write", limit, async (t) => {
  const scene = await failWrite(t, "client", "last words");
  const beganMs = performance.now();
  await scene.user.seen("closed");
  assert.ok(performance.now() - beganMs < 400, "not 500 ms later");
  await assertClosed(scene, scene.user.told.slice());
});

test(
  "what is closed while last words are waited for is told once, and nothing comes later",
  limit,
  async (t) => {
    const scene = await failWrite(t, "backend", "words");
    scene.transport.destroy();
    await assertClosed(scene, ["closed"]);
    await new Promise((resolve) => setTimeout(resolve, 600)); // longer than they are waited for
    assert.deepEqual(scene.user.told, ["closed"]);
  },
);
