/** GET /events of a real daemon: what happens is told as it happens, and nobody who reads is waited for. */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { readEvents } from "../../support/event-reader.ts";
import { request } from "../../support/http-client.ts";
import { PROBE_PATH, sayName, startPair } from "../../support/pair.ts";
import { openRaw } from "../../support/raw-client.ts";
import { waitUntil, withLimit } from "../../support/wait.ts";

const limit = { timeout: 60_000 };

test(
  "a worker that is killed is told gone, its replacement starting and listening, and ready with it",
  limit,
  async (t) => {
    const { proxy } = await startPair(t, { workers: 2 });
    const reader = await readEvents(t, proxy.adminPort);
    const { data: first } = await reader.waitFor("status");
    const { workers } = await proxy.status();
    assert.deepEqual(
      { ...first, at: "" },
      {
        at: "",
        active_version: "v1",
        epoch: 0,
        phase: "idle",
        ready: true,
        why: "",
        workers: workers.map(({ pid, state }, index) => ({ worker: index + 1, pid, state })),
        missed: false,
      },
    );
    const pid = workers[0]?.pid ?? 0;
    process.kill(pid, "SIGKILL");
    await reader.waitFor("ready", ({ ready }) => ready === true, 15_000);
    const replacement = (await proxy.workerPids()).find((each) => workers.every((old) => old.pid !== each));
    const told = reader.events.slice(1).map(({ type, data: { at: _, ...data } }) => ({ type, ...data }));
    assert.deepEqual(told, [
      { type: "worker", worker: 1, pid, state: "gone" },
      { type: "ready", ready: false, why: "1 of 2 workers listen" },
      { type: "worker", worker: 1, pid: replacement, state: "starting" },
      { type: "worker", worker: 1, pid: replacement, state: "listening" },
      { type: "ready", ready: true, why: "" },
    ]);
  },
);

test(
  "who comes back with Last-Event-ID gets what it missed; after a restart it is told that it missed some",
  limit,
  async (t) => {
    const { proxy } = await startPair(t);
    const reader = await readEvents(t, proxy.adminPort);
    const { id } = await reader.waitFor("status");
    reader.client.destroy();
    process.kill((await proxy.workerPids())[0] ?? 0, "SIGKILL");
    await proxy.waitForLog(({ msg }) => msg === "worker died; it is replaced");
    await proxy.waitReady();
    const back = await readEvents(t, proxy.adminPort, { "Last-Event-ID": id });
    await back.waitFor("ready", ({ ready }) => ready === true);
    assert.deepEqual(
      back.events.map(({ type, data }) => data.state ?? data.ready ?? type),
      [true, "gone", false, "starting", "listening", true],
    );
    assert.deepEqual([back.events[0]?.type, back.events[0]?.data.missed], ["status", false]);
    await proxy.restart();
    const restarted = await readEvents(t, proxy.adminPort, { "Last-Event-ID": id });
    assert.equal((await restarted.waitFor("status")).data.missed, true);
  },
);

test(
  "a switch is told phase by phase, a refusal with its code, and a pause with who and why",
  limit,
  async (t) => {
    const { proxy } = await startPair(t);
    const reader = await readEvents(t, proxy.adminPort);
    await proxy.switchTo("v2", { reason: "release 42" });
    await proxy.admin("POST", "/switch", { body: { version: "v1", expect: { epoch: 7 } } });
    await proxy.admin("POST", "/pause", { body: { for: "10s", reason: "mend the database" } });
    await proxy.admin("POST", "/resume", { body: {} });
    await reader.waitFor("resumed");
    const told = reader.events.filter(({ type }) => !/^(status|drain|drained)$/.test(type));
    const move = { from: "v1", to: "v2", trigger: "switch" };
    const switched = told.find(({ type }) => type === "switched")?.data ?? {};
    const back = { from: "v2", to: "v1", trigger: "switch", actor: "loopback" };
    assert.deepEqual(
      told.filter(({ type }) => type === "phase").map(({ data }) => data.phase),
      ["prepare", "persist", "commit", "idle"],
    );
    assert.deepEqual(
      { ...switched, at: "", duration_ms: 0 },
      { at: "", ...move, epoch: 1, forced: false, reason: "release 42", actor: "loopback", duration_ms: 0 },
    );
    assert.ok(Number(switched.duration_ms) > 0);
    const { at: _, message, ...refused } = (await reader.waitFor("refused")).data;
    assert.deepEqual(refused, { ...back, code: "EXPECTATION_FAILED" });
    assert.match(String(message), /epoch/);
    const paused = (await reader.waitFor("paused")).data;
    assert.deepEqual([paused.reason, paused.actor], ["mend the database", "loopback"]);
    assert.ok(Date.parse(String(paused.until)) > Date.parse(String(paused.at)));
    assert.equal((await reader.waitFor("resumed")).data.actor, "loopback");
  },
);

