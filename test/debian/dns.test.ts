/**
 * Names of backends, looked up at a real DNS server that changes its mind, and dies.
 * `npm run test:dns`; needs the Debian package dnsmasq-base.
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type NameSource, namesFrom, systemNames } from "../../src/control-plane/pools/name-source.ts";
import { MAX_ADDRESSES, Resolver } from "../../src/control-plane/pools/resolver.ts";
import { systemTimers } from "../../src/core/timers.ts";
import { onTestEnd } from "../support/cleanup.ts";
import { freePort } from "../support/free-port.ts";
import { needPrograms } from "../support/program.ts";
import { startScriptedDns } from "../support/scripted-dns.ts";
import { waitUntil } from "../support/wait.ts";
import { startDnsServer } from "./dns-server.ts";

needPrograms({ dnsmasq: "dnsmasq-base" });

const limit = { timeout: 30_000 };
const NAME = "service.test";
const EVERY_MS = 300;

function sourceOf(t: TestContext, servers: readonly string[]): NameSource {
  const source = namesFrom(servers);
  onTestEnd(t, () => source.close());
  return source;
}

function watch(t: TestContext, source: NameSource): { resolver: Resolver; logged: string[] } {
  const logged: string[] = [];
  const log = (_fields: object, sentence: string): void => void logged.push(sentence);
  const resolver = new Resolver({
    source,
    after: systemTimers.after,
    random: Math.random,
    log: { info: log, warn: log },
    onChange: () => {},
  });
  onTestEnd(t, () => resolver.close());
  resolver.watch(new Map([[NAME, EVERY_MS]]));
  return { resolver, logged };
}

test("a name has the addresses of both families, and the server's TTL", limit, async (t) => {
  const dns = await startDnsServer(t, {
    [NAME]: ["127.0.0.2", "127.0.0.3", "::1"],
    "four.test": ["127.0.0.4"],
  });
  const source = sourceOf(t, [dns.address]);
  const { addresses, ttlMs } = await source.lookUp(NAME, []);
  assert.deepEqual(addresses.toSorted(), ["127.0.0.2", "127.0.0.3", "::1"]);
  assert.equal(ttlMs, 1_000);
  assert.deepEqual(await source.lookUp("four.test", ["::1"]), { addresses: ["127.0.0.4"], ttlMs: 1_000 });
});

test(
  "a name that the server does not know has none, and one it refuses to look up fails",
  limit,
  async (t) => {
    const dns = await startDnsServer(t, {});
    const source = sourceOf(t, [dns.address]);
    assert.deepEqual(await source.lookUp(NAME, ["127.0.0.2"]), { addresses: [], ttlMs: null });
    await assert.rejects(source.lookUp("somebody.else", ["127.0.0.2"]), { code: "EREFUSED" });
  },
);

test("where one server is dead and one silent, the next one is asked", limit, async (t) => {
  const dns = await startDnsServer(t, { [NAME]: ["127.0.0.2"] });
  const silent = await startScriptedDns(t, () => null);
  const source = sourceOf(t, [`127.0.0.1:${await freePort()}`, silent.address, dns.address]);
  const { addresses } = await source.lookUp(NAME, []);
  assert.deepEqual(addresses, ["127.0.0.2"]);
});

test(
  "addresses come and go with the server's; when it dies the last stay, until it is back",
  limit,
  async (t) => {
    const dns = await startDnsServer(t, { [NAME]: ["127.0.0.2", "127.0.0.3"] });
    const { resolver, logged } = watch(t, sourceOf(t, [dns.address]));
    const has = (expected: string): Promise<unknown> =>
      waitUntil(`it has ${expected}`, () => resolver.addressesOf(NAME).join(" ") === expected, {
        limitMs: 10_000,
        details: () => resolver.addressesOf(NAME).join(" "),
      });
    await has("127.0.0.2 127.0.0.3");
    await dns.setNames({ [NAME]: ["127.0.0.3", "127.0.0.4", "::1"] });
    await has("127.0.0.3 127.0.0.4 ::1");
    await dns.kill();
    const isTold = (): boolean =>
      logged.some((sentence) => sentence.startsWith("a name cannot be looked up"));
    await waitUntil("it is told", isTold, { limitMs: 10_000 });
    await has("127.0.0.3 127.0.0.4 ::1");
    await dns.start({ [NAME]: ["127.0.0.5"] });
    await has("127.0.0.5");
    await dns.setNames({});
    await waitUntil("it is told", () => logged.at(-1)?.startsWith("a name cannot be looked up"));
    await has("127.0.0.5");
  },
);

test("an answer too long for a datagram comes whole, and 256 of it are used", limit, async (t) => {
  const many = Array.from({ length: 300 }, (_, i) => `127.0.${1 + Math.floor(i / 100)}.${100 + (i % 100)}`);
  const dns = await startDnsServer(t, { [NAME]: many });
  const { resolver, logged } = watch(t, sourceOf(t, [dns.address]));
  await waitUntil("it is there", () => resolver.addressesOf(NAME).length > 0);
  assert.deepEqual(resolver.addressesOf(NAME), many.slice(0, MAX_ADDRESSES));
  assert.ok(logged.includes("a name has more addresses than are used"));
});

test("the system knows localhost, and what does not exist fails", limit, async () => {
  const { addresses, ttlMs } = await systemNames.lookUp("localhost", []);
  assert.ok(addresses.includes("127.0.0.1"));
  assert.equal(ttlMs, null);
  await assert.rejects(systemNames.lookUp("never.invalid", []), { code: /ENOTFOUND|EAI_AGAIN/ });
});
