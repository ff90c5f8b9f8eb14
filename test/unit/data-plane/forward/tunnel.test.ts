/**
 * Tunnel: bytes both ways over real connections, until both sides have ended.
 *
 *   client ◄─TCP─► (near ◄─ tunnel ─► near) ◄─TCP─► backend
 */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { LongRunning } from "../../../../src/data-plane/backend/running.ts";
import { Tunnel } from "../../../../src/data-plane/forward/tunnel.ts";
import { engineOf, testEngines as test } from "../../../support/engines.ts";
import { RawClient } from "../../../support/raw-client.ts";
import { waitUntil } from "../../../support/wait.ts";
import { transportPair, type WatchedTransport } from "../../../support/watched-transport.ts";

const limit = { timeout: 20_000 };
const MIB = 1_024 * 1_024;
const NOTHING = Buffer.alloc(0);

interface Scene {
  readonly client: RawClient;
  readonly backend: RawClient;
  /** The tunnel's own ends. */
  readonly ends: readonly [WatchedTransport, WatchedTransport];
  readonly tunnel: Tunnel;
  readonly running: Set<LongRunning>;
}

/** What came behind the heads. */
interface Rest {
  readonly client: Buffer;
  readonly backend: Buffer;
}

/** Reads so many bytes away; more would be found by the next to read. */
async function readAway(side: RawClient, length: number): Promise<void> {
  for (let read = 0; read < length; ) read += (await side.readUntil((unread) => unread !== "")).length;
}

/** Writes until some of it stays: the other side, paused, takes no more. @returns how many bytes. */
async function fill(transport: WatchedTransport): Promise<number> {
  const step = Buffer.alloc(16 * 1_024, "x");
  const before = transport.bytesWritten;
  await waitUntil("the way is full, and stays so", () => {
    if (!transport.isFlushed) return true;
    while (transport.isFlushed) transport.writeParts([step]);
    return false;
  });
  return transport.bytesWritten - before;
}

/** Not started yet. */
async function makeTunnel(
  t: TestContext,
  rest: Rest = { client: NOTHING, backend: NOTHING },
  isWebSocket = false,
): Promise<Scene> {
  const [toClient, client] = await transportPair(t, engineOf(t), "client");
  const [toBackend, backend] = await transportPair(t, engineOf(t), "backend");
  const running = new Set<LongRunning>();
  const tunnel = new Tunnel(
    { transport: toClient, rest: rest.client },
    { transport: toBackend, rest: rest.backend },
    running,
    isWebSocket,
  );
  return {
    client: new RawClient(client),
    backend: new RawClient(backend),
    ends: [toClient, toBackend],
    tunnel,
    running,
  };
}

async function startTunnel(t: TestContext, rest?: Rest): Promise<Scene> {
  const scene = await makeTunnel(t, rest);
  scene.tunnel.start();
  return scene;
}

/** The tunnel has ended, and holds nothing any more. */
async function assertOver({ ends, running }: Scene): Promise<void> {
  await waitUntil("the tunnel is over", () => running.size === 0);
  assert.ok(ends.every(({ isDestroyed }) => isDestroyed));
}

/** Each direction, so that what holds for one is shown to hold for the other. */
const DIRECTIONS = [
  ["from the client to the backend", ({ client, backend }: Scene) => [client, backend] as const],
  ["from the backend to the client", ({ client, backend }: Scene) => [backend, client] as const],
] as const;

test("what came behind the heads goes first, both ways", limit, async (t) => {
  const { client, backend } = await startTunnel(t, {
    client: Buffer.from("early from the client,"),
    backend: Buffer.from("early from the backend,"),
  });
  client.send("then this");
  backend.send("then that");
  assert.equal(await backend.readUntil("this"), "early from the client,then this");
  assert.equal(await client.readUntil("that"), "early from the backend,then that");
});

