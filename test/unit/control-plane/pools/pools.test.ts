/** Who the backends are: what makes them up, and how often the workers are told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { versionOfOne } from "../../../../src/config/pool-config.ts";
import type { PoolsSnapshot } from "../../../../src/config/snapshot.ts";
import { Pools } from "../../../../src/control-plane/pools/pools.ts";
import { ManualTimers } from "../../../support/manual-timers.ts";

const A = "http://10.0.0.1:9000";
const B = "http://10.0.0.2:9000";

function startPools() {
  const timers = new ManualTimers();
  const told: PoolsSnapshot[] = [];
  const cut: string[] = [];
  const pools = new Pools({
    versions: [versionOfOne("v1", A), versionOfOne("v2", B)],
    after: (ms, run) => timers.after(ms, run),
    onChange: (snapshot) => void told.push(snapshot),
    onCut: (version) => void cut.push(version),
  });
  const target = (origin: string, weight = 1) =>
    ({ origin, weight, resolve: "name", resolveEveryMs: 10_000 }) as const;
  return { pools, timers, told, cut, target };
}

const revisions = (told: readonly PoolsSnapshot[]): number[] => told.map(({ revision }) => revision);

test("at the start they are the config's, and nobody is told of it", () => {
  const { pools, told } = startPools();
  assert.equal(pools.snapshot.revision, 0);
  assert.deepEqual(
    pools.snapshot.pools.map(({ version, backends }) => [version, backends.map(({ name }) => name)]),
    [
      ["v1", [A]],
      ["v2", [B]],
    ],
  );
  assert.deepEqual(told, []);
});

test("the first change is told at once, those that follow within a moment together, and nothing twice", () => {
  const { pools, timers, told } = startPools();
  pools.setVerdict("v1", A, "healthy");
  assert.deepEqual(revisions(told), [1]);
  pools.setVerdict("v2", B, "unhealthy");
  pools.setVerdict("v1", A, "degraded");
  assert.deepEqual([revisions(told), pools.snapshot.revision], [[1], 3]);
  timers.pass(50);
  assert.deepEqual(revisions(told), [1, 3]);
  timers.pass(1_000);
  assert.deepEqual(revisions(told), [1, 3]);
  pools.setVerdict("v1", A, "healthy");
  assert.deepEqual(revisions(told), [1, 3, 4]);
});

test("of many backends the workers are told less often: each time it is a message about all of them", () => {
  const { pools, timers, told, target } = startPools();
  const many = Array.from({ length: 999 }, (_, i) => target(`http://10.0.0.1:${1_000 + i}`));
  pools.setSource("v1", { targets: many, changes: new Map() });
  timers.pass(100);
  pools.setVerdict("v1", "http://10.0.0.1:1000", "healthy");
  pools.setVerdict("v1", "http://10.0.0.1:1001", "healthy");
  timers.pass(99);
  assert.deepEqual(revisions(told), [1, 2]);
  timers.pass(1);
  assert.deepEqual(revisions(told), [1, 2, 3]);
});

test("names bring a version to 1,000 backends at most, and it is said once whose are more", () => {
  const { pools, cut, target } = startPools();
  const targets = [1, 2, 3, 4, 5].map((port) => ({
    ...target(`http://a.test:${port}`),
    resolve: "all" as const,
  }));
  const addresses = (count: number) => () => Array.from({ length: count }, (_, i) => `10.0.0.${i}`);
  pools.setSource("v1", { targets, changes: new Map() });
  pools.setAddresses(addresses(200));
  assert.deepEqual([pools.backendsOf("v1").length, cut], [1_000, []]);
  pools.setAddresses(addresses(201));
  pools.setAddresses(addresses(256));
  assert.deepEqual([pools.backendsOf("v1").length, cut], [1_000, ["v1"]]);
  pools.setAddresses(addresses(200));
  pools.setAddresses(addresses(256));
  assert.deepEqual([pools.backendsOf("v2").length, cut], [1, ["v1", "v1"]]);
});

test("a verdict belongs to the backend of its version, and is forgotten with it", () => {
  const { pools, target } = startPools();
  const healths = (version: string) => pools.backendsOf(version).map(({ health }) => health);
  pools.setSource("v2", { targets: [target(A), target(B)], changes: new Map() });
  pools.setVerdict("v2", A, "unhealthy");
  assert.deepEqual([healths("v1"), healths("v2")], [["unknown"], ["unhealthy", "unknown"]]);
  pools.setSource("v2", { targets: [target(B)], changes: new Map() });
  pools.setSource("v2", { targets: [target(A), target(B)], changes: new Map() });
  assert.deepEqual(healths("v2"), ["unknown", "unknown"]);
});

test("what was changed by hand counts above what the targets say", () => {
  const { pools, target } = startPools();
  const changes = new Map([[A, { isDrained: true, weight: 7 }]]);
  pools.setSource("v1", { targets: [target(A, 2), target(B, 3)], changes });
  assert.deepEqual(
    pools.backendsOf("v1").map(({ weight, isDrained }) => [weight, isDrained]),
    [
      [7, true],
      [3, false],
    ],
  );
});
