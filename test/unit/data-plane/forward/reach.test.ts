/** A backend that takes no connection is left out, and found again, over real sockets. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { versionOfOne } from "../../../../src/config/pool-config.ts";
import type { Backend } from "../../../../src/data-plane/backend/backend.ts";
import { ConnectionPool } from "../../../../src/data-plane/forward/connection-pool.ts";
import { Reach } from "../../../../src/data-plane/forward/reach.ts";
import { startBackend } from "../../../support/backend.ts";
import { onTestEnd } from "../../../support/cleanup.ts";
import { freePort } from "../../../support/free-port.ts";
import { memberOf, poolOf } from "../../../support/pools-of.ts";
import { waitUntil } from "../../../support/wait.ts";

const limit = { timeout: 20_000 };
const LIMITS = {
  maxConnections: 2,
  maxIdleConnections: 2,
  maxQueue: 2,
  connectTimeoutMs: 2_000,
  tlsHandshakeTimeoutMs: 1_000,
  keepAliveTimeoutMs: 60_000,
  maxHeaderBytes: 16_384,
  maxHeaderCount: 100,
  engine: "auto" as const,
};

/** The first backend of the pool is at `port`, where perhaps nobody listens; time passes when the test says so. */
function startReach(t: TestContext, port: number, backends = 2) {
  const pool = poolOf({ ...versionOfOne("v1", `http://127.0.0.1:${port}`), slowStartMs: 10_000 });
  const members = Array.from({ length: backends }, (_, i) =>
    memberOf(`http://127.0.0.1:${i === 0 ? port : 9}`),
  );
  pool.apply({ version: "v1", backends: members });
  const connections = new ConnectionPool(new URL(`http://127.0.0.1:${port}`), LIMITS);
  onTestEnd(t, () => connections.destroy());
  const waits: { ms: number; run(): void }[] = [];
  const reach = new Reach({
    connections: () => connections,
    after: (ms, run) => {
      waits.push({ ms, run });
      return () => {};
    },
    random: () => 0.5,
  });
  const pass = (): number => {
    const { ms, run } = waits.shift() ?? { ms: -1, run: () => {} };
    run();
    return ms;
  };
  return { pool, members, connections, reach, waits, pass, backend: pool.backends[0] as Backend };
}

test(
  "it is left out at once, looked for with growing pauses, and back with the connection that opens",
  limit,
  async (t) => {
    const port = await freePort();
    const { pool, backend, reach, waits, pass, connections } = startReach(t, port);
    reach.doubt(backend);
    reach.doubt(backend);
    assert.equal(pool.weightOf(backend), 0);
    assert.equal(pass(), 10);
    await waitUntil("the first look has failed", () => waits.length > 0);
    assert.deepEqual([waits.length, backend.standing.name(0)], [1, "unhealthy"]);
    const paused: number[] = [];
    for (let i = 0; i < 8; i++) {
      paused.push(pass());
      await waitUntil("the next look", () => waits.length === 1);
    }
    assert.deepEqual(paused, [50, 100, 200, 400, 800, 1_000, 1_000, 1_000]);
    assert.equal(pool.weightOf(backend), 0);
    const { server } = await startBackend(t, undefined, { port });
    pass();
    await waitUntil("a connection opens", () => waits.length === 1);
    assert.deepEqual([pool.weightOf(backend), pass()], [0, 10]);
    assert.ok(pool.weightOf(backend) > 0, "it is back, and climbs");
    assert.equal(backend.standing.name(0), "warming");
    assert.equal(connections.idle.length, 1, "the connection waits for traffic");
    assert.equal(waits.length, 0);
    server.closeAllConnections();
  },
);

test("one that only broke off a connection is back at once, and need not climb", limit, async (t) => {
  const { server, port } = await startBackend(t);
  const { pool, backend, reach, waits, pass } = startReach(t, port);
  reach.doubt(backend);
  assert.deepEqual([pool.weightOf(backend), backend.standing.name(0)], [0, "unknown"]);
  pass();
  await waitUntil("a connection opens", () => waits.length === 1);
  assert.deepEqual([pool.weightOf(backend), pass()], [0, 10]);
  assert.deepEqual([pool.weightOf(backend), backend.standing.name(0), waits.length], [1, "unknown", 0]);
  server.closeAllConnections();
});

test("a process that dies takes one more connection and loses it: it is not believed", limit, async (t) => {
  const { server, port } = await startBackend(t);
  const { pool, backend, reach, waits, pass, connections } = startReach(t, port);
  reach.doubt(backend);
  pass();
  await waitUntil("a connection opens", () => waits.length === 1);
  server.close();
  server.closeAllConnections();
  await waitUntil("it is closed again", () => connections.idle.length === 0);
  pass();
  assert.deepEqual([pool.weightOf(backend), backend.standing.name(0)], [0, "unhealthy"]);
  assert.equal(waits[0]?.ms, 50, "it is looked for again");
});

test("one that breaks off another request while it is looked at is looked at again", limit, async (t) => {
  const { server, port } = await startBackend(t);
  const { pool, backend, reach, waits, pass } = startReach(t, port);
  reach.doubt(backend);
  pass();
  await waitUntil("a connection opens", () => waits.length === 1);
  reach.doubt(backend);
  pass();
  assert.deepEqual([pool.weightOf(backend), backend.standing.name(0), waits.length], [0, "unknown", 1]);
  assert.equal(pass(), 10, "anew");
  await waitUntil("a connection opens", () => waits.length === 1);
  pass();
  assert.equal(pool.weightOf(backend), 1);
  server.closeAllConnections();
});

test("the only backend of a pool is tried each time: there is nowhere else to go", limit, async (t) => {
  const { pool, backend, reach, waits } = startReach(t, await freePort(), 1);
  reach.doubt(backend);
  assert.deepEqual([waits.length, pool.weightOf(backend)], [0, 1]);
});

test("nobody looks for a backend that has left, nor for any when the worker ends", limit, async (t) => {
  const gone = startReach(t, await freePort());
  gone.reach.doubt(gone.backend);
  gone.pass();
  await waitUntil("the first look has failed", () => gone.waits.length > 0);
  gone.pool.apply({ version: "v1", backends: gone.members.slice(1) });
  gone.pass();
  assert.deepEqual([gone.waits.length, gone.connections.load.active], [0, 0]);
  const ending = startReach(t, await freePort());
  ending.reach.doubt(ending.backend);
  ending.pass();
  await waitUntil("the first look has failed", () => ending.waits.length > 0);
  ending.reach.close();
  ending.pass();
  assert.deepEqual([ending.waits.length, ending.connections.load.active], [0, 0]);
});
