/** Hold and pause, over the whole daemon: what waits, where it goes, and what one client can see. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type LoadResult, startLoad } from "../../support/load-driver.ts";
import { startPair, trafficOf } from "../../support/pair.ts";
import { whilePaused } from "../../support/paused.ts";
import { openRaw, type RawClient } from "../../support/raw-client.ts";
import { waitUntil } from "../../support/wait.ts";

const limit = { timeout: 60_000 };
const GET = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const SWITCHES = 20;
const QUICK = { min_interval: "0s", probe: { successes: 1 } };

/** Answers of `from` to requests that began when an answer of `to` was already there, to whomever. */
function turnedBack(results: readonly LoadResult[], from: string, to: string): LoadResult[] {
  const firstMs = Math.min(...results.filter(({ body }) => body === to).map(({ endedAtMs }) => endedAtMs));
  return results.filter(({ body, startedAtMs }) => body === from && startedAtMs > firstMs);
}

/** How many wait, in all workers. */
async function held(proxy: { admin(method: string, path: string): Promise<{ body: string }> }) {
  const { body } = await proxy.admin("GET", "/metrics");
  return Number(/^traffic_switching_held_requests (\d+)$/m.exec(body)?.[1]);
}

async function openMany(t: Parameters<typeof startPair>[0], port: number, count: number) {
  return await Promise.all(Array.from({ length: count }, () => openRaw(port, { t })));
}

const textOf = async (client: RawClient): Promise<string> => {
  const { status, text } = await client.readResponse();
  return status === 200 ? text : `${status} ${text}`;
};

test("with hold nobody sees the new version and then the old one, and nothing is lost", limit, async (t) => {
  const { proxy } = await startPair(t, { workers: 2, config: { switch: QUICK } });
  const load = startLoad(t, proxy.port, { keptAlive: 8, short: 8 });
  await load.more(100);
  for (let n = 0; n < SWITCHES; n++) {
    const [from, to] = n % 2 === 0 ? ["v1", "v2"] : ["v2", "v1"];
    const beganMs = performance.now();
    await proxy.switchTo(to, { hold: "2s" });
    const answeredMs = performance.now();
    await load.more(50);
    const results = load.since(beganMs);
    assert.deepEqual(turnedBack(results, from, to), []);
    assert.ok(results.every(({ body, startedAtMs }) => startedAtMs < answeredMs || body === to));
    assert.ok(answeredMs - beganMs < 2_000, "the hold ends with the switch, not after its time");
  }
  await load.stop();
  assert.deepEqual(load.failures(), []);
  assert.equal(await held(proxy), 0);
});

test("with hold no worker serves the new version before every worker holds", limit, async (t) => {
  const { v1, v2, proxy } = await startPair(t, {
    workers: 2,
    config: { switch: { ...QUICK, commit_timeout: "20s" } },
  });
  const [quick, late] = await proxy.workerPids();
  assert.ok(quick !== undefined && late !== undefined);
  const openOn = async (others: number[]): Promise<RawClient> =>
    await whilePaused(others, async () => {
      const client = await openRaw(proxy.port, { t });
      assert.equal(await textOf(client.send(GET)), "v1");
      return client;
    });
  const [onQuick, onLate] = [await openOn([late]), await openOn([quick])];
  const call = { force: true, reason: "one is late", hold: "20s" };
  const switching = await whilePaused([late], async () => {
    const called = proxy.switchTo("v2", call);
    await waitUntil("the hold begins", async () => (await proxy.status()).phase === "hold");
    onQuick.send(GET);
    onLate.send(GET);
    await waitUntil("it waits", async () => (await held(proxy)) === 1);
    assert.deepEqual([trafficOf(v1).length, trafficOf(v2).length], [2, 0]);
    return { called };
  });
  await switching.called;
  assert.equal(await textOf(onQuick), "v2");
  assert.equal(await textOf(onLate), "v2");
});

