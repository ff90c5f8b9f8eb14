/**
 * Many switches, back and forth, with holds, a pause, drains and warm-ups on top of each other, while clients of every
 * kind come and leave at any moment: nothing that was not left by its client is lost, and nothing is left behind.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import type { Writable } from "node:stream";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { systemClock } from "../../../src/core/clock.ts";
import { KeepWarm } from "../../../src/data-plane/keep-warm.ts";
import { Drains } from "../../../src/data-plane/listener/drain.ts";
import { SwitchOrders } from "../../../src/data-plane/switch-orders.ts";
import { warmUp } from "../../../src/data-plane/warm-up.ts";
import { startBackend } from "../../support/backend.ts";
import { startHoldScene } from "../../support/hold-scene.ts";
import { waitUntil } from "../../support/wait.ts";

const ROUNDS = 20;
const CLIENTS = 30;
const EVENT = "data: 0123456789\n\n";
const CLOSE_1012 = "880203f4";
const REQUESTS = {
  get: "GET /get HTTP/1.1\r\nHost: h\r\n\r\n",
  pipelined: "GET /get HTTP/1.1\r\nHost: h\r\n\r\nGET /get HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
  upload: `POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n${"u".repeat(200_000)}`,
  chunked: `PUT /up HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${"5\r\nhello\r\n".repeat(2_000)}0\r\n\r\n`,
  expect: "POST /up HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
  events: "GET /events HTTP/1.1\r\nHost: h\r\n\r\n",
  oldEvents: "GET /events HTTP/1.0\r\nHost: h\r\n\r\n",
  webSocket: "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
} as const;
type Kind = keyof typeof REQUESTS;
const KINDS = Object.keys(REQUESTS) as Kind[];

/** Every run the same. */
function startDice(seed: number): () => number {
  let count = seed;
  return () => createHash("sha256").update(String(count++)).digest().readUInt32BE(0) / 2 ** 32;
}

/** So that a drain finds the middle of an event or a frame as often as its end. */
function writeInTurns(to: Writable, pieces: readonly (string | Buffer)[]): NodeJS.Timeout {
  let turn = 0;
  return setInterval(() => to.write(pieces[turn++ % pieces.length]), 2);
}

function answer(req: IncomingMessage, res: ServerResponse): void {
  if (req.url === "/events") {
    res.setHeader("Content-Type", "text/event-stream");
    const tick = writeInTurns(res, [EVENT.slice(0, 7), `${EVENT.slice(7)}${EVENT}`]);
    res.on("close", () => clearInterval(tick));
  } else req.resume().on("end", () => setTimeout(() => res.end("ok"), 3));
}

/** Sends frames until the other side closes; answers a close frame. */
function talk(_req: IncomingMessage, socket: Socket): void {
  socket.on("error", () => {});
  socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
  const frame = Buffer.concat([Buffer.from([0x82, 100]), Buffer.alloc(100, 0x88)]);
  const tick = writeInTurns(socket, [frame.subarray(0, 50), frame.subarray(50)]);
  socket.on("data", () => socket.end()).on("close", () => clearInterval(tick));
}

interface Seen {
  readonly kind: Kind;
  readonly isLeaver: boolean;
  readonly text: string;
}

/** One client and its request. @param leaveMs when it goes, whatever it has by then; null: when it has its answer. */
function runClient(port: number, kind: Kind, leaveMs: number | null): Promise<Seen> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    let text = "";
    let hasGoneOn = false;
    socket.setEncoding("latin1");
    socket.on("data", (piece: string) => {
      text += piece;
      if (kind === "expect" && !hasGoneOn && text.includes("100 Continue\r\n\r\n")) {
        hasGoneOn = true;
        socket.write("hello");
      }
      if (kind === "webSocket" && text.endsWith(Buffer.from(CLOSE_1012, "hex").toString("latin1"))) {
        socket.write(Buffer.from("8880000000000000", "hex"));
      }
      const isWhole = kind !== "pipelined" && text.endsWith("\r\n\r\nok");
      if (isWhole || text.endsWith("0\r\n\r\n")) socket.end();
    });
    socket.on("error", () => {});
    socket.on("end", () => socket.end());
    socket.on("close", () => resolve({ kind, isLeaver: leaveMs !== null, text }));
    socket.write(REQUESTS[kind]);
    if (leaveMs === null) return;
    const leave = leaveMs < 15 ? () => socket.resetAndDestroy() : () => socket.destroy();
    setTimeout(leave, leaveMs);
  });
}

/** What came behind the head, without chunks. */
function bodyOf(text: string): string {
  const [head = "", ...rest] = text.split("\r\n\r\n");
  const body = rest.join("\r\n\r\n");
  return head.includes("chunked") ? body.replace(/(^|\r\n)[0-9a-f]+\r\n/g, "").replace(/\r\n$/, "") : body;
}

function assertWhole({ kind, text }: Seen): void {
  const start = text.slice(0, 300);
  if (kind === "webSocket") {
    assert.match(text, /^HTTP\/1\.1 101 /, start);
    const bytes = Buffer.from(text.slice(text.indexOf("\r\n\r\n") + 4), "latin1");
    assert.equal(bytes.subarray(-4).toString("hex"), CLOSE_1012, "the last frame is a close frame");
    assert.equal((bytes.length - 4) % 102, 0, "and it stands between two frames");
  } else if (kind === "events" || kind === "oldEvents") {
    assert.match(text, /^HTTP\/1\.1 200 /, start);
    assert.ok(kind === "oldEvents" || text.endsWith("0\r\n\r\n"), "it looks whole");
    const body = bodyOf(text);
    assert.equal(body, EVENT.repeat(body.length / EVENT.length));
  } else {
    const count = text.match(/HTTP\/1\.1 200 OK\r\n/g)?.length;
    assert.equal(count, kind === "pipelined" ? 2 : 1, `${kind}: ${start}`);
    assert.ok(text.endsWith("\r\n\r\nok"), start);
  }
}

