/**
 * Names: what the targets' names resolve to reaches the pools. The DNS server is a scripted one.
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type TargetConfig, versionOfOne } from "../../../../src/config/pool-config.ts";
import { Names, namesOf } from "../../../../src/control-plane/pools/names.ts";
import { Pools } from "../../../../src/control-plane/pools/pools.ts";
import { systemTimers } from "../../../../src/core/timers.ts";
import { onTestEnd } from "../../../support/cleanup.ts";
import { type Said, startScriptedDns } from "../../../support/scripted-dns.ts";
import { waitUntil } from "../../../support/wait.ts";

const limit = { timeout: 20_000 };
const NONE: Said = { rcode: 0 };

function target(origin: string, more: Partial<TargetConfig> = {}): TargetConfig {
  return { origin, weight: 1, resolve: "name", resolveEveryMs: 10_000, ...more };
}

async function scene(t: TestContext, targets: readonly TargetConfig[], answer: () => Said) {
  const { address } = await startScriptedDns(t, (type) => (type === "A" ? answer() : NONE));
  const told: number[] = [];
  const pools = new Pools({
    onCut: () => {},
    versions: [{ ...versionOfOne("v1", "http://10.0.0.1:9000"), targets }],
    after: systemTimers.after,
    onChange: ({ revision }) => {
      told.push(revision);
      names.follow();
    },
  });
  const log = { info: () => {}, warn: () => {} };
  const names: Names = new Names({
    pools,
    resolvers: [address],
    after: systemTimers.after,
    random: Math.random,
    log,
  });
  onTestEnd(t, () => names.close());
  const backends = (): string[] =>
    pools.backendsOf("v1").map(({ name, addresses }) => `${name} ${addresses}`);
  return { pools, names, backends, told };
}

test("each name is looked up once, as often as the target that wants it most often; an address is no name", () => {
  const names = namesOf([
    target("http://a.test:1", { resolveEveryMs: 5_000 }),
    target("http://a.test:2", { resolveEveryMs: 2_000 }),
    target("https://a.test", { resolveEveryMs: 3_000 }),
    target("http://b.test"),
    target("http://10.0.0.1:9000"),
    target("http://[::1]:9000"),
  ]);
  assert.deepEqual(
    [...names],
    [
      ["a.test", 2_000],
      ["b.test", 10_000],
    ],
  );
});

test("after the start the pools have what the names resolve to, as a new revision", limit, async (t) => {
  const targets = [target("http://a.test:9000"), target("http://b.test:9000", { resolve: "all" })];
  const { names, backends, told } = await scene(t, targets, () => ({ bytes: [10, 0, 0, 7], ttl: 60 }));
  assert.deepEqual(backends(), ["http://a.test:9000 "]);
  await names.start();
  assert.deepEqual(backends(), ["http://a.test:9000 10.0.0.7", "http://10.0.0.7:9000 10.0.0.7"]);
  assert.equal(told[0], 1);
});

test("a change of addresses is a new revision, and the same answer again is none", limit, async (t) => {
  const targets = [target("http://a.test:9000", { resolve: "all", resolveEveryMs: 20 })];
  let asked = 0;
  let last = 7;
  const { names, backends, pools } = await scene(t, targets, () => {
    asked++;
    return { bytes: [10, 0, 0, last], ttl: 0 };
  });
  await names.start();
  const before = asked;
  await waitUntil("it was asked again", () => asked > before + 1);
  assert.equal(pools.snapshot.revision, 1);
  last = 8;
  await waitUntil("it has changed", () => backends()[0] === "http://10.0.0.8:9000 10.0.0.8");
  assert.equal(pools.snapshot.revision, 2);
});

test("a target that comes by hand is looked up, and one that goes no longer", limit, async (t) => {
  let asked = 0;
  const { names, backends, pools } = await scene(t, [target("http://10.0.0.1:9000")], () => {
    asked++;
    return { bytes: [10, 0, 0, 7], ttl: 0 };
  });
  await names.start();
  assert.equal(asked, 0);
  const added = target("http://a.test:9000", { resolve: "all", resolveEveryMs: 20 });
  pools.setSource("v1", { targets: [added], changes: new Map() });
  await waitUntil("it is found", () => backends()[0] === "http://10.0.0.7:9000 10.0.0.7");
  pools.setSource("v1", { targets: [target("http://10.0.0.1:9000")], changes: new Map() });
  await waitUntil("it is gone", () => backends()[0] === "http://10.0.0.1:9000 10.0.0.1");
});