test("a pause holds new requests in every worker, and resume lets them go on", limit, async (t) => {
  const { v1, v2, proxy } = await startPair(t, { workers: 2, config: { switch: QUICK } });
  const clients = await openMany(t, proxy.port, 20);
  for (const client of clients) assert.equal(await textOf(client.send(GET)), "v1");
  const paused = await proxy.admin("POST", "/pause", { body: { for: "50s", reason: "migrate" } });
  assert.equal(paused.status, 200, paused.body);
  for (const client of clients) client.send(GET);
  await waitUntil("all wait", async () => (await held(proxy)) === clients.length);
  assert.equal(trafficOf(v1).length, clients.length);
  await proxy.switchTo("v2"); // a pause is no reason not to switch
  assert.equal(await held(proxy), clients.length, "a switch does not end it");
  assert.equal((await proxy.admin("POST", "/resume", { body: {} })).status, 200);
  for (const client of clients) assert.equal(await textOf(client), "v2");
  assert.equal(trafficOf(v1).length, clients.length);
  assert.equal(trafficOf(v2).length, clients.length);
});

test("a pause that nobody ends is over after its time", limit, async (t) => {
  const { proxy } = await startPair(t, { workers: 2 });
  const client = await openRaw(proxy.port, { t });
  const beganMs = performance.now();
  await proxy.admin("POST", "/pause", { body: { for: "1s" } });
  assert.equal(await textOf(client.send(GET)), "v1");
  assert.ok(performance.now() - beganMs >= 999);
});

test("a worker that replaces a dead one during a pause holds from its first request on", limit, async (t) => {
  const { v1, proxy } = await startPair(t, { workers: 1 });
  await proxy.admin("POST", "/pause", { body: { for: "50s" } });
  const [pid] = await proxy.workerPids();
  assert.ok(pid !== undefined);
  process.kill(pid, "SIGKILL");
  await waitUntil("another listens", async () =>
    (await proxy.status()).workers.some((worker) => worker.pid !== pid && worker.state === "listening"),
  );
  const client = await openRaw(proxy.port, { t });
  client.send(GET);
  await waitUntil("it waits", async () => (await held(proxy)) === 1);
  assert.equal(trafficOf(v1).length, 0);
  await proxy.admin("POST", "/resume", { body: {} });
  assert.equal(await textOf(client), "v1");
});

test("a daemon that is told to end lets what waits finish first", limit, async (t) => {
  const { proxy } = await startPair(t, { workers: 2 });
  const clients = await openMany(t, proxy.port, 10);
  await proxy.admin("POST", "/pause", { body: { for: "50s" } });
  for (const client of clients) client.send(GET);
  await waitUntil("all wait", async () => (await held(proxy)) === clients.length);
  const ended = proxy.stop();
  for (const client of clients) assert.equal(await textOf(client), "v1");
  for (const client of clients) client.end();
  assert.deepEqual(await ended, { code: 0, signal: null });
});

test("past switch.hold.max_requests a request is 503 at once, and counted", limit, async (t) => {
  const { proxy } = await startPair(t, { workers: 1, config: { switch: { hold: { max_requests: 2 } } } });
  const clients = await openMany(t, proxy.port, 2);
  await proxy.admin("POST", "/pause", { body: { for: "50s" } });
  for (const client of clients) client.send(GET);
  await waitUntil("both wait", async () => (await held(proxy)) === 2);
  const late = await openRaw(proxy.port, { t });
  const refused = await late.send(GET).readResponse();
  assert.deepEqual([refused.status, refused.header("retry-after")], [503, "1"]);
  const { body } = await proxy.admin("GET", "/metrics");
  assert.match(body, /^traffic_switching_http_refusals_total\{reason="hold_full"\} 1$/m);
  await proxy.admin("POST", "/resume", { body: {} });
  for (const client of clients) assert.equal(await textOf(client), "v1");
});
