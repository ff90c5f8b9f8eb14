/** What still runs on the version that was left: it may end until the deadline, then it is cut. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { after, beforeEach, test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { startBackend, startRawBackend } from "../../support/backend.ts";
import type { TestEnd } from "../../support/cleanup.ts";
import { request } from "../../support/http-client.ts";
import { PROBE_PATH, sayName, startPair } from "../../support/pair.ts";
import { startProxy, type TestProxy } from "../../support/proxy.ts";
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
/** The codes with which v1's WebSockets have ended, as v1 saw it. */
const endsAtV1: number[] = [];
for (const [name, backend] of Object.entries({ v1, v2 })) {
  new WebSocketServer({ server: backend.server }).on("connection", (socket) => {
    socket.on("error", () => undefined); // it is cut
    if (name === "v1") socket.on("close", (code) => endsAtV1.push(code));
    socket.send(name);
    socket.on("message", (message) => socket.send(`${name} heard ${String(message)}`));
  });
}

interface Drain {
  readonly version: string;
  readonly in_flight: number;
  readonly streams: number;
  readonly upgraded: number;
  readonly deadline_at: string;
}

/** Large messages, one after the other. */
function flood(socket: WebSocket): void {
  let count = 0;
  const send = (): void => {
    if (socket.readyState === WebSocket.OPEN) socket.send(floodMessage(count++), send);
  };
  send();
}

/** Begins with its number; how long it is and what it holds follow from that. */
function floodMessage(number: number): Buffer {
  const message = Buffer.alloc(100_000 + ((number * 7_919) % 300_000), (number % 250) + 1);
  message.writeUInt32BE(number);
  return message;
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
  assert.deepEqual([drain.version, drain.in_flight, drain.streams, drain.upgraded], ["v1", 3, 0, 1]);
  const leftMs = Date.parse(drain.deadline_at) - calledAtMs;
  assert.ok(leftMs > DEADLINE_MS - 100 && leftMs < DEADLINE_MS + SLACK_MS, drain.deadline_at);
  for (const res of held) res.end("v1");
  for (const reply of await Promise.all(running)) assert.equal(reply.body, "v1");
  await waitUntil("the drain is over", async () => (await drains()).length === 0);
});

test("WebSockets of the old version end with 1012 within websocket_window, one after the other; v1 sees it too", {
  timeout: 30_000,
}, async (t) => {
  const sockets: WebSocket[] = [];
  for (let n = 0; n < 8; n++) sockets.push(await openWebSocket(t, "v1"));
  const endedAtMs: number[] = [];
  const codes: number[] = [];
  endsAtV1.length = 0;
  const ended = sockets.map(async (socket) => {
    const [code] = (await once(socket, "close")) as [number];
    codes.push(code);
    endedAtMs.push(performance.now());
  });
  await proxy.switchTo("v2");
  const switchedAtMs = performance.now();
  const later = await openWebSocket(t, "v2");
  await withLimit(Promise.all(ended), WINDOW_MS + SLACK_MS, "all WebSockets of v1 to end");
  assert.deepEqual(new Set(codes), new Set([1012]));
  await waitUntil("v1 has seen all of them end", () => endsAtV1.length === 8);
  assert.deepEqual(new Set(endsAtV1), new Set([1012]));
  const lastMs = Math.max(...endedAtMs) - switchedAtMs;
  assert.ok(lastMs > WINDOW_MS / 2, `all were gone after ${lastMs} ms already: not spread over the window`);
  const spreadMs = Math.max(...endedAtMs) - Math.min(...endedAtMs);
  assert.ok(spreadMs > 0, "all ended in one moment");
  later.send("still here?");
  const [answer] = (await withLimit(once(later, "message"), 5_000, "v2's answer")) as [Buffer];
  assert.equal(String(answer), "v2 heard still here?");
});