test("what still runs on the version that was left is told until it has ended", limit, async (t) => {
  const { proxy, v1, behave } = await startPair(t);
  const held: ServerResponse[] = [];
  behave.v1 = (req, res) => void (req.url === PROBE_PATH ? sayName("v1")(req, res) : held.push(res));
  const reader = await readEvents(t, proxy.adminPort);
  const running = request(proxy.port, { limitMs: 30_000 });
  await waitUntil("v1 has the request", () => held.length === 1);
  await proxy.switchTo("v2");
  const { data } = await reader.waitFor("drain", ({ in_flight }) => in_flight === 1);
  assert.deepEqual([data.version, data.upgraded], ["v1", 0]);
  const deadlineMs = Date.parse(String(data.deadline_at)) - Date.parse(String(data.at));
  assert.ok(deadlineMs > 20_000 && deadlineMs <= 30_000, String(deadlineMs));
  held[0]?.end("done");
  assert.equal((await running).body, "done");
  assert.equal((await reader.waitFor("drained")).data.version, "v1");
  assert.ok(v1.requests.length > 0);
});

test("SIGTERM ends the daemon in time with five who read, and tells them why", limit, async (t) => {
  const { proxy } = await startPair(t);
  const readers = await Promise.all(Array.from({ length: 5 }, () => readEvents(t, proxy.adminPort)));
  for (const reader of readers) await reader.waitFor("status");
  proxy.child.kill("SIGTERM");
  assert.deepEqual(await withLimit(proxy.exited, 3_000, "the exit"), { code: 0, signal: null });
  for (const { events, isEnded } of readers) {
    assert.deepEqual(
      [isEnded, events.at(-1)?.type, events.at(-1)?.data.why],
      [true, "ready", "the daemon is ending"],
    );
  }
});

test(
  "while a request keeps the daemon from ending, streams have ended already and new ones are refused",
  limit,
  async (t) => {
    const { proxy, behave } = await startPair(t);
    const held: ServerResponse[] = [];
    behave.v1 = (_, res) => void held.push(res);
    const reader = await readEvents(t, proxy.adminPort);
    const running = request(proxy.port, { limitMs: 30_000 });
    await waitUntil("v1 has the request", () => held.length === 1);
    proxy.child.kill("SIGTERM");
    await reader.client.waitClosed();
    const late = await proxy.admin("GET", "/events");
    assert.deepEqual([late.status, late.json().code], [503, "NOT_READY"]);
    assert.ok(proxy.isRunning);
    held[0]?.end();
    await running;
  },
);

test(
  "the metrics say how many read; a stream that lives longer than any time limit of a call gets a heartbeat",
  limit,
  async (t) => {
    const { proxy } = await startPair(t);
    const reader = await readEvents(t, proxy.adminPort);
    const { body } = await proxy.admin("GET", "/metrics");
    assert.match(body, /^traffic_switching_event_subscribers 1$/m);
    assert.match(body, /^traffic_switching_event_subscribers_dropped_total\{reason="slow"\} 0$/m);
    // A call has 15 s for its request and is looked at every second; so long it must have been open.
    await waitUntil("the heartbeat of 15 s comes", () => reader.otherLines.includes(":"), {
      limitMs: 20_000,
    });
    const openedAtMs = performance.now();
    await waitUntil("3 s more pass", () => performance.now() - openedAtMs > 3_000, { intervalMs: 100 });
    process.kill((await proxy.workerPids())[0] ?? 0, "SIGKILL");
    await reader.waitFor("worker", ({ state }) => state === "gone");
    reader.client.destroy();
    const isNobodyCounted = async () =>
      /^traffic_switching_event_subscribers 0$/m.test((await proxy.admin("GET", "/metrics")).body);
    await waitUntil("nobody is counted any more", isNobodyCounted);
  },
);

test(
  "on the traffic port /events belongs to the backend, and strangers may not read it on the admin listener",
  limit,
  async (t) => {
    const { proxy, v1 } = await startPair(t, { config: { admin: { host: "0.0.0.0" } } });
    assert.equal((await request(proxy.port, { path: "/events" })).body, "v1");
    assert.ok(v1.requests.some(({ url }) => url === "/events"));
    const client = await openRaw(proxy.adminPort, { t });
    const refused = await client.send("GET /events HTTP/1.1\r\nHost: rebound.example\r\n\r\n").readResponse();
    assert.deepEqual([refused.status, JSON.parse(refused.text).code], [403, "FORBIDDEN"]);
  },
);
