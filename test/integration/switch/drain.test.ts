/** What still runs on the version that was left: it may end until the deadline, then it is cut. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { after, beforeEach, test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import type { TestEnd } from "../../support/cleanup.ts";
import { request } from "../../support/http-client.ts";
import { PROBE_PATH, sayName, startPair } from "../../support/pair.ts";
import { openRaw } from "../../support/raw-client.ts";
import { waitUntil, withLimit } from "../../support/wait.ts";

const DEADLINE_MS = 1_500;
const WINDOW_MS = 600;
/** What a busy machine may add to a time limit. */
const SLACK_MS = 3_000;

const { v1, v2, proxy, behave } = await startPair(
  { after },
  {
    workers: 2,
    config: { switch: { drain: { deadline: `${DEADLINE_MS}ms`, websocket_window: `${WINDOW_MS}ms` } } },
  },
);
for (const [name, backend] of Object.entries({ v1, v2 })) {
  new WebSocketServer({ server: backend.server }).on("connection", (socket) => {
    socket.on("error", () => undefined); // it is cut
    socket.send(name);
    socket.on("message", (message) => socket.send(`${name} heard ${String(message)}`));
  });
}

interface Drain {
  readonly version: string;
  readonly in_flight: number;
  readonly upgraded: number;
  readonly deadline_at: string;
}

async function drains(): Promise<readonly Drain[]> {
  return (await proxy.status()).drain as Drain[];
}

/** v1 is active, v2 behaves, nothing runs. */
beforeEach(async () => {
  behave.v1 = sayName("v1");
  behave.v2 = sayName("v2");
  await proxy.switchTo("v1");
  await waitUntil("nothing drains", async () => (await drains()).length === 0);
});

/** From now on v1 holds every request but probes; answers can be given by hand. */
function holdV1(begin: (res: ServerResponse) => void = () => undefined): ServerResponse[] {
  const held: ServerResponse[] = [];
  behave.v1 = (req, res) => {
    if (req.url === PROBE_PATH) return sayName("v1")(req, res);
    begin(res);
    held.push(res);
  };
  return held;
}