async function startChurn(t: TestContext) {
  const v1 = await startBackend(t, answer);
  const v2 = await startBackend(t, answer);
  for (const { server } of [v1, v2]) server.on("upgrade", talk);
  const upstream = { maxConnections: 40, maxIdleConnections: 20, maxQueue: 1_000 };
  const scene = await startHoldScene(t, { v1, v2 }, { upstream });
  const { serving, pool, hold } = scene;
  const request = { method: "GET", path: "/get", host: null, headers: [], timeoutMs: 1_000 };
  const keepWarm = new KeepWarm({ windowMs: 60_000, request, nowMs: () => performance.now(), pool });
  const drains = new Drains(systemClock);
  const orders = new SwitchOrders({
    serving,
    hold,
    drains,
    keepWarm,
    prepare: async () => ({
      passed: true,
      probes: [],
      warm: 0,
      backends: { asked: 1, needed: 1, good: [], bad: [] },
    }),
    answer: () => {},
  });
  t.after(() => {
    keepWarm.end();
    for (const each of serving.pools) drains.cancel(each);
  });
  return { ...scene, v1, v2, keepWarm, orders };
}

const timersOf = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;

test("20 switches under clients of every kind lose nothing and leave nothing behind", {
  timeout: 120_000,
}, async (t) => {
  const scene = await startChurn(t);
  const { port, orders, serving, pool, hold, timers, load, v1, v2 } = scene;
  const roll = startDice(1);
  const seen: Promise<Seen>[] = [];
  const drain = { deadlineMs: 1_500, websocketWindowMs: 40 };
  const timersBefore = timersOf();
  for (let epoch = 1; epoch <= ROUNDS; epoch++) {
    for (let i = 0; i < CLIENTS; i++) {
      const kind = KINDS[Math.floor(roll() * KINDS.length)] ?? "get";
      const leaveMs = roll() < 0.3 ? roll() * 40 : null;
      seen.push(runClient(port, kind, leaveMs));
    }
    await delay(roll() * 15);
    const target = epoch % 2 === 0 ? "v1" : "v2";
    const left = serving.current.active;
    // Due to be kept warm at once.
    for (const connection of left.backends.flatMap((each) => pool(each).idle))
      connection.idleSinceMs -= 40_000;
    for (const each of serving.pool(target).backends)
      void warmUp(pool(each), Math.floor(roll() * 45), AbortSignal.timeout(50));
    const next = { snapshot: { activeVersion: target, epoch }, drain };
    const isHeld = roll() < 0.7;
    const isPaused = roll() < 0.3;
    if (isPaused) orders.obey({ type: "hold", hold: -epoch, holdMs: 60_000, next: null });
    if (isHeld) orders.obey({ type: "hold", hold: epoch, holdMs: 1_000, next });
    await delay(roll() * 20);
    const looking = setInterval(() => timers.pass(5), 5);
    if (isHeld && roll() < 0.2) timers.pass(1_000); // its time runs out
    orders.obey({ type: "apply-snapshot", release: isHeld ? epoch : null, ...next });
    if (isPaused) orders.obey({ type: "release", hold: -epoch });
    await waitUntil("the hold is over", () => !hold.isOn, { intervalMs: 1 });
    clearInterval(looking);
  }
  // Streams and tunnels go on until they are drained, so the last switches are for them.
  let isOver = false;
  const all = Promise.all(seen).finally(() => {
    isOver = true;
  });
  for (let epoch = ROUNDS + 1; !isOver; epoch++) {
    const snapshot = { activeVersion: epoch % 2 === 0 ? "v1" : "v2", epoch };
    orders.obey({ type: "apply-snapshot", release: null, snapshot, drain });
    await delay(100);
  }
  const ends = await all;
  for (const each of ends) if (!each.isLeaver) assertWhole(each);
  assert.ok(ends.filter(({ isLeaver }) => isLeaver).length > 100);

  await waitUntil("all clients are gone", () => scene.connections() === 0);
  assert.deepEqual([hold.held, hold.bytes, timers.pending, load.inFlight], [0, 0, 0, 0]);
  for (const backend of serving.backends) {
    const { version, requests, streams, tunnels } = backend;
    assert.deepEqual([version, requests.size, streams.size, tunnels.size], [version, 0, 0, 0]);
    await waitUntil("nothing is in use", () => pool(backend).load.active === 0);
    const { idle } = pool(backend).load;
    const seenBy = version === "v1" ? v1 : v2;
    await waitUntil("the backend sees as many", () => seenBy.connections === pool(backend).load.idle);
    assert.ok(idle <= 40, `${idle} idle`);
  }
  const losses = scene.failures.filter(([, code]) => code !== "CLIENT_ABORTED");
  assert.deepEqual(losses, []);
  scene.keepWarm.end();
  await waitUntil("no timer is left", () => timersOf() <= timersBefore, {
    details: () => `${timersOf()} of ${timersBefore} before`,
  });
});
