import assert from "node:assert/strict";
import { test } from "node:test";
import { addRetired } from "../../../../src/control-plane/workers/retired.ts";
import type { WorkerStats } from "../../../../src/telemetry/worker-stats.ts";

function stats(changes: Partial<WorkerStats> = {}): WorkerStats {
  return {
    epoch: 3,
    pools: null,
    requests: [
      { version: "v1", method: "GET", code: 200, count: 5 },
      { version: "v1", method: "GET", code: 502, count: 1 },
    ],
    durations: [{ version: "v1", buckets: [1, 2, 3], sumSeconds: 0.5, count: 6 }],
    versions: [
      {
        version: "v1",
        inFlight: 4,
        streams: 2,
        upgraded: 3,
        connectionsActive: 2,
        connectionsIdle: 1,
        queued: 9,
        retries: 7,
      },
    ],
    upstreamErrors: [{ version: "v1", reason: "backend_closed", count: 2 }],
    refusals: [{ reason: "malformed_request", count: 3 }],
    clientConnections: 11,
    held: 12,
    refusedConnections: [{ reason: "max_connections", count: 4 }],
    process: {
      cpuUserSeconds: 1,
      cpuSystemSeconds: 2,
      residentBytes: 3,
      heapUsedBytes: 4,
      heapTotalBytes: 5,
      externalBytes: 6,
      gcCount: 7,
      gcSeconds: 8,
      eventLoopDelayMaxSeconds: 9,
      eventLoopDelayMeanSeconds: 10,
    },
    ...changes,
  };
}

test("counters of the dead are kept, and what they held is gone with them", () => {
  const sum = addRetired(null, stats());
  assert.deepEqual(sum.requests, stats().requests);
  assert.deepEqual(sum.durations, stats().durations);
  assert.deepEqual(sum.upstreamErrors, stats().upstreamErrors);
  assert.deepEqual(sum.refusals, stats().refusals);
  assert.deepEqual(sum.refusedConnections, stats().refusedConnections);
  assert.deepEqual(sum.versions, [
    {
      version: "v1",
      inFlight: 0,
      streams: 0,
      upgraded: 0,
      connectionsActive: 0,
      connectionsIdle: 0,
      queued: 0,
      retries: 7,
    },
  ]);
  assert.equal(sum.clientConnections, 0);
  assert.equal(sum.held, 0);
  assert.deepEqual([sum.process.gcCount, sum.process.gcSeconds, sum.process.cpuUserSeconds], [7, 8, 1]);
  assert.deepEqual([sum.process.residentBytes, sum.process.eventLoopDelayMaxSeconds], [0, 0]);
});

test("the counters of many dead are added up, each under its own labels", () => {
  const other = stats({
    requests: [
      { version: "v1", method: "GET", code: 200, count: 10 },
      { version: "v1", method: "POST", code: 200, count: 1 },
      { version: "v2", method: "GET", code: 200, count: 2 },
    ],
    durations: [
      { version: "v1", buckets: [10, 0, 1], sumSeconds: 1, count: 11 },
      { version: "v2", buckets: [0, 0, 2], sumSeconds: 2, count: 2 },
    ],
    upstreamErrors: [
      { version: "v1", reason: "backend_closed", count: 1 },
      { version: "v2", reason: "backend_closed", count: 4 },
    ],
    refusals: [
      { reason: "loop_detected", count: 1 },
      { reason: "malformed_request", count: 10 },
    ],
    refusedConnections: [{ reason: "max_connections_per_client", count: 5 }],
  });
  const sum = [other, stats()].reduce(addRetired, addRetired(null, stats()));
  assert.deepEqual(sum.requests, [
    { version: "v1", method: "GET", code: 200, count: 20 },
    { version: "v1", method: "GET", code: 502, count: 2 },
    { version: "v1", method: "POST", code: 200, count: 1 },
    { version: "v2", method: "GET", code: 200, count: 2 },
  ]);
  assert.deepEqual(sum.durations, [
    { version: "v1", buckets: [12, 4, 7], sumSeconds: 2, count: 23 },
    { version: "v2", buckets: [0, 0, 2], sumSeconds: 2, count: 2 },
  ]);
  assert.deepEqual(sum.upstreamErrors, [
    { version: "v1", reason: "backend_closed", count: 5 },
    { version: "v2", reason: "backend_closed", count: 4 },
  ]);
  assert.deepEqual(sum.refusals, [
    { reason: "malformed_request", count: 16 },
    { reason: "loop_detected", count: 1 },
  ]);
  assert.deepEqual(sum.refusedConnections, [
    { reason: "max_connections", count: 8 },
    { reason: "max_connections_per_client", count: 5 },
  ]);
  assert.deepEqual(
    sum.versions.map(({ retries }) => retries),
    [21],
  );
  assert.equal(sum.process.gcCount, 21);
});

test("what was read before is not changed by a later death", () => {
  const first = addRetired(null, stats());
  const before = structuredClone(first);
  addRetired(first, stats());
  assert.deepEqual(first, before);
});
