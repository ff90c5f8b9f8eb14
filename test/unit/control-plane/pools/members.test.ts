/**
 * Members: which backends come of targets and of the addresses of their names.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TargetConfig } from "../../../../src/config/pool-config.ts";
import { membersOf } from "../../../../src/control-plane/pools/members.ts";

const ADDRESSES: Readonly<Record<string, readonly string[]>> = {
  "a.test": ["10.0.0.7", "10.0.0.8"],
  "b.test": ["10.0.0.8", "10.0.0.9"],
  "six.test": ["fd00::7"],
};
const addressesOf = (name: string): readonly string[] => ADDRESSES[name] ?? [];

function target(origin: string, more: Partial<TargetConfig> = {}): TargetConfig {
  return { origin, weight: 1, resolve: "name", resolveEveryMs: 10_000, ...more };
}

const all = (origin: string, weight = 1): TargetConfig => target(origin, { resolve: "all", weight });

const brief = (targets: readonly TargetConfig[]) =>
  membersOf(targets, addressesOf).map(({ name, origin, addresses, weight }) => [
    name,
    origin,
    addresses.join(" "),
    weight,
  ]);

test("resolve: name is one backend, whatever its name has", () => {
  assert.deepEqual(membersOf([target("http://a.test:9000", { weight: 3 })], addressesOf), [
    {
      name: "http://a.test:9000",
      origin: "http://a.test:9000",
      addresses: ["10.0.0.7", "10.0.0.8"],
      weight: 3,
      isDrained: false,
      health: "unknown",
    },
  ]);
});

test("a name that was never found is a backend without addresses, or with resolve: all none", () => {
  assert.deepEqual(brief([target("http://c.test:9000"), all("http://d.test:9000")]), [
    ["http://c.test:9000", "http://c.test:9000", "", 1],
  ]);
});

test("an address is looked up nowhere, with and without resolve: all", () => {
  const origins = ["http://10.0.0.1:9000", "https://[fd00::1]:9443", "http://10.0.0.2"];
  const addresses = ["10.0.0.1", "fd00::1", "10.0.0.2"];
  const expected = origins.map((origin, i) => [origin, origin, addresses[i], 1]);
  assert.deepEqual(brief(origins.map((origin) => target(origin))), expected);
  assert.deepEqual(brief(origins.map((origin) => all(origin))), expected);
});

test("resolve: all is a backend for each address: named by it, with the target's origin and weight", () => {
  assert.deepEqual(
    brief([all("https://a.test:9443", 5), all("http://six.test:9000"), all("http://six.test")]),
    [
      ["https://10.0.0.7:9443", "https://a.test:9443", "10.0.0.7", 5],
      ["https://10.0.0.8:9443", "https://a.test:9443", "10.0.0.8", 5],
      ["http://[fd00::7]:9000", "http://six.test:9000", "fd00::7", 1],
      ["http://[fd00::7]", "http://six.test", "fd00::7", 1],
    ],
  );
});

test("an address that two targets share is one backend, that of the first", () => {
  assert.deepEqual(brief([all("http://a.test:9000", 2), all("http://b.test:9000", 7)]), [
    ["http://10.0.0.7:9000", "http://a.test:9000", "10.0.0.7", 2],
    ["http://10.0.0.8:9000", "http://a.test:9000", "10.0.0.8", 2],
    ["http://10.0.0.9:9000", "http://b.test:9000", "10.0.0.9", 7],
  ]);
  assert.deepEqual(brief([target("http://10.0.0.7"), all("http://a.test")]), [
    ["http://10.0.0.7", "http://10.0.0.7", "10.0.0.7", 1],
    ["http://10.0.0.8", "http://a.test", "10.0.0.8", 1],
  ]);
});

test("the same address at another port or scheme is another backend", () => {
  const names = membersOf(
    [all("http://a.test:1"), all("http://a.test:2"), all("https://a.test:1")],
    addressesOf,
  );
  assert.equal(names.length, 6);
});
