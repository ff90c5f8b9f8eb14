/** What /status, the metrics, the events and the log say of the backends of a pool, one of which dies. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startBackend } from "../../support/backend.ts";
import { request } from "../../support/http-client.ts";
import { sayName, startPair } from "../../support/pair.ts";
import { waitUntil } from "../../support/wait.ts";

const WORKERS = 2;
const stays = await startBackend({ after }, sayName("stays"));
const dies = await startBackend({ after }, sayName("dies"));
const { proxy } = await startPair(
  { after },
  {
    workers: WORKERS,
    config: {
      backends: {
        v1: {
          targets: [{ url: stays.url, weight: 3 }, { url: dies.url }],
          health: { interval: "100ms", timeout: "90ms", unhealthy_after: 1, healthy_after: 1 },
          breaker: {},
        },
      },
    },
  },
);

interface Seen {
  readonly name: string;
  readonly weight: number;
  readonly effective_weight: number | null;
  readonly state: string;
  readonly health: { readonly by: string | null; readonly verdict: string };
  readonly workers: number;
  readonly reachable_by: number;
  readonly breaker: unknown;
}

async function pool(): Promise<{ panic: boolean; backends: Seen[] }> {
  const { pools } = (await proxy.status()) as unknown as Record<
    "pools",
    Record<string, { panic: boolean; backends: Seen[] }>
  >;
  return pools.v1 ?? assert.fail("v1 is a pool");
}

async function seenOf(name: string): Promise<Seen> {
  const { backends } = await pool();
  return backends.find((each) => each.name === name) ?? assert.fail(`${name} is in the pool`);
}

const metric = async (name: string, backend: string, more = ""): Promise<string | undefined> => {
  const text = (await proxy.admin("GET", "/metrics")).body;
  const start = `traffic_switching_${name}{version="v1",backend="${backend}"${more}} `;
  return text
    .split("\n")
    .find((line) => line.startsWith(start))
    ?.slice(start.length);
};

test("a pool is told backend by backend, over all workers", { timeout: 20_000 }, async () => {
  await waitUntil("the probes have been", async () => (await seenOf(stays.url)).health.verdict === "healthy");
  const seen = await seenOf(stays.url);
  assert.deepEqual([seen.weight, seen.effective_weight, seen.state], [3, 3, "healthy"]);
  assert.deepEqual([seen.workers, seen.reachable_by], [WORKERS, WORKERS]);
  assert.deepEqual(seen.breaker, { closed: WORKERS, half_open: 0, open: 0 });
  assert.equal(seen.health.by, "probes");
  assert.equal(await metric("backend_up", stays.url), "1");
  assert.equal(await metric("backend_weight", stays.url), "3");
  assert.equal(await metric("breaker_state", stays.url, ',state="closed"'), String(WORKERS));
  assert.ok(Number(await metric("backend_probe_age_seconds", stays.url)) < 5);
});

test("a backend that dies is unhealthy everywhere, and the pool goes on", { timeout: 20_000 }, async () => {
  await dies.close();
  await waitUntil("the workers know", async () => (await seenOf(dies.url)).effective_weight === 0);
  await waitUntil("the probes know", async () => (await seenOf(dies.url)).health.verdict === "unhealthy");
  assert.equal((await seenOf(dies.url)).state, "unhealthy");
  assert.equal(await metric("backend_up", dies.url), "0");
  assert.equal(await metric("backend_weight", dies.url), "0");
  assert.equal((await pool()).panic, false);
  for (let n = 0; n < 4; n++) assert.equal((await request(proxy.port)).body, "stays");
  const { health } = (await proxy.status()) as unknown as { health: { v1: { state: string; saw: string } } };
  assert.equal(health.v1.state, "degraded");
  assert.match(health.v1.saw, new RegExp(`^${dies.url}: .*ECONNREFUSED`), "and which one it is, and why");
});
