/** GET /events over real sockets: the admin listener with the real log and readers behind it, and a test that publishes. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { AdminDeps } from "../../../../src/control-plane/admin/admin-deps.ts";
import { startAdminListener } from "../../../../src/control-plane/admin/admin-listener.ts";
import { getEvents } from "../../../../src/control-plane/admin/get-events.ts";
import { EventLog } from "../../../../src/control-plane/events/event-log.ts";
import {
  EventSubscribers,
  MAX_SUBSCRIBERS,
  MAX_WAITING_BYTES,
} from "../../../../src/control-plane/events/event-subscribers.ts";
import type { DaemonEvent, StatusEvent } from "../../../../src/control-plane/events/events.ts";
import type { AdminSink } from "../../../../src/core/admin-call.ts";
import { type EventReader, readEvents } from "../../../support/event-reader.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { openRaw } from "../../../support/raw-client.ts";
import { waitUntil } from "../../../support/wait.ts";

const STATUS: StatusEvent = {
  active_version: "v1",
  epoch: 3,
  phase: "idle",
  ready: true,
  why: "",
  workers: [{ worker: 1, pid: 77, state: "listening" }],
};
const GET = "GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

function start(t: TestContext, heartbeatMs?: number) {
  const clock = new ManualClock({ wallMs: Date.UTC(2030, 0, 1) });
  const log = new EventLog(clock, { startId: "a1b2", onFault: (error) => assert.fail(String(error)) });
  const options = { log, clock, status: () => STATUS };
  const subscribers = new EventSubscribers(heartbeatMs ? { ...options, heartbeatMs } : options);
  t.after(() => subscribers.close()); // its timer would keep the process alive
  return { log, subscribers };
}

async function startListening(t: TestContext, heartbeatMs?: number) {
  const { log, subscribers } = start(t, heartbeatMs);
  const listener = await startAdminListener({
    host: "127.0.0.1",
    port: 0,
    socket: null,
    tls: null,
    // Of the dependencies of a handler it needs this one alone.
    handle: async (call) => getEvents(call, { events: subscribers } as unknown as AdminDeps),
    log: { error: (fields) => assert.fail(JSON.stringify(fields)) },
  });
  t.after(() => listener.close());
  return { log, subscribers, listener, port: listener.port };
}

function ready(why: string): DaemonEvent {
  return { type: "ready", ready: false, why };
}

const typesOf = ({ events }: EventReader): string[] => events.map(({ type }) => type);

test("a stream has its head at once, then the state, then each event with id, type and one line of data", async (t) => {
  const { log, port } = await startListening(t);
  log.publish(ready("before"));
  const reader = await readEvents(t, port);
  const { head } = reader;
  assert.deepEqual(
    [
      head.status,
      head.header("content-type"),
      head.header("cache-control"),
      head.header("x-accel-buffering"),
    ],
    [200, "text/event-stream", "no-store", "no"],
  );
  assert.equal(head.header("connection"), "close");
  const at = "2030-01-01T00:00:00.000Z";
  await reader.waitFor("status");
  log.publish(ready("after"));
  await reader.waitFor("ready");
  assert.deepEqual(reader.events, [
    { id: "a1b2-1", type: "status", data: { at, ...STATUS, missed: false } },
    { id: "a1b2-2", type: "ready", data: { at, ready: false, why: "after" } },
  ]);
  assert.deepEqual(reader.otherLines, ["retry: 1000"]);
});

test("with Last-Event-ID the state comes first, under the id to go on from, then what was missed, then what is new", async (t) => {
  const { log, port } = await startListening(t);
  for (const why of ["1", "2", "3"]) log.publish(ready(why));
  const reader = await readEvents(t, port, { "Last-Event-ID": "a1b2-1" });
  await reader.waitFor("ready", ({ why }) => why === "3");
  log.publish(ready("4"));
  await reader.waitFor("ready", ({ why }) => why === "4");
  assert.deepEqual(
    reader.events.map(({ id, data }) => [id, data.why ?? data.missed]),
    [
      ["a1b2-1", ""],
      ["a1b2-2", "2"],
      ["a1b2-3", "3"],
      ["a1b2-4", "4"],
    ],
  );
  assert.equal(reader.events[0]?.data.missed, false);
  const foreign = await readEvents(t, port, { "Last-Event-ID": "ffff-3" });
  const { id, data } = await foreign.waitFor("status");
  assert.deepEqual([id, data.missed], ["a1b2-4", true]);
});

test("HEAD gets the head alone and takes no place", async (t) => {
  const { subscribers, port } = await startListening(t);
  const client = await openRaw(port, { t });
  const answer = await client.send(GET.replace("GET", "HEAD")).readResponse({ method: "HEAD" });
  assert.deepEqual([answer.status, answer.header("content-type")], [200, "text/event-stream"]);
  assert.equal((await client.readToEnd()).length, 0);
  assert.equal(subscribers.size, 0);
});

test("a quiet stream gets a comment from time to time", async (t) => {
  const { port } = await startListening(t, 20);
  const reader = await readEvents(t, port);
  await waitUntil("two heartbeats came", () => reader.otherLines.filter((line) => line === ":").length >= 2);
  assert.deepEqual(typesOf(reader), ["status"]);
});

test("a client that leaves gives its place back", async (t) => {
  const { subscribers, port } = await startListening(t);
  const [leaving, resetting] = [await readEvents(t, port), await readEvents(t, port)];
  assert.equal(subscribers.size, 2);
  leaving.client.end();
  resetting.client.reset();
  await waitUntil("both places are free", () => subscribers.size === 0);
  assert.deepEqual(subscribers.dropped, { slow: 0, full: 0 });
});

test("one that does not read is cut off and counted, while another gets every event", {
  timeout: 60_000,
}, async (t) => {
  const { log, subscribers, port } = await startListening(t);
  const slow = await openRaw(port, { t });
  await slow.send(GET).readHead();
  slow.pause();
  const quick = await readEvents(t, port);
  await quick.waitFor("status");
  // What the system itself buffers has to be filled first: some MB on loopback.
  const why = "x".repeat(16_000);
  let published = 0;
  while (subscribers.dropped.slow === 0 && published < 4_000) {
    log.publish(ready(why));
    published++;
    if (published % 2 === 0)
      await waitUntil("the quick one has it", () => quick.events.length === 1 + published);
  }
  assert.deepEqual(subscribers.dropped, { slow: 1, full: 0 }, `after ${published} events`);
  assert.equal(subscribers.size, 1);
  log.publish(ready("the last"));
  await quick.waitFor("ready", (data) => data.why === "the last");
  assert.deepEqual(
    quick.events.map(({ id }) => id),
    Array.from({ length: published + 2 }, (_, n) => `a1b2-${n}`),
  );
  assert.equal(quick.client.ending, undefined);
  slow.resume();
  await slow.waitClosed();
  assert.ok(!slow.unread.toString("latin1").endsWith("\r\n0\r\n\r\n"), "what it got does not look complete");
});

/** A sink whose client has taken all but `waiting` bytes. */
function startSink() {
  const seen = { texts: [] as string[], waiting: 0, isDestroyed: false };
  const sink: AdminSink = {
    write: (text) => void seen.texts.push(text),
    waitingBytes: () => seen.waiting,
    end: () => {},
    destroy: () => {
      seen.isDestroyed = true;
    },
  };
  return { seen, sink };
}

