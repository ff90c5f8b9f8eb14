/** What a switch does to the traffic: all of it moves, on every worker, and none of it is lost. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { request } from "../../support/http-client.ts";
import { startLoad } from "../../support/load-driver.ts";
import { PROBE_PATH, probesOf, sayName, startPair, trafficOf } from "../../support/pair.ts";
import { whilePaused } from "../../support/paused.ts";
import { openRaw, type RawClient } from "../../support/raw-client.ts";

const WORKERS = 2;
const SUCCESSES = 3;

const { v1, v2, proxy, behave } = await startPair(
  { after },
  { workers: WORKERS, config: { switch: { probe: { successes: SUCCESSES, interval: "20ms" } } } },
);
const backends = { v1, v2 };

const ask = async (client: RawClient): Promise<string> => {
  client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
  const { status, text } = await client.readResponse();
  assert.equal(status, 200, text);
  return text;
};

/** Runs `work` while only the given worker accepts and answers. */
async function withWorkerAlone<T>(pid: number, work: () => Promise<T>): Promise<T> {
  const others = (await proxy.workerPids()).filter((each) => each !== pid);
  return await whilePaused(others, work);
}

async function otherVersion(): Promise<"v1" | "v2"> {
  return (await proxy.status()).current_version === "v1" ? "v2" : "v1";
}

test("the first start serves active_version at epoch 0", { timeout: 20_000 }, async () => {
  const status = await proxy.status();
  assert.equal(status.epoch, 0);
  assert.equal(status.current_version, "v1");
  assert.equal(status.current_backend, v1.url);
  assert.deepEqual(status.backends, { v1: v1.url, v2: v2.url });
  assert.equal((await request(proxy.port)).body, "v1");
});

test("a switch moves new and kept-alive connections on every worker", { timeout: 30_000 }, async (t) => {
  const pids = await proxy.workerPids();
  assert.equal(pids.length, WORKERS);
  const to = await otherVersion();
  const from = to === "v2" ? "v1" : "v2";
  const kept: RawClient[] = [];
  for (const pid of pids) {
    const client = await withWorkerAlone(pid, async () => {
      const opened = await openRaw(proxy.port, { t });
      assert.equal(await ask(opened), from);
      return opened;
    });
    kept.push(client);
  }
  await proxy.switchTo(to);
  for (const [i, pid] of pids.entries()) {
    const client = kept[i];
    assert.ok(client);
    await withWorkerAlone(pid, async () => {
      assert.equal(await ask(client), to, "the kept-alive connection");
      for (let n = 0; n < 5; n++) assert.equal((await request(proxy.port)).body, to, "a new connection");
    });
  }
  const { workers, epoch } = await proxy.status();
  assert.deepEqual(
    workers.map((worker) => worker.epoch),
    pids.map(() => epoch),
  );
});

test("the answer to a switch says what happened", { timeout: 20_000 }, async () => {
  const to = await otherVersion();
  const { epoch: before, current_version: from } = await proxy.status();
  const reply = await proxy.admin("POST", "/switch", { body: { version: to } });
  assert.equal(reply.status, 200);
  assert.match(String(reply.headers["content-type"]), /^application\/json/);
  const body = reply.json();
  assert.equal(body.success, true);
  assert.equal(typeof body.message, "string");
  assert.match(String(body.message), new RegExp(to));
  assert.equal(body.version, to);
  assert.equal(body.backend, backends[to].url);
  assert.equal(body.health_check, "passed");
  assert.equal(body.changed, true);
  assert.equal(body.previous_version, from);
  assert.equal(body.epoch, before + 1);
});

test("a version that is active already costs nothing: 200, changed false, no probe", {
  timeout: 20_000,
}, async () => {
  const before = await proxy.status();
  const active = before.current_version === "v1" ? v1 : v2;
  const probes = probesOf(active).length;
  const reply = await proxy.admin("POST", "/switch", { body: { version: before.current_version } });
  assert.equal(reply.status, 200);
  assert.equal(reply.json().success, true);
  assert.equal(reply.json().changed, false);
  assert.equal(reply.json().epoch, before.epoch);
  assert.equal(probesOf(active).length, probes);
  const after = await proxy.status();
  assert.equal(after.epoch, before.epoch);
  assert.equal(after.cooldown_remaining_seconds, 0);
});

test("an unknown version is 404, says which are known, and changes nothing", {
  timeout: 20_000,
}, async () => {
  const before = await proxy.status();
  const reply = await proxy.admin("POST", "/switch", { body: { version: "v9" } });
  assert.equal(reply.status, 404);
  assert.match(String(reply.headers["content-type"]), /^application\/problem\+json/);
  const problem = reply.json();
  assert.equal(problem.success, false);
  assert.equal(problem.code, "UNKNOWN_VERSION");
  assert.match(String(problem.message), /v1.*v2/);
  const after = await proxy.status();
  assert.equal(after.epoch, before.epoch);
  assert.equal(after.current_version, before.current_version);
});