test("a WebSocket that gets large messages ends between two: none is torn, and the code is 1012", {
  timeout: 60_000,
}, async (t) => {
  const pair = await startPair(t, {
    config: { switch: { drain: { deadline: "25s", websocket_window: "600ms" } } },
  });
  const codesAtV1: number[] = [];
  new WebSocketServer({ server: pair.v1.server }).on("connection", (socket) => {
    socket.on("error", () => undefined);
    socket.on("close", (code) => codesAtV1.push(code));
    flood(socket);
  });
  const faults: string[] = [];
  let messages = 0;
  const ended = Array.from({ length: 6 }, async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${pair.proxy.port}/`);
    t.after(() => socket.terminate());
    socket.on("error", (error) => faults.push(error.message));
    socket.on("message", (message: Buffer) => {
      messages++;
      if (!message.equals(floodMessage(message.readUInt32BE()))) faults.push("torn");
    });
    const [code] = (await once(socket, "close")) as [number];
    return code;
  });
  await waitUntil("they flow", () => messages > 20);
  await pair.proxy.switchTo("v2");
  const codes = await withLimit(Promise.all(ended), 20_000, "all of them to end");
  assert.deepEqual([codes, faults], [Array(6).fill(1012), []]);
  await waitUntil("v1 has seen all of them end", () => codesAtV1.length === 6);
  assert.deepEqual(codesAtV1, Array(6).fill(1012));
});

test("300 WebSockets end spread over the window: no tenth of it has more than twice its share", {
  timeout: 60_000,
}, async (t) => {
  const windowMs = 3_000;
  const pair = await startPair(t, {
    workers: 2,
    config: { switch: { drain: { deadline: "20s", websocket_window: `${windowMs}ms` } } },
  });
  new WebSocketServer({ server: pair.v1.server });
  const endedAtMs: number[] = [];
  const codes = new Set<number>();
  const sockets = Array.from({ length: 300 }, () => new WebSocket(`ws://127.0.0.1:${pair.proxy.port}/`));
  t.after(() => {
    for (const socket of sockets) socket.terminate();
  });
  for (const socket of sockets) {
    socket.on("error", () => undefined);
    socket.on("close", (code: number) => {
      codes.add(code);
      endedAtMs.push(performance.now());
    });
  }
  await withLimit(Promise.all(sockets.map((socket) => once(socket, "open"))), 20_000, "all to be open");
  await pair.proxy.switchTo("v2");
  await waitUntil("all have ended", () => endedAtMs.length === 300, { limitMs: windowMs + 2 * SLACK_MS });
  assert.deepEqual(codes, new Set([1012]));
  let peak = 0;
  for (const fromMs of endedAtMs) {
    const within = endedAtMs.filter((atMs) => atMs >= fromMs && atMs < fromMs + windowMs / 10).length;
    peak = Math.max(peak, within);
  }
  t.diagnostic(`even: 30 in each tenth; peak: ${peak}`);
  assert.ok(peak <= 60, `${peak} within a tenth of the window`);
});

/** Events, endlessly: each has a number and a long line, and comes in two writes that cut it. `/chunked` or not. */
async function startEvents(t: TestEnd): Promise<{ url: string; seen: { ended: number } }> {
  const seen = { ended: 0 };
  const { url } = await startRawBackend(t, (socket) => {
    let count = 0;
    let timer: NodeJS.Timeout | undefined;
    socket.once("data", (head) => {
      const isChunked = String(head).includes(" /chunked ");
      const wrap = (text: string): string =>
        isChunked ? `${text.length.toString(16)}\r\n${text}\r\n` : text;
      const framing = isChunked ? "Transfer-Encoding: chunked" : "Connection: close";
      socket.write(`HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n${framing}\r\n\r\n`);
      timer = setInterval(() => {
        const event = `id: ${++count}\r\ndata: ${"x".repeat(2_000)}\r\n\r\n`;
        const cut = 1 + ((count * 613) % (event.length - 1));
        socket.write(wrap(event.slice(0, cut)));
        setImmediate(() => socket.writable && socket.write(wrap(event.slice(cut))));
      }, 5);
    });
    socket.once("close", () => {
      seen.ended++;
      clearInterval(timer);
    });
  });
  return { url, seen };
}

test("streams of events end between two events, one by one over the window, and look whole", {
  timeout: 60_000,
}, async (t) => {
  const windowMs = 800;
  const events = await startEvents(t);
  const next = await startBackend(t, sayName("v2"));
  const drain = { deadline: "20s", websocket_window: `${windowMs}ms` };
  const own = await startProxy(t, {
    v1: events.url,
    v2: next.url,
    workers: 2,
    config: { switch: { drain } },
  });
  const clients = await Promise.all(
    ["/chunked HTTP/1.1", "/close HTTP/1.1", "/chunked HTTP/1.0", "/close HTTP/1.0"]
      .flatMap((each) => [each, each])
      .map(async (asked) => {
        const client = await openRaw(own.port, { t });
        return client.send(`GET ${asked}\r\nHost: test\r\n\r\n`);
      }),
  );
  await waitUntil("all of them get events", () =>
    clients.every(({ bytesReceived }) => bytesReceived > 9_000),
  );
  assert.equal(await streamsLeft(own), 0, "nothing is drained yet");
  await own.switchTo("v2");
  const [left] = (await own.status()).drain as Drain[];
  assert.ok(left && left.streams > 0 && left.streams === left.in_flight, JSON.stringify(left));
  const endsAtMs: number[] = [];
  await Promise.all(
    clients.map(async (client) => {
      const { text, isComplete } = await client.readResponse({
        limitMs: windowMs + SLACK_MS,
        allowBroken: true,
      });
      endsAtMs.push(performance.now());
      assert.ok(isComplete, "it ends like a whole answer");
      assert.match(text, /^(id: \d+\r\ndata: x{2000}\r\n\r\n)+$/);
    }),
  );
  assert.ok(Math.max(...endsAtMs) - Math.min(...endsAtMs) > windowMs / 8, "all ended in one moment");
  await waitUntil("v1's connections are closed", () => events.seen.ended >= clients.length);
  await waitUntil("nothing is left", async () => (await streamsLeft(own)) === 0);
  const [kept] = clients;
  assert.ok(kept); // it may ask again on the same connection
  const again = await kept.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").readResponse();
  assert.equal(again.text, "v2");
});

/** As the metrics have it. */
async function streamsLeft(of: TestProxy): Promise<number> {
  const { body } = await of.admin("GET", "/metrics");
  return Number(/drain_remaining\{version="v1",kind="stream"\} (\d+)/.exec(body)?.[1]);
}

test("a version that is switched back to is no longer drained: its requests and WebSockets live on", {
  timeout: 30_000,
}, async (t) => {
  const held = holdV1();
  const running = request(proxy.port, { path: "/long", limitMs: 20_000 });
  await waitUntil("v1 has it", () => held.length === 1);
  await proxy.switchTo("v2");
  const webSocketOfV2 = await openWebSocket(t, "v2");
  const closedOfV2 = once(webSocketOfV2, "close"); // its turn may come at once
  const leftV1AtMs = performance.now();
  await proxy.switchTo("v1");
  const webSocketOfV1 = await openWebSocket(t, "v1");
  assert.ok(!(await drains()).some(({ version }) => version === "v1"));
  // Past v1's deadline: what v2 had is gone by then, a sign from outside that time has passed.
  await withLimit(closedOfV2, WINDOW_MS + SLACK_MS, "v2's WebSocket to end");
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

test("a handshake that is under way at a switch becomes a WebSocket that is drained as well", {
  timeout: 60_000,
}, async (t) => {
  const pair = await startPair(t, {
    config: { switch: { drain: { deadline: "25s", websocket_window: "1s" } } },
  });
  const held: ((isWanted: boolean) => void)[] = [];
  new WebSocketServer({ server: pair.v1.server, verifyClient: (_, answer) => void held.push(answer) });
  const socket = new WebSocket(`ws://127.0.0.1:${pair.proxy.port}/`);
  t.after(() => socket.terminate());
  const opened = once(socket, "open");
  const closed = once(socket, "close");
  await waitUntil("v1 has the handshake", () => held.length === 1);
  await pair.proxy.switchTo("v2");
  held[0]?.(true);
  await withLimit(opened, 5_000, "the WebSocket to open");
  const [code] = (await withLimit(closed, 1_000 + SLACK_MS, "it to end")) as [number];
  assert.equal(code, 1012);
});

test("WebSockets that have not been told to end when a version is switched back to are kept", {
  timeout: 60_000,
}, async (t) => {
  const windowMs = 4_000;
  const pair = await startPair(t, {
    config: { switch: { drain: { deadline: `${windowMs}ms`, websocket_window: `${windowMs}ms` } } },
  });
  new WebSocketServer({ server: pair.v1.server }).on("connection", (socket) => {
    socket.on("error", () => undefined);
    socket.on("message", (message) => socket.send(message));
  });
  const codes: number[] = [];
  const sockets = Array.from({ length: 20 }, () => new WebSocket(`ws://127.0.0.1:${pair.proxy.port}/`));
  t.after(() => {
    for (const socket of sockets) socket.terminate();
  });
  for (const socket of sockets) socket.on("close", (code: number) => codes.push(code));
  await withLimit(Promise.all(sockets.map((socket) => once(socket, "open"))), 10_000, "all to be open");
  await pair.proxy.switchTo("v2");
  const leftAtMs = performance.now();
  await pair.proxy.switchTo("v1");
  await waitUntil("v1's old deadline has passed", () => performance.now() - leftAtMs > windowMs + 300, {
    limitMs: 20_000,
    intervalMs: 50,
  });
  const kept = sockets.filter(({ readyState }) => readyState === WebSocket.OPEN);
  assert.equal(kept.length + codes.length, 20);
  assert.ok(kept.length > 0, "all have ended");
  assert.ok(codes.every((code) => code === 1012));
  for (const socket of kept) {
    socket.send("hello");
    const [answer] = (await withLimit(once(socket, "message"), 5_000, "v1's answer")) as [Buffer];
    assert.equal(String(answer), "hello");
  }
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
