/**
 * Names asked of a DNS server: what an answer is when only one of its two halves comes. Over real datagrams.
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type NameAnswer, namesFrom } from "../../../../src/control-plane/pools/name-source.ts";
import { onTestEnd } from "../../../support/cleanup.ts";
import { RCODE, type Said, startScriptedDns } from "../../../support/scripted-dns.ts";

const limit = { timeout: 20_000 };
const LAST = ["10.0.0.1", "fd00::1"];
const FOUR: Said = { bytes: [10, 0, 0, 7], ttl: 30 };
const SIX: Said = { bytes: [0xfd, ...Array(14).fill(0), 7], ttl: 20 };
const FAILURE: Said = { rcode: RCODE.serverFailure };
const NO_NAME: Said = { rcode: RCODE.noSuchName };
const NO_RECORD: Said = { rcode: RCODE.ok };

async function ask(t: TestContext, a: Said, aaaa: Said, last = LAST): Promise<NameAnswer> {
  const { address } = await startScriptedDns(t, (type) => (type === "A" ? a : aaaa));
  const source = namesFrom([address]);
  onTestEnd(t, () => source.close());
  return source.lookUp("service.test", last);
}

test("both families are one answer, which holds as long as the shorter TTL", limit, async (t) => {
  assert.deepEqual(await ask(t, FOUR, SIX), { addresses: ["10.0.0.7", "fd00::7"], ttlMs: 20_000 });
});

test("a family that has no addresses loses what it had", limit, async (t) => {
  assert.deepEqual(await ask(t, FOUR, NO_RECORD), { addresses: ["10.0.0.7"], ttlMs: 30_000 });
  assert.deepEqual(await ask(t, NO_RECORD, SIX), { addresses: ["fd00::7"], ttlMs: 20_000 });
});

test("a family that could not be asked for keeps what it had", limit, async (t) => {
  assert.deepEqual(await ask(t, FOUR, FAILURE), { addresses: ["10.0.0.7", "fd00::1"], ttlMs: 30_000 });
  assert.deepEqual(await ask(t, FAILURE, SIX), { addresses: ["10.0.0.1", "fd00::7"], ttlMs: 20_000 });
  assert.deepEqual(await ask(t, FOUR, FAILURE, []), { addresses: ["10.0.0.7"], ttlMs: 30_000 });
});

test("a name that does not exist has no addresses", limit, async (t) => {
  assert.deepEqual(await ask(t, NO_NAME, NO_NAME), { addresses: [], ttlMs: null });
});

test("no answer of either family, or of the only one that has any, is a failure", limit, async (t) => {
  await assert.rejects(ask(t, FAILURE, FAILURE), { code: "ESERVFAIL" });
  await assert.rejects(ask(t, NO_RECORD, FAILURE), { code: "ESERVFAIL" });
  await assert.rejects(ask(t, FAILURE, NO_RECORD, []), { code: "ESERVFAIL" });
});

test("a server that never answers is given up", limit, async (t) => {
  await assert.rejects(ask(t, null, null), { code: "ETIMEOUT" });
});