test("the gate probes N times from every worker, and the traffic that follows reuses those connections", {
  timeout: 30_000,
}, async () => {
  const to = await otherVersion();
  const target = backends[to];
  target.closeConnections(); // of earlier tests
  const [probesBefore, connectionsBefore] = [probesOf(target).length, target.connectionsTotal];
  await proxy.switchTo(to);
  const probes = probesOf(target).slice(probesBefore);
  assert.equal(probes.length, WORKERS * SUCCESSES);
  const ports = new Set(probes.map(({ remotePort }) => remotePort));
  assert.equal(ports.size, WORKERS, "each worker probes over a connection of its own");
  for (const port of ports) {
    assert.equal(probes.filter(({ remotePort }) => remotePort === port).length, SUCCESSES);
  }
  assert.equal(target.connectionsTotal, connectionsBefore + WORKERS);
  for (let n = 0; n < 10; n++) assert.equal((await request(proxy.port)).body, to);
  assert.equal(
    target.connectionsTotal,
    connectionsBefore + WORKERS,
    "no connection was opened for the traffic",
  );
  for (const { remotePort } of trafficOf(target).slice(-10)) assert.ok(ports.has(remotePort));
});

test("a request in flight during a switch ends on the version it started on", {
  timeout: 20_000,
}, async (t) => {
  const from = (await proxy.status()).current_version as "v1" | "v2";
  const to = await otherVersion();
  const answers: (() => void)[] = [];
  behave[from] = (req, res) => {
    if (req.url === "/slow") answers.push(() => res.end(`slow ${from}`));
    else if (req.url === "/half") {
      res.write("first half, ");
      answers.push(() => res.end(`second half of ${from}`));
    } else sayName(from)(req, res);
  };
  t.after(() => {
    behave[from] = sayName(from);
  });
  const slowSeen = backends[from].requestSeen(({ url }) => url === "/slow");
  const slow = request(proxy.port, { path: "/slow" });
  await slowSeen;
  const half = await openRaw(proxy.port, { t });
  half.send("GET /half HTTP/1.1\r\nHost: test\r\n\r\n");
  await half.readUntil("first half, ");
  await proxy.switchTo(to);
  assert.equal((await request(proxy.port)).body, to);
  for (const answer of answers) answer();
  assert.equal((await slow).body, `slow ${from}`);
  await half.readUntil(`second half of ${from}`);
});

test("ten switches under load lose no request, and none that starts after the answer reaches the old version", {
  timeout: 120_000,
}, async (t) => {
  const perSwitch = 300;
  const load = startLoad(t, proxy.port, { keptAlive: 8, short: 4 });
  await load.more(perSwitch);
  const { epoch: firstEpoch } = await proxy.status();
  const turns: { to: string; answeredAtMs: number; nextCallAtMs: number }[] = [];
  for (let turn = 0; turn < 10; turn++) {
    const to = await otherVersion();
    const calledAtMs = performance.now();
    const last = turns.at(-1);
    if (last) last.nextCallAtMs = calledAtMs;
    const { epoch } = await proxy.switchTo(to);
    turns.push({ to, answeredAtMs: performance.now(), nextCallAtMs: Number.POSITIVE_INFINITY });
    assert.equal(epoch, firstEpoch + turn + 1, "each switch is one epoch, none is skipped");
    await load.more(perSwitch);
  }
  await load.stop();
  assert.deepEqual(load.failures().slice(0, 5), [], `${load.failures().length} failed requests`);
  for (const { to, answeredAtMs, nextCallAtMs } of turns) {
    const within = load.results.filter(
      ({ startedAtMs, endedAtMs }) => startedAtMs > answeredAtMs && endedAtMs < nextCallAtMs,
    );
    assert.ok(within.length >= perSwitch / 2, `only ${within.length} requests ran between two switches`);
    const strays = within.filter(({ body }) => body !== to);
    assert.deepEqual(strays.slice(0, 3), [], `${strays.length} of ${within.length} did not reach ${to}`);
    assert.ok(
      within.some(({ isKeptAlive }) => isKeptAlive) && within.some(({ isKeptAlive }) => !isKeptAlive),
    );
  }
});

test("a probe asks for switch.probe.path and says who it is", { timeout: 20_000 }, async () => {
  const probes = v2.requests.filter(({ headers }) => headers["user-agent"] === "traffic-switching-probe");
  assert.ok(probes.length > 0);
  const lines = new Set(probes.map(({ method, url }) => `${method} ${url}`));
  assert.deepEqual([...lines], [`GET ${PROBE_PATH}`]);
  assert.equal(probes.length, probesOf(v2).length, "nobody else asks for it");
});

test("each switch is one line of the log and one entry of the history", { timeout: 20_000 }, async () => {
  const to = await otherVersion();
  const { current_version: from, epoch } = await proxy.status();
  await proxy.switchTo(to, { reason: "for the history" });
  const line = await proxy.waitForLog(({ epoch: logged }) => logged === epoch + 1);
  assert.equal(line.from, from);
  assert.equal(line.to, to);
  const { entries } = (await proxy.admin("GET", "/history")).json() as { entries: Record<string, unknown>[] };
  assert.equal(entries.length, epoch + 1);
  const [newest] = entries;
  assert.ok(newest);
  assert.deepEqual(
    [newest.epoch, newest.from, newest.to, newest.trigger, newest.forced, newest.reason],
    [epoch + 1, from, to, "switch", false, "for the history"],
  );
  assert.equal(newest.prev, entries[1]?.hash);
});
