/** Backends that die, and come back: what it costs the clients. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, startClients } from "../../support/pools/clients.ts";
import { startScene } from "../../support/pools/scene.ts";
import { countsOf, mostFaultsOfOne, told } from "../../support/pools/shares.ts";
import { waitUntil } from "../../support/wait.ts";

const CONNECTIONS = 16;
/** Each connection asks some ten times. */
const SOME = 10 * CONNECTIONS;
/** The default, written out. */
const RETRIES = { retries: 1, retry_on: ["connect-failure", "dead-connection"] };
const LIMIT = { timeout: 60_000 };
/** From the first answer of a backend that came back, whatever the last pause between two tries was. */
const BACK_LIMIT_MS = 5_000;

test(
  "without retries, the death of one of three backends costs each connection one request at most",
  LIMIT,
  async (t) => {
    const { proxy, backend } = await startScene(t, { config: { upstream: { retries: 0 } } });
    const clients = startClients(t, { port: proxy.port, connections: CONNECTIONS });
    await clients.more(SOME);
    assert.deepEqual(clients.faults, []);
    await backend("b").kill();
    const deadMs = performance.now();
    await clients.more(SOME);
    assert.ok(mostFaultsOfOne(clients.seen) <= 1, told(clients.faults));
    assert.deepEqual(Object.keys(countsOf(clients.since(deadMs))).sort(), ["a", "c"]);
    const failed = clients.faults.length;
    await clients.more(SOME);
    assert.equal(clients.faults.length, failed, "it fails nothing more while it is dead");
    await backend("b").start();
    const isBack = (): boolean => (countsOf(clients.since(deadMs)).b ?? 0) > SOME;
    await waitUntil("it takes its share again", isBack, { limitMs: BACK_LIMIT_MS });
    assert.equal(clients.faults.length, failed, told(clients.faults.slice(failed)));
  },
);

test(
  "with one retry, also of what was sent, the death of one of three backends costs no request without a body",
  LIMIT,
  async (t) => {
    const { proxy, backend } = await startScene(t, { config: { upstream: RETRIES } });
    const clients = startClients(t, { port: proxy.port, connections: CONNECTIONS });
    await clients.more(SOME);
    for (const name of ["a", "b", "c"]) {
      await backend(name).kill();
      await clients.more(SOME);
      await backend(name).start();
      const startedMs = performance.now();
      await waitUntil(`${name} answers again`, () => (countsOf(clients.since(startedMs))[name] ?? 0) > 0, {
        limitMs: BACK_LIMIT_MS,
      });
    }
    assert.deepEqual(clients.faults, [], told(clients.faults));
  },
);

test("when all are dead, the first one back serves soon though every breaker is open", LIMIT, async (t) => {
  const { proxy, backends, backend } = await startScene(t, { pool: { breaker: {} }, workers: 2 });
  const clients = startClients(t, { port: proxy.port, connections: 16, paceMs: 20 });
  await clients.more(200);
  await Promise.all(backends.map((each) => each.kill()));
  await clients.more(2_000);
  await backend("b").start();
  const startMs = performance.now();
  await waitUntil("it serves", () => clients.since(startMs).some((seen) => seen.backend === "b"), {
    limitMs: BACK_LIMIT_MS,
  });
  t.diagnostic(`served ${(performance.now() - startMs).toFixed(0)} ms after it listened`);
});

test(
  "when all backends are dead every request is refused at once, and the first one back serves soon",
  LIMIT,
  async (t) => {
    const { proxy, backends, backend } = await startScene(t);
    const client = new Client(proxy.port);
    assert.equal((await client.ask()).fault, null);
    await Promise.all(backends.map((each) => each.kill()));
    for (let n = 0; n < 50; n++) {
      const sentMs = performance.now();
      const { status, fault } = await client.ask(n % 2);
      assert.ok(status === 502 || status === 503, `request ${n}: ${fault}`);
      const tookMs = performance.now() - sentMs;
      assert.ok(tookMs < 500, `request ${n} was refused after ${tookMs.toFixed(0)} ms`);
    }
    await backend("c").start();
    const listensMs = performance.now();
    const answer = await waitUntil(
      "it is served again",
      async () => {
        const seen = await client.ask();
        return seen.fault === null && seen;
      },
      { limitMs: BACK_LIMIT_MS },
    );
    client.close();
    assert.equal(answer.backend, "c");
    t.diagnostic(`served ${(performance.now() - listensMs).toFixed(0)} ms after it listened`);
  },
);