for (const [direction, sides] of DIRECTIONS) {
  test(`every byte arrives ${direction}, in order`, limit, async (t) => {
    const scene = await startTunnel(t);
    const [from, to] = sides(scene);
    const bytes = Buffer.from(Uint8Array.from({ length: 3 * MIB }, (_, i) => (i * 7) & 255));
    from.send(bytes);
    const seen = await to.readUntil((unread) => unread.length === bytes.length);
    assert.ok(seen === bytes.toString("latin1"));
    assert.equal(scene.running.size, 1);
  });

  test(
    `a side that ends is ended on the other; what still comes the other way goes on (${direction})`,
    limit,
    async (t) => {
      const scene = await startTunnel(t);
      const [from, to] = sides(scene);
      from.send("last words").end();
      assert.equal(await to.readUntil("words"), "last words");
      assert.equal(await to.waitClosed(), "end");
      for (const word of ["one", "two"]) {
        to.send(word);
        assert.equal(await from.readUntil(word), word);
      }
      assert.equal(scene.running.size, 1);
      to.end();
      assert.equal(await from.waitClosed(), "end");
      await assertOver(scene);
    },
  );

  test(`what is under way ${direction} when both ends are said arrives`, limit, async (t) => {
    const scene = await startTunnel(t);
    const [from, to] = sides(scene);
    to.pause();
    from.send(Buffer.alloc(12 * MIB, "x")).end();
    to.end();
    await waitUntil("the way is full", () => scene.ends.some(({ isFull }) => isFull));
    to.resume();
    await readAway(to, 12 * MIB);
    assert.equal(await to.waitClosed(), "end");
    await assertOver(scene);
  });

  test(
    `a reader that stops holds the writer, and only a little in between (${direction})`,
    limit,
    async (t) => {
      const scene = await startTunnel(t);
      const [from, to] = sides(scene);
      to.pause();
      const total = 32 * MIB;
      from.send(Buffer.alloc(total, "x"));
      const near = scene.ends[from === scene.client ? 0 : 1];
      assert.ok(near);
      let before = -1;
      await waitUntil("nothing moves any more", () => {
        const isStill = near.isPaused && near.bytesRead === before;
        before = near.bytesRead;
        return isStill;
      });
      assert.ok(before < total, "all of it was taken");
      for (const { bytesTooMany } of scene.ends) assert.equal(bytesTooMany, 0);
      // The other way is not in its way.
      to.send("still here");
      assert.equal(await from.readUntil("here"), "still here");
      to.resume();
      await readAway(to, total);
    },
  );

  test(`a side that breaks off breaks the other (${direction})`, limit, async (t) => {
    const scene = await startTunnel(t);
    const [from, to] = sides(scene);
    from.send("x");
    await to.readUntil("x");
    from.reset();
    await to.waitClosed();
    await assertOver(scene);
  });

  test(
    `when both ends were said, what the other has not taken yet still arrives (${direction})`,
    limit,
    async (t) => {
      const scene = await startTunnel(t);
      const [from, to] = sides(scene);
      const [near, far] = from === scene.client ? scene.ends : [scene.ends[1], scene.ends[0]];
      to.pause();
      const filled = await fill(far);
      from.send("last words").end();
      to.end();
      await waitUntil("the side that spoke is gone", () => near.isClosed);
      assert.equal(scene.running.size, 1); // the other is not
      to.resume();
      const seen = await to.readToEnd();
      assert.equal(seen.length, filled + 10);
      assert.equal(seen.subarray(-10).toString(), "last words");
      await assertOver(scene);
    },
  );

  test(
    `a side that breaks off takes the other along at once, whatever that has not taken yet (${direction})`,
    limit,
    async (t) => {
      const scene = await startTunnel(t);
      const [from, to] = sides(scene);
      to.pause();
      await fill(scene.ends[from === scene.client ? 1 : 0]);
      from.reset();
      await assertOver(scene);
    },
  );

  test(`a side that was gone before the start takes the other along (${direction})`, limit, async (t) => {
    const scene = await makeTunnel(t);
    const [from, to] = sides(scene);
    const end = scene.ends[from === scene.client ? 0 : 1];
    end.destroy();
    await waitUntil("it is closed", () => end.isClosed); // it will say so no more
    scene.tunnel.start();
    await to.waitClosed();
    await assertOver(scene);
  });

  test(`a side that had ended before the start is ended on the other (${direction})`, limit, async (t) => {
    const scene = await makeTunnel(t);
    const [from, to] = sides(scene);
    const end = scene.ends[from === scene.client ? 0 : 1];
    from.end();
    end.resume();
    await waitUntil("its end has been read", () => end.hasEnded);
    scene.tunnel.start();
    assert.equal(await to.waitClosed(), "end");
    to.send("answer").end();
    assert.equal((await from.readToEnd()).toString(), "answer");
    await assertOver(scene);
  });

  test(
    `when one side has ended, 5 s of silence end both; before that silence has no limit (${direction})`,
    limit,
    async (t) => {
      const scene = await makeTunnel(t);
      const [from, to] = sides(scene);
      assert.deepEqual(
        limitsSetBy(t, () => scene.tunnel.start()),
        [],
      );
      const limits: SetLimit[] = [];
      const near = scene.ends[from === scene.client ? 0 : 1].user;
      const tellFin = near.onFin.bind(near);
      near.onFin = () => {
        limits.push(...limitsSetBy(t, tellFin));
      };
      from.send("x");
      await to.readUntil("x");
      assert.equal(limits.length, 0);
      from.end();
      await to.waitClosed();
      assert.deepEqual(
        limits.map(({ ms, refreshes }) => [ms, refreshes]),
        [[5_000, 0]],
      );
      to.send("still here");
      await from.readUntil("here");
      assert.ok((limits[0]?.refreshes ?? 0) > 0, "what happens makes it begin anew");
      assert.equal(scene.running.size, 1);
      limits[0]?.fire();
      await from.waitClosed();
      await assertOver(scene);
    },
  );
}