async function openWebSocket(t: TestEnd, version: string): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/live`);
  t.after(async () => socket.terminate());
  socket.on("error", () => undefined);
  const [greeting] = (await withLimit(once(socket, "message"), 5_000, "the greeting")) as [Buffer];
  assert.equal(String(greeting), version);
  return socket;
}

test("a request that is unanswered at the deadline gets 504 DRAIN_DEADLINE", {
  timeout: 30_000,
}, async () => {
  const held = holdV1();
  const unanswered = request(proxy.port, { path: "/never", limitMs: 20_000 });
  await waitUntil("v1 has it", () => held.length === 1);
  await proxy.switchTo("v2");
  const switchedAtMs = performance.now();
  const reply = await unanswered;
  const tookMs = performance.now() - switchedAtMs;
  assert.equal(reply.status, 504, reply.body);
  assert.equal(reply.json().code, "DRAIN_DEADLINE");
  assert.ok(tookMs > DEADLINE_MS - 300 && tookMs < DEADLINE_MS + SLACK_MS, `after ${tookMs} ms`);
  await waitUntil("v1's connection is closed, its work is not wanted any more", () => held[0]?.destroyed);
  assert.equal((await request(proxy.port)).body, "v2");
});

test("a request that is half answered at the deadline is cut, and never looks complete", {
  timeout: 30_000,
}, async (t) => {
  const held = holdV1((res) => {
    if (res.req.url === "/length") res.writeHead(200, { "Content-Length": 1_000 });
    res.write("half of it");
  });
  const clients = await Promise.all(
    ["/length", "/chunked"].map(async (path) => {
      const client = await openRaw(proxy.port, { t });
      client.send(`GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`);
      return client;
    }),
  );
  await waitUntil("v1 has both", () => held.length === 2);
  await proxy.switchTo("v2");
  const switchedAtMs = performance.now();
  for (const client of clients) {
    const response = await client.readResponse({ allowBroken: true, limitMs: DEADLINE_MS + SLACK_MS });
    assert.equal(response.status, 200);
    assert.equal(response.isComplete, false);
    assert.match(response.text, /^half of it/);
    assert.notEqual(client.ending, undefined, "the connection is closed");
  }
  assert.ok(performance.now() - switchedAtMs > DEADLINE_MS - 300, "cut before the deadline");
});

test("/status lists what drains until it has ended, with its deadline", { timeout: 30_000 }, async (t) => {
  const held = holdV1();
  const running = [request(proxy.port), request(proxy.port), request(proxy.port)];
  await openWebSocket(t, "v1");
  await waitUntil("v1 has them", () => held.length === 3);
  const calledAtMs = Date.now();
  await proxy.switchTo("v2");
  const [drain, ...others] = await drains();
  assert.ok(drain);
  assert.deepEqual(others, []);
  assert.deepEqual([drain.version, drain.in_flight, drain.upgraded], ["v1", 3, 1]);
  const leftMs = Date.parse(drain.deadline_at) - calledAtMs;
  assert.ok(leftMs > DEADLINE_MS - 100 && leftMs < DEADLINE_MS + SLACK_MS, drain.deadline_at);
  for (const res of held) res.end("v1");
  for (const reply of await Promise.all(running)) assert.equal(reply.body, "v1");
  await waitUntil("the drain is over", async () => (await drains()).length === 0);
});

test("WebSockets of the old version end within websocket_window, one after the other", {
  timeout: 30_000,
}, async (t) => {
  const sockets: WebSocket[] = [];
  for (let n = 0; n < 8; n++) sockets.push(await openWebSocket(t, "v1"));
  const endedAtMs: number[] = [];
  const ended = sockets.map(async (socket) => {
    await once(socket, "close");
    endedAtMs.push(performance.now());
  });
  await proxy.switchTo("v2");
  const switchedAtMs = performance.now();
  const later = await openWebSocket(t, "v2");
  await withLimit(Promise.all(ended), WINDOW_MS + SLACK_MS, "all WebSockets of v1 to end");
  const lastMs = Math.max(...endedAtMs) - switchedAtMs;
  assert.ok(lastMs > WINDOW_MS / 2, `all were gone after ${lastMs} ms already: not spread over the window`);
  const spreadMs = Math.max(...endedAtMs) - Math.min(...endedAtMs);
  assert.ok(spreadMs > 0, "all ended in one moment");
  later.send("still here?");
  const [answer] = (await withLimit(once(later, "message"), 5_000, "v2's answer")) as [Buffer];
  assert.equal(String(answer), "v2 heard still here?");
});

test("a version that is switched back to is no longer drained: its requests and WebSockets live on", {
  timeout: 30_000,
}, async (t) => {
  const held = holdV1();
  const running = request(proxy.port, { path: "/long", limitMs: 20_000 });
  await waitUntil("v1 has it", () => held.length === 1);
  await proxy.switchTo("v2");
  const webSocketOfV2 = await openWebSocket(t, "v2");
  const leftV1AtMs = performance.now();
  await proxy.switchTo("v1");
  const webSocketOfV1 = await openWebSocket(t, "v1");
  assert.ok(!(await drains()).some(({ version }) => version === "v1"));
  // Past v1's deadline: what v2 had is gone by then, a sign from outside that time has passed.
  await withLimit(once(webSocketOfV2, "close"), WINDOW_MS + SLACK_MS, "v2's WebSocket to end");
  await waitUntil("v1's old deadline has passed", () => performance.now() - leftV1AtMs > DEADLINE_MS + 300, {
    limitMs: 10_000,
    intervalMs: 50,
  });
  webSocketOfV1.send("hello");
  const [answer] = (await withLimit(once(webSocketOfV1, "message"), 5_000, "v1's answer")) as [Buffer];
  assert.equal(String(answer), "v1 heard hello");
  held[0]?.end("v1, late");
  assert.deepEqual([(await running).status, (await running).body], [200, "v1, late"]);
});

test("a drain that runs neither refuses nor delays the next switch", { timeout: 30_000 }, async () => {
  const held = holdV1();
  const running = request(proxy.port, { limitMs: 20_000 });
  await waitUntil("v1 has it", () => held.length === 1);
  for (const to of ["v2", "v1", "v2", "v1", "v2"]) {
    const { duration_ms } = await proxy.switchTo(to);
    assert.ok(Number(duration_ms) < DEADLINE_MS, `${duration_ms} ms`);
  }
  assert.equal((await drains()).length, 1);
  held[0]?.end("v1");
  assert.equal((await running).body, "v1");
});

test("with a deadline of 0s what runs on the old version is cut at once", { timeout: 30_000 }, async (t) => {
  const pair = await startPair(t, {
    config: { switch: { drain: { deadline: "0s", websocket_window: "0s" } } },
  });
  const seen = pair.v1.requestSeen(({ url }) => url === "/never");
  pair.behave.v1 = () => undefined;
  const unanswered = request(pair.proxy.port, { path: "/never" });
  await seen;
  await pair.proxy.switchTo("v2");
  assert.equal((await unanswered).status, 504);
});
