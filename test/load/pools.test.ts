/**
 * Pools under load, with figures: what the death of a backend costs, how its traffic comes back, how soon one that
 * fails is out and what the others feel of it, and what a rolling restart loses.
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { PoolBackend } from "../support/pools/backends.ts";
import { type PoolClients, type Seen, startClients } from "../support/pools/clients.ts";
import { startScene } from "../support/pools/scene.ts";
import { countsOf, latencyMs, mostFaultsOfOne, sharesOverTime, told } from "../support/pools/shares.ts";
import { waitUntil } from "../support/wait.ts";
import { SIZE } from "./size.ts";

const { connections: CONNECTIONS, requests: REQUESTS, slowStartMs: SLOW_START_MS } = SIZE.pools;
const LIMIT = { timeout: 180_000 };
const BACK_LIMIT_MS = 10_000;
const WORKERS = 2;
const BUCKET_MS = 250;
const FAIR = 1 / 3;
/** Of the share in a bucket: some hundred requests are in each. */
const NOISE = 0.06;
/** Between two requests of a connection, where latency is measured: the machine must not be full. */
const PACE_MS = 40;
const RETRY_ALL = { retries: 1, retry_on: ["connect-failure", "dead-connection"] };
const OUTLIER = { window: 100, error_ratio: 0.5, min_requests: 20, eject_for: "10m" };

const percents = (shares: readonly number[]): string =>
  shares.map((share) => (100 * share).toFixed(1)).join(" ");

for (const [name, upstream] of [
  ["without retries", { retries: 0 }],
  ["with one retry, also of what was sent", RETRY_ALL],
] as const) {
  test(`kill -9 of one of three backends under ${CONNECTIONS} connections, ${name}`, LIMIT, async (t) => {
    const { proxy, backend } = await startScene(t, { workers: WORKERS, config: { upstream } });
    const clients = startClients(t, { port: proxy.port, connections: CONNECTIONS });
    await clients.more(REQUESTS / 4);
    await backend("b").kill();
    const killedMs = performance.now();
    await clients.more(REQUESTS / 4);
    const { faults } = clients;
    const lastMs = Math.max(0, ...faults.map(({ endedMs }) => endedMs - killedMs));
    t.diagnostic(
      `${faults.length} of ${clients.seen.length} requests failed, at most ${mostFaultsOfOne(faults)} of a connection, the last ${lastMs.toFixed(0)} ms after the kill`,
    );
    assert.ok(mostFaultsOfOne(faults) <= (upstream.retries === 0 ? 1 : 0), told(faults));
    await clients.more(REQUESTS / 4);
    assert.equal(clients.faults.length, faults.length, told(clients.faults.slice(faults.length)));
  });
}

for (const algorithm of ["round-robin", "smooth-weighted"]) {
  test(
    `${algorithm}: a backend that comes back climbs over slow_start, and never jumps`,
    LIMIT,
    async (t) => {
      const { proxy, backend } = await startScene(t, {
        pool: { balance: { algorithm }, slow_start: `${SLOW_START_MS}ms` },
        workers: WORKERS,
        config: { upstream: RETRY_ALL },
      });
      const clients = startClients(t, { port: proxy.port, connections: CONNECTIONS, paceMs: PACE_MS });
      await clients.more(CONNECTIONS);
      await backend("b").kill();
      await clients.more(CONNECTIONS);
      await backend("b").start();
      const startedMs = performance.now();
      const first = await waitUntil(
        "it answers",
        () => clients.since(startedMs).find((seen) => seen.backend === "b"),
        { limitMs: BACK_LIMIT_MS },
      );
      const buckets = SLOW_START_MS / BUCKET_MS + 4;
      const overMs = first.sentMs + buckets * BUCKET_MS;
      await waitUntil("the climb is over", () => performance.now() > overMs + 500, { limitMs: 60_000 });
      await clients.stop();
      const shares = sharesOverTime(clients.seen, "b", {
        fromMs: first.sentMs,
        bucketMs: BUCKET_MS,
        buckets,
      });
      t.diagnostic(`% of b in each ${BUCKET_MS} ms: ${percents(shares)}`);
      assert.deepEqual(clients.faults, [], told(clients.faults));
      judgeClimb(shares);
    },
  );
}

