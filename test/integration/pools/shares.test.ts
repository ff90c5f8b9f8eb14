/** Who gets how much of the traffic, as the backends themselves have counted it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { whilePaused } from "../../support/paused.ts";
import { Client, startClients } from "../../support/pools/clients.ts";
import { type PoolScene, startScene } from "../../support/pools/scene.ts";
import { countsOf, shareOf, told } from "../../support/pools/shares.ts";
import { waitUntil } from "../../support/wait.ts";

const LIMIT = { timeout: 60_000 };
const WORKERS = 2;
/** 100 cycles of 5, 1, 1. */
const EACH = 700;
const FAIR = 1 / 3;
const SLOW_MS = 100;
const QUICK_MS = SLOW_MS / 10;

test(
  "over two workers the shares of smooth-weighted are right in sum, one connection each",
  LIMIT,
  async (t) => {
    const scene = await startScene(t, {
      weights: { a: 5 },
      pool: { balance: { algorithm: "smooth-weighted" } },
      workers: WORKERS,
    });
    const clients = await oneOfEachWorker(scene);
    const before = await countsOfBackends(scene);
    await Promise.all(
      clients.map(async (client) => {
        for (let n = 0; n < EACH; n++) assert.equal((await client.ask()).fault, null);
        client.close();
      }),
    );
    const after = await countsOfBackends(scene);
    const counts = after.map((count, i) => count - (before[i] ?? 0));
    t.diagnostic(`a, b, c: ${counts.join(", ")}`);
    for (const [i, right] of [WORKERS * 500, WORKERS * 100, WORKERS * 100].entries())
      assert.ok(Math.abs((counts[i] ?? 0) - right) <= 2, `${counts.join(", ")}, where ${right} is right`);
  },
);

/** The other worker stands still while a connection is made, so that it is not that one's. */
async function oneOfEachWorker({ proxy }: PoolScene): Promise<Client[]> {
  const pids = await proxy.workerPids();
  const clients: Client[] = [];
  for (const pid of pids) {
    const client = new Client(proxy.port);
    const others = pids.filter((each) => each !== pid);
    const answer = await whilePaused(others, () => client.ask());
    assert.equal(answer.fault, null);
    clients.push(client);
  }
  return clients;
}

async function countsOfBackends({ backends }: PoolScene): Promise<number[]> {
  return await Promise.all(backends.map((backend) => backend.requests()));
}

for (const algorithm of ["least-in-flight", "weighted-least-in-flight", "p2c-ewma"]) {
  test(
    `${algorithm} sends clearly less to a backend that is ten times slower, and its share again once it is not`,
    LIMIT,
    async (t) => {
      const scene = await startScene(t, { pool: { balance: { algorithm } } });
      for (const backend of scene.backends)
        await backend.behave({ delayMs: backend.name === "c" ? SLOW_MS : QUICK_MS });
      const clients = startClients(t, { port: scene.proxy.port, connections: 12 });
      await clients.more(100);
      const slowMs = performance.now();
      await clients.more(500);
      const slow = clients.since(slowMs);
      t.diagnostic(
        `${JSON.stringify(countsOf(slow))}: ${(shareOf(slow, "c") * 100).toFixed(1)} % to the slow one`,
      );
      assert.ok(shareOf(slow, "c") < FAIR / 2, JSON.stringify(countsOf(slow)));
      await scene.backend("c").behave({ delayMs: QUICK_MS });
      const quickMs = performance.now();
      const hasItsShare = (): boolean => shareOf(clients.since(quickMs).slice(-300), "c") > FAIR / 2;
      await waitUntil("it has its share again", hasItsShare, { limitMs: 20_000, intervalMs: 50 });
      t.diagnostic(`it had its share ${(performance.now() - quickMs).toFixed(0)} ms after it became quick`);
      await clients.stop();
      assert.deepEqual(clients.faults, [], told(clients.faults));
    },
  );
}
