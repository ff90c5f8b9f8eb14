/** A change of the backends in a worker: what is drained, and what becomes of those that left. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { versionOfOne } from "../../../src/config/pool-config.ts";
import type { Config } from "../../../src/config/schema.ts";
import type { BackendSnapshot, PoolsSnapshot } from "../../../src/config/snapshot.ts";
import { type Clock, systemClock } from "../../../src/core/clock.ts";
import type { Backend } from "../../../src/data-plane/backend/backend.ts";
import { ConnectionPools } from "../../../src/data-plane/forward/connection-pools.ts";
import { Drains } from "../../../src/data-plane/listener/drain.ts";
import { PoolOrders } from "../../../src/data-plane/pool-orders.ts";
import { startRawBackend } from "../../support/backend.ts";
import { onTestEnd, type TestEnd } from "../../support/cleanup.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { memberOf, servingOf } from "../../support/pools-of.ts";
import { waitUntil } from "../../support/wait.ts";

const UPSTREAM = {
  connectTimeoutMs: 1_000,
  tlsHandshakeTimeoutMs: 1_000,
  keepAliveTimeoutMs: 60_000,
  maxConnections: 400,
  maxIdleConnections: 200,
  maxTotalConnections: 12,
  maxQueue: 10,
  maxHeaderBytes: 16_384,
  maxHeaderCount: 100,
  resolvers: [],
};

const member = (name: string, more: Partial<BackendSnapshot> = {}) => memberOf(`http://${name}`, more);

const snapshot = (revision: number, backends: readonly BackendSnapshot[]): PoolsSnapshot => ({
  revision,
  pools: [{ version: "v1", backends }],
});

const DEADLINE_MS = 1_000;

function startOrders(t: TestEnd, backends: readonly BackendSnapshot[], clock: Clock = systemClock) {
  const versions = [versionOfOne("v1", "http://a")];
  const config = { backends: versions, upstream: UPSTREAM, server: { engine: "auto" } } as unknown as Config;
  const serving = servingOf(versions, { activeVersion: "v1", epoch: 0 }, { pools: snapshot(1, backends) });
  const connections = new ConnectionPools(config, { index: 0, workers: 1 }, serving.backends);
  const cancelled: Backend[] = [];
  const drains = new Drains(clock);
  const orders = new PoolOrders({
    serving,
    connections,
    drains: {
      start: (drained, limits) => drains.start(drained, limits),
      cancel: (drained) => {
        cancelled.push(drained as Backend);
        drains.cancel(drained);
      },
    },
    keepWarm: { stop: () => {} },
    drain: { deadlineMs: DEADLINE_MS, websocketWindowMs: 100 },
  });
  onTestEnd(t, () => {
    for (const each of serving.backends) {
      drains.cancel(each);
      connections.close(each);
    }
  });
  return { serving, connections, orders, cancelled };
}

test("one that left counts against the total of connections until nothing of it runs, and no longer", (t) => {
  const { serving, connections, orders, cancelled } = startOrders(
    t,
    ["a", "b"].map((name) => member(name)),
  );
  const limits = () => serving.backends.map((each) => connections.of(each).limits.maxConnections);
  assert.deepEqual(limits(), [6, 6]);
  const [, b] = serving.backends as [Backend, Backend];
  const request = { place: 0, cutForDrain: () => {}, checkTimeLimits: () => {} };
  b.begin(request);
  orders.obey(
    snapshot(
      2,
      ["a", "c"].map((name) => member(name)),
    ),
  );
  orders.tidy();
  assert.deepEqual([limits(), serving.leaving], [[4, 4, 4], [b]], "it still runs something");
  b.end(request);
  orders.tidy();
  assert.deepEqual([limits(), serving.leaving], [[6, 6], []]);
  assert.deepEqual(cancelled, [b]);
});

test("one that comes back under its name is another one, beside what still runs on the one that left", (t) => {
  const { serving, connections, orders } = startOrders(
    t,
    ["a", "b"].map((name) => member(name)),
  );
  const [a, before] = serving.backends as [Backend, Backend];
  const request = { place: 0, cutForDrain: () => {}, checkTimeLimits: () => {} };
  before.begin(request);
  orders.obey(snapshot(2, [member("a")]));
  orders.obey(snapshot(3, [member("a"), member("b")]));
  const [, after] = serving.current.active.backends as [Backend, Backend];
  assert.notEqual(after, before);
  assert.notEqual(connections.of(after), connections.of(before));
  assert.deepEqual([before.inFlight, after.inFlight, before.row, after.row], [1, 0, -1, 1]);
  before.end(request);
  orders.tidy();
  assert.deepEqual(serving.backends, [a, after]);
  assert.equal(connections.of(after).load.active, 0);
});

test("what runs on one that is drained or has left is cut at the deadline, unless it was enabled again", async (t) => {
  const clock = new ManualClock();
  const names = ["enabled", "stays", "drained", "leaves"];
  const { serving, orders } = startOrders(
    t,
    names.map((name) => member(name)),
    clock,
  );
  const cut: string[] = [];
  serving.backends.forEach((backend, i) => {
    const cutForDrain = (): void => void cut.push(names[i] ?? "");
    backend.begin({ place: 0, cutForDrain, checkTimeLimits: () => {} });
  });
  const drained = { isDrained: true };
  const [enabled, stays] = [member("enabled"), member("stays")];
  orders.obey(snapshot(2, [member("enabled", drained), stays, member("drained", drained)]));
  clock.advance(DEADLINE_MS - 1);
  orders.obey(snapshot(3, [enabled, stays, member("drained", drained)]));
  assert.deepEqual(cut, []);
  clock.advance(1);
  // The drain of the one that is enabled began first: it would be cut first, too.
  await waitUntil("the others are cut", () => cut.length === 2);
  assert.deepEqual(cut, ["drained", "leaves"]);
});

test("connections that lie idle at one that leaves are closed at once, and those of others stay", async (t) => {
  const [leaves, stays] = [await startRawBackend(t, () => {}), await startRawBackend(t, () => {})];
  const [gone, kept] = [leaves, stays].map(({ url }) => member(url.replace("http://", "")));
  assert.ok(gone && kept);
  const { serving, connections, orders } = startOrders(t, [gone, kept]);
  const [before] = serving.backends as [Backend];
  for (const backend of serving.backends) {
    await new Promise((resolve) => connections.of(backend).openSpare(resolve));
  }
  await waitUntil("both are open", () => leaves.connections + stays.connections === 2);
  orders.obey(snapshot(2, [kept]));
  await waitUntil("it is closed", () => leaves.connections === 0);
  assert.equal(stays.connections, 1);
  orders.tidy();
  assert.ok(!serving.backends.includes(before), "nothing is left to wait for");
});
