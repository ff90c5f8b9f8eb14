/** The prober over real sockets and real time: backends that die and come back, and what is left when it ends. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { HealthConfig } from "../../../../src/config/pool-config.ts";
import { Monitor, type ProbedBackend } from "../../../../src/control-plane/health/monitor.ts";
import { probeBackend } from "../../../../src/control-plane/health/probe-backend.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import { systemTimers } from "../../../../src/core/timers.ts";
import { startBackend, startRawBackend } from "../../../support/backend.ts";
import { onTestEnd } from "../../../support/cleanup.ts";
import { waitUntil, withLimit } from "../../../support/wait.ts";
import { HEALTH } from "./monitor-rig.ts";

const limit = { timeout: 30_000 };
/** A machine that is busy makes no probe fail: those of backends that hang alone have a short limit. */
const QUICK: HealthConfig = { ...HEALTH, intervalMs: 100, timeoutMs: 10_000 };

function backendAt(origin: string, change: Partial<HealthConfig> = {}): ProbedBackend {
  return { version: "v1", name: origin, origin, addresses: [], health: { ...QUICK, ...change } };
}

function startMonitor(t: TestContext) {
  const verdicts: string[] = [];
  const monitor = new Monitor({
    probe: (backend, signal) =>
      probeBackend(backend, { maxHeaderBytes: 16_384, maxHeaderCount: 100 }, systemClock, signal),
    onVerdict: ({ name }, verdict) => void verdicts.push(`${name} ${verdict}`),
    clock: systemClock,
    after: systemTimers.after, // such as Node.js lists among the active resources
    random: Math.random,
    log: { info: () => {}, warn: () => {}, error: (fields) => assert.fail(JSON.stringify(fields)) },
  });
  onTestEnd(t, () => monitor.close());
  const verdictOf = ({ version, name }: ProbedBackend) => monitor.healthOf(version, name)?.verdict;
  return { monitor, verdicts, verdictOf };
}

test("a backend that dies is out, one that comes back is in, and the others stay", limit, async (t) => {
  const stays = await startBackend(t);
  const dies = await startBackend(t);
  const { monitor, verdicts, verdictOf } = startMonitor(t);
  const [kept, killed] = [backendAt(stays.url), backendAt(dies.url)];
  monitor.update([kept, killed]);
  await waitUntil("both are healthy", () => verdictOf(kept) === "healthy" && verdictOf(killed) === "healthy");
  await dies.close();
  await waitUntil("it is out", () => verdictOf(killed) === "unhealthy");
  assert.match(monitor.healthOf("v1", killed.name)?.report?.saw ?? "", /ECONNREFUSED/);
  const comesBack = await startBackend(t, undefined, { port: dies.port });
  await waitUntil("it is in", () => verdictOf(killed) === "healthy");
  assert.ok(comesBack.requests.length >= 2, "one good probe is not enough");
  const ofKilled = verdicts.filter((line) => line.startsWith(`${killed.name} `));
  assert.deepEqual(
    ofKilled.map((line) => line.split(" ")[1]),
    ["healthy", "degraded", "unhealthy", "healthy"],
  );
});

test("a backend that hangs is out too, and one that hangs holds up no other", limit, async (t) => {
  const silent = await startRawBackend(t, (socket) => socket.resume());
  const lives = await startBackend(t);
  const { monitor, verdictOf } = startMonitor(t);
  const [hung, good] = [backendAt(silent.url, { timeoutMs: 100 }), backendAt(lives.url)];
  monitor.update([hung, good]);
  await waitUntil("it is out", () => verdictOf(hung) === "unhealthy");
  assert.equal(monitor.healthOf("v1", hung.name)?.report?.saw, "no answer within 100 ms");
  assert.equal(verdictOf(good), "healthy");
  assert.ok(lives.requests.length >= 3);
});

test("after close no timer, no socket and no probe is left, with probes that run too", limit, async (t) => {
  const silent = await startRawBackend(t, (socket) => socket.resume());
  const lives = await startBackend(t);
  const before = process.getActiveResourcesInfo();
  const { monitor } = startMonitor(t);
  const slow = { intervalMs: 60_000, timeoutMs: 60_000 };
  const hung = Array.from({ length: 8 }, (_, i) => ({ ...backendAt(silent.url, slow), name: `hung ${i}` }));
  const good = Array.from({ length: 8 }, (_, i) => ({ ...backendAt(lives.url), name: `good ${i}` }));
  const all: ProbedBackend[] = [];
  for (const each of [...hung, ...good]) {
    all.push(each);
    monitor.update(all); // a single new one is probed at once
  }
  await waitUntil("all of them hang", () => silent.connections === hung.length);
  await lives.requestsSeen(30);
  await withLimit(monitor.close(), 1_000, "the monitor to close");
  await waitUntil("the backends have no connection", () => silent.connections + lives.connections === 0);
  const leftOf = (kind: RegExp, from: readonly string[]) => from.filter((name) => kind.test(name)).length;
  for (const kind of [/^TCP/, /^Timeout$/, /^GetAddrInfo/]) {
    await waitUntil(
      `no ${kind} is left`,
      () => leftOf(kind, process.getActiveResourcesInfo()) <= leftOf(kind, before),
    );
  }
});
