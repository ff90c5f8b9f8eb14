/** All backends of a pool are restarted one after the other, under load: no request is lost. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { figures } from "../../load/metrics.ts";
import type { JsonObject } from "../../support/http-client.ts";
import type { PoolBackend } from "../../support/pools/backends.ts";
import { type PoolClients, startClients } from "../../support/pools/clients.ts";
import { startScene } from "../../support/pools/scene.ts";
import { countsOf, told } from "../../support/pools/shares.ts";
import type { TestProxy } from "../../support/proxy.ts";
import { waitUntil } from "../../support/wait.ts";

const CONNECTIONS = 64;
/**
 * So few that all are open, and busy, before a backend is restarted: what is opened just when one stops listening is
 * reset by its kernel unread, and a POST that was on it is lost.
 */
const UPSTREAM = { max_connections: 12 };
const LIMIT = { timeout: 120_000 };
const BACK_LIMIT_MS = 10_000;
const HEALTH = { path: "/health", interval: "200ms", timeout: "200ms", unhealthy_after: 2, healthy_after: 1 };

/** As the metrics say. */
async function inFlightOf(proxy: TestProxy, { url }: PoolBackend): Promise<number> {
  const found = await figures(proxy, "backend_in_flight");
  return found.find(({ name }) => name.includes(`version="v1"`) && name.includes(`"${url}"`))?.value ?? -1;
}

/** Resolves when it takes its part of the traffic again. */
async function restart(backend: PoolBackend, clients: PoolClients): Promise<void> {
  await backend.restart();
  const startedMs = performance.now();
  const isBack = (): boolean => (countsOf(clients.since(startedMs))[backend.name] ?? 0) >= 3 * CONNECTIONS;
  await waitUntil(`${backend.name} takes its part again`, isBack, { limitMs: BACK_LIMIT_MS });
}

async function restartAll(
  t: TestContext,
  backends: readonly PoolBackend[],
  clients: PoolClients,
): Promise<void> {
  await clients.more(2 * CONNECTIONS);
  for (const backend of backends) await restart(backend, clients);
  await clients.more(2 * CONNECTIONS);
  await clients.stop();
  assert.deepEqual(clients.faults, [], told(clients.faults));
  const posts = clients.seen.filter(({ method }) => method === "POST").length;
  t.diagnostic(`${clients.seen.length} requests, ${posts} of them POST with a body, none lost`);
}

const KINDS: Readonly<Record<string, JsonObject>> = {
  "with neither probes nor outliers": {},
  "with probes": { health: HEALTH },
  "with outliers": { outlier: { min_requests: 5, window: 20, eject_for: "1s" } },
};

for (const [kind, pool] of Object.entries(KINDS)) {
  test(`a rolling restart of all backends loses no request, ${kind}`, LIMIT, async (t) => {
    const { proxy, backends } = await startScene(t, { pool, workers: 2, config: { upstream: UPSTREAM } });
    const clients = startClients(t, {
      port: proxy.port,
      connections: CONNECTIONS,
      isMixed: true,
    });
    await restartAll(t, backends, clients);
  });
}

test("a rolling restart loses no request while traffic is switched to another pool", LIMIT, async (t) => {
  const { proxy, backends, standby, backend } = await startScene(t, {
    standby: ["d", "e", "f"],
    workers: 2,
    config: { upstream: UPSTREAM },
  });
  const clients = startClients(t, {
    port: proxy.port,
    connections: CONNECTIONS,
    isMixed: true,
  });
  await clients.more(2 * CONNECTIONS);
  const [first, ...others] = backends;
  if (first === undefined) throw new Error("there are backends");
  await restart(first, clients);
  const [restarting] = [backend("b").restart(), await clients.more(CONNECTIONS)];
  await proxy.switchTo("v2");
  const switchedMs = performance.now();
  await restarting;
  await restart(backend("d"), clients);
  await Promise.all(others.map((each) => each.restart()));
  for (const each of standby) await restart(each, clients);
  await clients.stop();
  assert.deepEqual(clients.faults, [], told(clients.faults));
  assert.deepEqual(Object.keys(countsOf(clients.since(switchedMs))).sort(), ["d", "e", "f"]);
});

test(
  "drained by hand before it ends, not even a backend that closes what is idle at once costs a request",
  LIMIT,
  async (t) => {
    const { proxy, backends } = await startScene(t, { workers: 2 });
    const clients = startClients(t, { port: proxy.port, connections: CONNECTIONS, isMixed: true });
    await clients.more(2 * CONNECTIONS);
    const change = async (action: string, { url }: PoolBackend): Promise<void> => {
      const reply = await proxy.admin("POST", "/backends", { body: { version: "v1", backend: url, action } });
      assert.equal(reply.status, 200, reply.body);
    };
    for (const backend of backends) {
      await backend.behave({ closesIdle: true });
      await change("drain", backend);
      const drainedMs = performance.now();
      await clients.more(2 * CONNECTIONS);
      const late = clients.since(drainedMs).filter((seen) => seen.backend === backend.name);
      assert.deepEqual(late, [], "nothing starts on it once the call is answered");
      await waitUntil("nothing runs on it", async () => (await inFlightOf(proxy, backend)) === 0);
      await backend.restart();
      await change("enable", backend);
      const enabledMs = performance.now();
      const isBack = (): boolean => (countsOf(clients.since(enabledMs))[backend.name] ?? 0) >= CONNECTIONS;
      await waitUntil(`${backend.name} takes its part again`, isBack, { limitMs: BACK_LIMIT_MS });
    }
    await clients.stop();
    assert.deepEqual(clients.faults, [], told(clients.faults));
  },
);