test("64 KiB may wait for a client, one byte more may not", (t) => {
  const { log, subscribers } = start(t);
  const { seen, sink } = startSink();
  subscribers.open(sink, null);
  seen.waiting = MAX_WAITING_BYTES;
  log.publish(ready("1"));
  assert.deepEqual([MAX_WAITING_BYTES, seen.texts.length, seen.isDestroyed], [65_536, 2, false]);
  seen.waiting++;
  log.publish(ready("2"));
  assert.deepEqual([seen.texts.length, seen.isDestroyed, subscribers.size], [2, true, 0]);
});

test("a long replay does not make its reader a slow one, but once it was taken 64 KiB count again", (t) => {
  const { log, subscribers } = start(t);
  for (let n = 0; n < 200; n++) log.publish(ready("x".repeat(500)));
  const { seen, sink } = startSink();
  subscribers.open(sink, "a1b2-0");
  seen.waiting = seen.texts.join("").length;
  assert.ok(seen.waiting > MAX_WAITING_BYTES);
  log.publish(ready("while the replay waits"));
  assert.deepEqual([seen.texts.length, seen.isDestroyed], [2, false]);
  seen.waiting = 0;
  log.publish(ready("when it was taken"));
  seen.waiting = MAX_WAITING_BYTES + 1;
  log.publish(ready("when too much waits again"));
  assert.deepEqual([seen.texts.length, seen.isDestroyed, subscribers.dropped.slow], [3, true, 1]);
});

test("the 33rd is refused with 503, a code and Retry-After, and a place that comes free is given away again", async (t) => {
  const { subscribers, port } = await startListening(t);
  const readers = [];
  for (let n = 0; n < MAX_SUBSCRIBERS; n++) readers.push(await readEvents(t, port));
  assert.deepEqual([MAX_SUBSCRIBERS, subscribers.size], [32, 32]);
  const refused = await (await openRaw(port, { t })).send(GET).readResponse();
  assert.deepEqual([refused.status, refused.header("retry-after")], [503, "5"]);
  assert.equal(JSON.parse(refused.text).code, "TOO_MANY_SUBSCRIBERS");
  readers[0]?.client.end();
  await waitUntil("a place is free", () => subscribers.size === 31);
  assert.equal((await readEvents(t, port)).head.status, 200);
});

test("of two that saw the last place one is cut off and counted", (t) => {
  const { subscribers } = start(t);
  for (let n = 0; n < MAX_SUBSCRIBERS; n++) subscribers.open(startSink().sink, null);
  const { seen, sink } = startSink();
  subscribers.open(sink, null)();
  assert.deepEqual([seen.isDestroyed, seen.texts, subscribers.size], [true, [], 32]);
  assert.deepEqual(subscribers.dropped, { slow: 0, full: 1 });
});

test("a stream pipelined behind another one takes no place, and both are gone with their connection", async (t) => {
  const { subscribers, port } = await startListening(t);
  const client = await openRaw(port, { t });
  await client.send(GET + GET).readUntil("event: status");
  assert.equal(subscribers.size, 1);
  client.destroy();
  await waitUntil("no place is taken", () => subscribers.size === 0);
});

test("closing ends every stream in order at once, tells it what was published last, and takes no new one", async (t) => {
  const { log, subscribers, listener, port } = await startListening(t);
  const readers = await Promise.all([readEvents(t, port), readEvents(t, port)]);
  for (const reader of readers) await reader.waitFor("status");
  log.publish(ready("the daemon is ending"));
  subscribers.close();
  await Promise.all(readers.map(({ client }) => client.waitClosed(1_000)));
  for (const reader of readers) {
    assert.deepEqual([reader.isEnded, typesOf(reader)], [true, ["status", "ready"]]);
  }
  const late = await (await openRaw(port, { t })).send(GET).readResponse();
  assert.deepEqual([late.status, JSON.parse(late.text).code], [503, "NOT_READY"]);
  const beganAtMs = performance.now();
  await listener.close();
  assert.ok(performance.now() - beganAtMs < 1_000);
});