// ── drain ─────────────────────────────────────────────────────────────────────────────────────────

const ABC = Buffer.from([0x81, 3, 97, 98, 99]);
const ABC_TEXT = ABC.toString("latin1");
const CLOSE_1012 = "\x88\x02\x03\xf4";
/** Of a client: masked, code 1012. */
const CLOSE_ANSWER = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xf4]);

async function startWebSocket(t: TestContext, rest?: Rest): Promise<Scene> {
  const scene = await makeTunnel(t, rest, true);
  scene.tunnel.start();
  return scene;
}

interface SetLimit {
  readonly ms: number;
  readonly fire: () => void;
  refreshes: number;
}

/** What waits for time limits that are set meanwhile; they pass when `fire` is called, and else never. */
function limitsSetBy(t: TestContext, act: () => void): SetLimit[] {
  const limits: SetLimit[] = [];
  const real = globalThis.setTimeout;
  const mock = t.mock.method(globalThis, "setTimeout", (fire: () => void, ms: number) => {
    const limit: SetLimit = { ms, fire, refreshes: 0 };
    limits.push(limit);
    const timer = real(() => undefined, 0);
    timer.refresh = () => {
      limit.refreshes++;
      return timer;
    };
    return timer;
  });
  act();
  mock.mock.restore();
  return limits;
}

test("at its turn in a drain a tunnel of another protocol is cut on both sides at once", limit, async (t) => {
  const scene = await startTunnel(t);
  scene.tunnel.endForDrain();
  scene.tunnel.endForDrain(); // twice is harmless
  assert.equal((await scene.client.readToEnd()).length, 0);
  await scene.backend.waitClosed();
  await assertOver(scene);
});

test(
  "a WebSocket between two frames is closed with 1012, and both sides can end it in order",
  limit,
  async (t) => {
    const scene = await startWebSocket(t, { client: NOTHING, backend: ABC });
    scene.backend.send(ABC);
    assert.equal((await scene.client.readBytes(10)).toString("latin1"), ABC_TEXT + ABC_TEXT);
    scene.tunnel.endForDrain();
    scene.tunnel.endForDrain(); // twice is harmless
    assert.equal(await scene.client.readUntil("\xf4"), CLOSE_1012);
    scene.backend.send(ABC); // it does not know yet
    scene.client.send(ABC).send(CLOSE_ANSWER);
    assert.equal(
      (await scene.backend.readBytes(13)).toString("latin1"),
      ABC_TEXT + CLOSE_ANSWER.toString("latin1"),
    );
    scene.backend.send(Buffer.from([0x88, 2, 0x03, 0xf4])).end();
    assert.equal(await scene.client.waitClosed(), "end");
    assert.equal(scene.client.unread.length, 0, "what the backend sent after the close frame is dropped");
    scene.client.end();
    await assertOver(scene);
  },
);

for (let cut = 1; cut < ABC.length; cut++) {
  test(
    `a frame that is ${cut} bytes along goes to its end before a WebSocket is closed`,
    limit,
    async (t) => {
      const scene = await startWebSocket(t);
      scene.backend.send(ABC).send(ABC.subarray(0, cut));
      await scene.client.readBytes(ABC.length + cut);
      scene.tunnel.endForDrain();
      scene.client.send("x"); // the other way goes on meanwhile
      assert.equal(await scene.backend.readUntil("x"), "x");
      assert.equal(scene.client.unread.length, 0, "nothing is sent into the frame");
      scene.backend.send(Buffer.concat([ABC.subarray(cut), ABC]));
      const seen = await scene.client.readUntil("\xf4");
      assert.equal(seen, ABC.toString("latin1", cut) + CLOSE_1012);
      scene.backend.end();
      assert.equal(await scene.client.waitClosed(), "end");
      assert.equal(scene.client.unread.length, 0);
    },
  );
}

