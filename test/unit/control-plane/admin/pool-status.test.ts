/** What GET /status says of a version as a whole. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { HealthVerdict } from "../../../../src/config/snapshot.ts";
import { versionHealth } from "../../../../src/control-plane/admin/pool-status.ts";
import type { BackendSight, PoolSight } from "../../../../src/telemetry/pool-sights.ts";

const NOW = Date.UTC(2030, 0, 1);

function sightOf(verdict: HealthVerdict | null, more: Partial<BackendSight> = {}): BackendSight {
  return {
    version: "v1",
    name: "http://10.0.0.1:9000",
    weight: 1,
    isDrained: false,
    health: verdict ?? "unknown",
    probe: verdict === null ? null : { verdict, saw: `saw ${verdict}`, ageMs: 1_500 },
    workers: 1,
    effectiveWeight: 1,
    state: "healthy",
    ejectedBy: 0,
    reachableBy: 1,
    breaker: null,
    inFlight: 0,
    connections: { active: 0, idle: 0 },
    ...more,
  };
}

const healthOf = (...backends: BackendSight[]) => {
  const pool: PoolSight = { version: "v1", panicking: 0, backends };
  const gate = { ok: true, at: "2029-12-31T00:00:00.000Z", saw: "200", backends: new Map() };
  return versionHealth(pool, new Map([["v1", gate]]), NOW);
};

for (const { verdicts, state } of [
  { verdicts: ["healthy", "healthy"], state: "healthy" },
  { verdicts: ["healthy", "unknown"], state: "unknown" },
  { verdicts: ["healthy", "degraded"], state: "degraded" },
  { verdicts: ["unhealthy", "unknown"], state: "degraded" },
  { verdicts: ["unhealthy", "unhealthy"], state: "unhealthy" },
] as const) {
  test(`backends that are ${verdicts.join(" and ")}: ${state}`, () => {
    assert.equal(healthOf(...verdicts.map((verdict) => sightOf(verdict))).state, state);
  });
}

test("the first bad backend is told by its name, and when the probes last were", () => {
  const bad = sightOf("unhealthy", { name: "http://10.0.0.2:9000" });
  assert.deepEqual(healthOf(sightOf("healthy"), bad), {
    state: "degraded",
    at: "2029-12-31T23:59:58.500Z",
    saw: "http://10.0.0.2:9000: saw unhealthy",
  });
  assert.equal(healthOf(sightOf("unhealthy")).saw, "saw unhealthy", "the only one needs no name");
});

test("who takes no traffic says nothing of the version, and without probes the gate speaks", () => {
  const [drained, weightless] = [
    sightOf("unhealthy", { isDrained: true }),
    sightOf("unhealthy", { weight: 0 }),
  ];
  assert.equal(healthOf(sightOf("healthy"), drained, weightless).state, "healthy");
  assert.deepEqual(healthOf(sightOf(null)), { state: "healthy", at: "2029-12-31T00:00:00.000Z", saw: "200" });
});
