/** A switch under many WebSockets: each is told to come again at a moment of its own, none is cut, and they spread. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { onTestEnd, type TestEnd } from "../support/cleanup.ts";
import { startProxy } from "../support/proxy.ts";
import { waitUntil } from "../support/wait.ts";
import { needConnections } from "./open-files.ts";
import { SIZE } from "./size.ts";

const { sockets: COUNT, windowSeconds: WINDOW_S } = SIZE.drain;
const SERVICE_RESTART = 1012;
/** Handshakes at a time: more would only queue. */
const AT_ONCE = 200;

needConnections(2 * COUNT);
const [v1, v2] = [await startServer({ after }), await startServer({ after })];
const proxy = await startProxy(
  { after },
  {
    v1: `http://127.0.0.1:${v1.port}`,
    v2: `http://127.0.0.1:${v2.port}`,
    workers: 2,
    config: {
      // A WebSocket server answers a plain GET with 426.
      switch: {
        probe: { expect: "426" },
        drain: { deadline: `${WINDOW_S + 10}s`, websocket_window: `${WINDOW_S}s` },
      },
    },
  },
);

async function startServer(t: TestEnd): Promise<{ readonly port: number; readonly server: WebSocketServer }> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await new Promise((resolve) => server.once("listening", resolve));
  onTestEnd(t, () => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  return { port: (server.address() as { port: number }).port, server };
}

function open(): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`);
    socket.once("open", () => resolve(socket)).once("error", reject);
  });
}

test(`${COUNT} WebSockets are drained over ${WINDOW_S} s, each with 1012: no second has twice its share`, {
  timeout: 240_000,
}, async (t) => {
  const sockets: WebSocket[] = [];
  onTestEnd(t, () => {
    for (const socket of sockets) socket.terminate();
  });
  while (sockets.length < COUNT) {
    const some = Math.min(AT_ONCE, COUNT - sockets.length);
    sockets.push(...(await Promise.all(Array.from({ length: some }, open))));
  }
  assert.equal(v1.server.clients.size, COUNT);

  const comeBackAtMs: number[] = [];
  const codes = new Map<number, number>();
  const faults: string[] = [];
  for (const socket of [...sockets]) {
    socket.on("error", (error) => faults.push(error.message));
    socket.once("close", (code) => {
      codes.set(code, (codes.get(code) ?? 0) + 1);
      comeBackAtMs.push(performance.now());
      open().then(
        (again) => sockets.push(again),
        (error: Error) => faults.push(error.message),
      );
    });
  }
  const answer = await proxy.switchTo("v2");
  assert.equal(answer.epoch, 1);
  const switchedAtMs = performance.now();
  await waitUntil("all have come again", () => v2.server.clients.size >= COUNT, {
    limitMs: (WINDOW_S + 30) * 1_000,
    intervalMs: 100,
    details: () => `${v2.server.clients.size} of ${COUNT}; ${faults.slice(0, 3).join(", ")}`,
  });
  assert.deepEqual([faults, [...codes]], [[], [[SERVICE_RESTART, COUNT]]]);
  assert.equal(v1.server.clients.size, 0, "the backend has seen every close");

  const bySecond = new Map<number, number>();
  for (const atMs of comeBackAtMs) {
    const second = Math.floor((atMs - switchedAtMs) / 1_000);
    bySecond.set(second, (bySecond.get(second) ?? 0) + 1);
  }
  const even = COUNT / WINDOW_S;
  const peak = Math.max(...bySecond.values());
  t.diagnostic(`peak ${peak} in a second, even ${Math.round(even)}: ${(peak / even).toFixed(2)} times`);
  assert.ok(peak <= 2 * even, `${peak} in one second, ${even} would be even`);
});
