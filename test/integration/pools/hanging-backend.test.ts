/** A backend that takes connections and says nothing (SIGSTOP), as one does that swaps or waits for a lock. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startClients } from "../../support/pools/clients.ts";
import { startScene } from "../../support/pools/scene.ts";
import { countsOf, mostFaultsOfOne, told } from "../../support/pools/shares.ts";
import { waitUntil } from "../../support/wait.ts";

const CONNECTIONS = 24;
const LIMIT = { timeout: 60_000 };
const OUTLIER = { window: 20, min_requests: 5, error_ratio: 0.2, degraded_ratio: 0.2, eject_for: "1s" };
const BACK_LIMIT_MS = 15_000;

test(
  "a backend that hangs is ejected by its time-outs, the others go on, and it returns when it wakes",
  LIMIT,
  async (t) => {
    const { proxy, backend } = await startScene(t, {
      pool: { outlier: OUTLIER },
      config: { upstream: { retries: 0, response_timeout: "300ms" } },
    });
    const clients = startClients(t, { port: proxy.port, connections: CONNECTIONS });
    await clients.more(10 * CONNECTIONS);
    const b = backend("b");
    await b.hang();
    const hangsMs = performance.now();
    await clients.more(20 * CONNECTIONS);
    const during = clients.since(hangsMs);
    t.diagnostic(
      `${clients.faults.length} requests failed while b hung, at most ${mostFaultsOfOne(during)} of a connection`,
    );
    assert.ok(
      clients.faults.every(({ status }) => status === 504),
      told(clients.faults),
    );
    assert.ok(mostFaultsOfOne(clients.seen) <= 2, told(clients.faults));
    assert.deepEqual(Object.keys(countsOf(during)).sort(), ["a", "c"]);
    b.wake();
    const wokeMs = performance.now();
    const isBack = (): boolean => (countsOf(clients.since(wokeMs)).b ?? 0) >= 3 * CONNECTIONS;
    await waitUntil("it takes its part again", isBack, { limitMs: BACK_LIMIT_MS });
    t.diagnostic(`it was back ${(performance.now() - wokeMs).toFixed(0)} ms after it woke`);
  },
);

test(
  "with a time limit for each try no client waits for a backend that hangs longer than that, and none fails",
  LIMIT,
  async (t) => {
    const { proxy, backend } = await startScene(t, {
      pool: { outlier: OUTLIER },
      config: {
        upstream: {
          response_timeout: "5s",
          per_try_timeout: "300ms",
          retry_on: ["connect-failure", "dead-connection", "closed", "response-timeout"],
          retry_budget: 1,
        },
      },
    });
    const clients = startClients(t, { port: proxy.port, connections: CONNECTIONS });
    await clients.more(10 * CONNECTIONS);
    await backend("b").hang();
    await clients.more(20 * CONNECTIONS);
    backend("b").wake();
    await clients.stop();
    assert.deepEqual(clients.faults, [], told(clients.faults));
    const longestMs = Math.max(...clients.seen.map(({ sentMs, endedMs }) => endedMs - sentMs));
    t.diagnostic(`the longest answer took ${longestMs.toFixed(0)} ms`);
    assert.ok(longestMs < 3_000, `an answer took ${longestMs.toFixed(0)} ms`);
  },
);