function judgeClimb(shares: readonly number[]): void {
  const text = percents(shares);
  assert.ok((shares[0] ?? 1) < FAIR / 2, `it begins with a small share: ${text}`);
  let most = 0;
  for (const share of shares) {
    assert.ok(share > most - NOISE, `it does not fall: ${text}`);
    assert.ok(share < FAIR + NOISE, `it takes no more than its part: ${text}`);
    most = Math.max(most, share);
  }
  const last = shares.slice(-4).reduce((sum, share) => sum + share, 0) / 4;
  assert.ok(Math.abs(last - FAIR) < NOISE / 2, `it ends with its part: ${text}`);
}

for (const [kind, fail] of [
  ["every other answer", "alternating"],
  ["half of its answers, by chance", { ratio: 0.5, seed: 7 }],
] as const) {
  test(
    `a backend with a 500 for ${kind} is out within two windows, the others' p99 is unharmed`,
    LIMIT,
    async (t) => {
      const { proxy, backend } = await startScene(t, { pool: { outlier: OUTLIER } });
      const clients = startClients(t, { port: proxy.port, connections: CONNECTIONS, paceMs: PACE_MS });
      await clients.more(REQUESTS / 4); // warm
      const [wellMs, before] = [performance.now(), await backend("b").requests()];
      await clients.more(REQUESTS / 2);
      const failingMs = performance.now();
      const asked = await backend("b").requests();
      await backend("b").behave({ fail });
      await waitUntil("it is out", () => isOut(clients), { limitMs: BACK_LIMIT_MS });
      const outMs = performance.now();
      const took = (await backend("b").requests()) - asked;
      await clients.more(REQUESTS / 2);
      await clients.stop();
      const others = (from: number, to: number): Seen[] =>
        clients
          .since(from)
          .filter((seen) => seen.sentMs < to && (seen.backend === "a" || seen.backend === "c"));
      const [well, bad] = [others(wellMs, failingMs), others(failingMs, Number.POSITIVE_INFINITY)];
      const p99 = [latencyMs(well, 0.99), latencyMs(bad, 0.99)] as const;
      t.diagnostic(
        `out after ${took} of its requests (window ${OUTLIER.window}), ${clients.faults.length} answers bad; p99 of the others ${p99[0].toFixed(1)} ms before, ${p99[1].toFixed(1)} ms since: ${(p99[1] / p99[0]).toFixed(2)} times`,
      );
      assert.ok(asked > before);
      assert.ok(took <= 2 * OUTLIER.window, `${took} requests`);
      assert.ok(
        clients.since(outMs).every((seen) => seen.backend !== "b"),
        "it takes nothing while it is out",
      );
      assert.ok(p99[1] < 2 * p99[0] + 5, `p99 ${p99[0]} ms, then ${p99[1]} ms`);
    },
  );
}

/** The last answers of all are those of the others. */
function isOut({ seen }: PoolClients): boolean {
  const last = seen.slice(-100);
  return seen.some(({ status }) => status === 500) && last.every(({ backend }) => backend !== "b");
}

test(
  `rolling restarts under ${CONNECTIONS} connections, as careful and as careless backends end`,
  LIMIT,
  async (t) => {
    const lost = await roll(t, {});
    const careless = await roll(t, { closesIdle: true });
    t.diagnostic(`careful: ${lost.text}; closing what is idle at once: ${careless.text}`);
    assert.deepEqual(
      [...lost.faults, ...careless.faults].filter(({ method }) => method === "GET"),
      [],
    );
    assert.ok(careless.faults.length < careless.requests / 50, told(careless.faults));
  },
);

async function roll(
  t: TestContext,
  behaviour: { closesIdle?: boolean },
): Promise<{ faults: Seen[]; requests: number; text: string }> {
  const scene = await startScene(t, { workers: WORKERS, config: { upstream: RETRY_ALL } });
  for (const each of scene.backends) await each.behave(behaviour);
  const clients = startClients(t, { port: scene.proxy.port, connections: CONNECTIONS, isMixed: true });
  await clients.more(REQUESTS / 4);
  for (const each of scene.backends) await restart(each, clients);
  await clients.stop();
  const { faults, seen } = clients;
  const posts = seen.filter(({ method }) => method === "POST").length;
  return {
    faults,
    requests: seen.length,
    text: `${faults.length} of ${posts} POST and ${seen.length - posts} GET lost`,
  };
}

async function restart(backend: PoolBackend, clients: PoolClients): Promise<void> {
  await backend.restart();
  const startedMs = performance.now();
  const isBack = (): boolean => (countsOf(clients.since(startedMs))[backend.name] ?? 0) >= CONNECTIONS;
  await waitUntil(`${backend.name} takes its part again`, isBack, { limitMs: BACK_LIMIT_MS });
  await clients.more(REQUESTS / 10);
}
