/**
 * The drill's clients of streams against servers that end them well or badly: what reaches the ledger. The WebSocket
 * on the other side is `ws`, not ours.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { type WebSocket, WebSocketServer, WebSocket as WsClient } from "ws";
import { systemClock } from "../../../src/core/clock.ts";
import { echoMessages } from "../../../src/drill/backend-websocket.ts";
import { encodeEvent } from "../../../src/drill/event-stream.ts";
import { eventStreams } from "../../../src/drill/events.ts";
import { Ledger } from "../../../src/drill/ledger.ts";
import type { Load } from "../../../src/drill/load.ts";
import { webSockets } from "../../../src/drill/sockets.ts";
import { Timeline } from "../../../src/drill/timeline.ts";
import { waitUntil } from "../../support/wait.ts";

async function listen(t: TestContext, server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close().closeAllConnections());
  return (server.address() as AddressInfo).port;
}

/** v1 is being drained, v2 is active: both may be the version of a stream that began before. */
function createLoad(port: number): Load {
  const nowMs = systemClock.nowMs();
  const timeline = new Timeline("v1", nowMs - 2_000);
  timeline.call({ to: "v2", isHeld: false }, nowMs - 1_900);
  return { port, ledger: new Ledger(timeline, systemClock.nowMs), clock: systemClock, isEnding: false };
}

interface Counts {
  readonly lost: number;
  readonly endedByDrain: number;
}

/** Runs one client until the ledger has one end of a stream, whichever, of those after the first `done`. */
async function firstEnd(
  kind: "events" | "websocket",
  client: (load: Load) => Promise<void>,
  load: Load,
): Promise<Counts> {
  const running = client(load);
  const tally = load.ledger.kinds[kind];
  const ends = (): number => tally.lost + tally.endedByDrain;
  try {
    await waitUntil("a stream has ended", () => ends() > 0);
    return { lost: tally.lost, endedByDrain: tally.endedByDrain };
  } finally {
    load.isEnding = true;
    await running;
  }
}

const event = (id: number): string => encodeEvent({ id, sentAtMs: systemClock.nowMs() });

for (const [says, { version, send, expected }] of [
  [
    "ends between events is ended by the drain",
    { version: "v1", send: (res: ServerResponse) => res.end(event(1) + event(2)), expected: "endedByDrain" },
  ],
  [
    "ends amid an event is lost",
    {
      version: "v1",
      send: (res: ServerResponse) => res.end(event(1) + event(2).slice(0, -1)),
      expected: "lost",
    },
  ],
  [
    "leaves out an event is lost",
    { version: "v1", send: (res: ServerResponse) => res.write(event(1) + event(3)), expected: "lost" },
  ],
  [
    "is cut is lost",
    {
      version: "v1",
      send: (res: ServerResponse) => res.write(event(1), () => res.destroy()),
      expected: "lost",
    },
  ],
] as const) {
  test(`an event stream of the version that was left that ${says}`, async (t) => {
    let isFirst = true;
    const port = await listen(
      t,
      createServer((_req, res) => {
        res.writeHead(200, { "Content-Type": "text/event-stream", "X-Version": version });
        if (isFirst) send(res);
        else res.write(event(1));
        isFirst = false;
      }),
    );
    const counts = await firstEnd("events", eventStreams, createLoad(port));
    assert.deepEqual(counts, { lost: 0, endedByDrain: 0, [expected]: 1 });
  });
}

/** Echoes as the backends do; `after` two messages the first connection ends in another way. */
async function startWs(t: TestContext, after: (socket: WebSocket) => void): Promise<number> {
  const server = createServer();
  const ws = new WebSocketServer({ server });
  let isFirst = true;
  ws.on("headers", (headers) => headers.push("X-Version: v1"));
  ws.on("connection", (socket) => {
    const isEndedHere = isFirst;
    isFirst = false;
    let count = 0;
    socket.on("message", (message) => {
      if (isEndedHere && ++count === 3) after(socket);
      else socket.send(`v1:${String(message)}`);
    });
  });
  return listen(t, server);
}

for (const [says, { after, expected }] of [
  [
    "a close frame 1012, with a message unanswered, is ended by the drain",
    { after: (socket: WebSocket) => socket.close(1012), expected: "endedByDrain" },
  ],
  ["another close frame is lost", { after: (socket: WebSocket) => socket.close(1011), expected: "lost" }],
  ["no close frame is lost", { after: (socket: WebSocket) => socket.terminate(), expected: "lost" }],
  ["a wrong echo is lost", { after: (socket: WebSocket) => socket.send("v1:9"), expected: "lost" }],
] as const) {
  test(`a WebSocket of the version that was left: ${says}`, async (t) => {
    const load = createLoad(await startWs(t, after));
    const counts = await firstEnd("websocket", webSockets, load);
    assert.deepEqual(counts, { lost: 0, endedByDrain: 0, [expected]: 1 });
    assert.ok(load.ledger.kinds.websocket.done >= 2);
  });
}

test("the WebSocket of the drill's backend is one to ws, in both lengths, and closes as it is closed", async (t) => {
  const server = createServer();
  server.on("upgrade", (req, socket, head) => echoMessages("v2", { req, socket, head }));
  const client = new WsClient(`ws://127.0.0.1:${await listen(t, server)}/`);
  await once(client, "open");
  for (const message of ["short", "long ".repeat(100)]) {
    client.send(message);
    const [echo] = await once(client, "message");
    assert.equal(String(echo), `v2:${message}`);
  }
  client.close(1000);
  const [code] = await once(client, "close");
  assert.equal(code, 1000);
});