test(
  "a client that reads late gets whole frames, then the close frame; the backend is read to its end",
  limit,
  async (t) => {
    const scene = await startWebSocket(t);
    scene.client.pause();
    const frame = Buffer.concat([Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]), Buffer.alloc(65_536)]);
    for (let i = 0; i < 300; i++) scene.backend.send(frame);
    await waitUntil("the backend is held", () => scene.ends[1].isPaused);
    scene.tunnel.endForDrain();
    scene.client.resume();
    scene.backend.end();
    const seen = await scene.client.readToEnd();
    assert.equal((seen.length - 4) % frame.length, 0, "whole frames");
    assert.equal(seen.toString("latin1", seen.length - 4), CLOSE_1012);
    assert.ok(seen.length < 300 * frame.length, "not all of them");
  },
);

test("a backend that has closed the WebSocket itself is not talked over", limit, async (t) => {
  const scene = await startWebSocket(t);
  scene.backend.send(Buffer.from([0x88, 2, 0x03, 0xe8]));
  await scene.client.readBytes(4);
  scene.tunnel.endForDrain();
  scene.client.send(CLOSE_ANSWER);
  await scene.backend.readBytes(CLOSE_ANSWER.length);
  scene.backend.end();
  assert.equal((await scene.client.readToEnd()).length, 0);
});

test(
  "a WebSocket whose backend has ended its side is drained without a word, and the client's last ones arrive",
  limit,
  async (t) => {
    const scene = await startWebSocket(t);
    scene.backend.end();
    assert.equal(await scene.client.waitClosed(), "end");
    scene.tunnel.endForDrain();
    scene.client.send(ABC).end();
    assert.equal((await scene.backend.readToEnd()).toString("latin1"), ABC_TEXT);
    assert.equal(scene.client.bytesReceived, 0);
    await assertOver(scene);
  },
);

test("a client that does not answer the close frame has 5 s, then both sides are cut", limit, async (t) => {
  const scene = await startWebSocket(t);
  const limits = limitsSetBy(t, () => scene.tunnel.endForDrain());
  assert.equal(await scene.client.readUntil("\xf4"), CLOSE_1012);
  const last = limits.at(-1);
  assert.equal(last?.ms, 5_000);
  assert.equal(scene.running.size, 1);
  last?.fire();
  await Promise.all([scene.client.waitClosed(), scene.backend.waitClosed()]);
  await assertOver(scene);
});

test(
  "a frame that does not end has 10 s, then both sides are cut without a close frame",
  limit,
  async (t) => {
    const scene = await startWebSocket(t);
    scene.backend.send(ABC.subarray(0, 4));
    await scene.client.readBytes(4);
    const limits = limitsSetBy(t, () => scene.tunnel.endForDrain());
    assert.deepEqual(
      limits.map(({ ms }) => ms),
      [10_000],
    );
    limits[0]?.fire();
    assert.equal((await scene.client.readToEnd()).length, 0);
    await assertOver(scene);
  },
);

test("a WebSocket that was not told yet lives on when the drain is called off", limit, async (t) => {
  const scene = await startWebSocket(t);
  scene.backend.send(ABC.subarray(0, 4));
  await scene.client.readBytes(4);
  scene.tunnel.endForDrain();
  scene.tunnel.keep();
  scene.backend.send(ABC.subarray(4)).send(ABC);
  assert.equal((await scene.client.readBytes(6)).toString("latin1"), `c${ABC_TEXT}`);
  scene.client.send("x");
  assert.equal(await scene.backend.readUntil("x"), "x");
  scene.tunnel.endForDrain(); // in the next drain
  assert.equal(await scene.client.readUntil("\xf4"), CLOSE_1012);
  scene.tunnel.keep(); // too late
  scene.backend.send(ABC).end();
  assert.equal((await scene.client.readToEnd()).length, 0);
});

test("at the deadline both sides are cut; a WebSocket between two frames is told so", limit, async (t) => {
  const told = await startWebSocket(t);
  told.tunnel.cutForDrain();
  told.tunnel.cutForDrain(); // twice is harmless
  assert.equal((await told.client.readToEnd()).toString("latin1"), CLOSE_1012);
  const within = await startWebSocket(t);
  within.backend.send(ABC.subarray(0, 4));
  await within.client.readBytes(4);
  within.tunnel.cutForDrain();
  assert.equal((await within.client.readToEnd()).length, 0);
  await assertOver(told);
  await assertOver(within);
});

test("it counts as running from its start until both sides are gone", limit, async (t) => {
  const scene = await makeTunnel(t);
  assert.equal(scene.running.size, 0);
  scene.tunnel.start();
  assert.deepEqual([...scene.running], [scene.tunnel]);
  scene.client.end();
  await scene.backend.waitClosed();
  assert.equal(scene.running.size, 1);
  scene.backend.end();
  await assertOver(scene);
});
