/** The gate of a version that is a pool: every worker probes every backend, and ready_ratio says how many must pass. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startBackend } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import { request } from "../../support/http-client.ts";
import { probesOf, sayName, startPair } from "../../support/pair.ts";

const limit = { timeout: 30_000 };

const good = await Promise.all(["a", "b"].map((name) => startBackend({ after }, sayName(name))));
const [a, b] = good.map(({ url }) => ({ url }));
const dead = { url: `http://127.0.0.1:${await freePort()}` };
const { proxy } = await startPair(
  { after },
  {
    workers: 2,
    config: {
      backends: {
        all: { targets: [a, dead, b] },
        most: { targets: [a, dead, b], ready_ratio: 0.6 },
        drained: {
          targets: [
            { ...a, weight: 1 },
            { ...dead, weight: 0 },
          ],
        },
      },
      switch: { min_interval: "0s", probe: { successes: 2, interval: "10ms" } },
    },
  },
);

interface Gate {
  readonly workers: readonly {
    readonly passed: boolean;
    readonly backends: { readonly asked: number; readonly needed: number; readonly passed: number };
    readonly probes: readonly { readonly backend: string; readonly ok: boolean; readonly saw: string }[];
  }[];
}

const switchTo = async (version: string, extra: object = {}) =>
  (await proxy.admin("POST", "/switch", { body: { version, ...extra }, limitMs: 20_000 })).json();

test(
  "a dead backend refuses a pool of which all must pass, in a real call and in a rehearsal",
  limit,
  async () => {
    const refused = await switchTo("all");
    assert.equal(refused.code, "GATE_REFUSED");
    const named = `all did not pass its health check: ${dead.url}: connect ECONNREFUSED`;
    assert.ok(String(refused.message).startsWith(named), String(refused.message));
    assert.match(
      String(refused.message),
      /; 2 of 3 backends passed, ready_ratio asks for all; nothing changed$/,
    );
    const { workers } = refused.gate as Gate;
    const told = workers.find(({ backends }) => backends.passed === 2); // the other was told to stop, maybe
    assert.deepEqual([told?.passed, told?.backends], [false, { asked: 3, needed: 3, passed: 2 }]);
    const failed = told?.probes.filter(({ ok }) => !ok).map(({ backend }) => backend);
    assert.deepEqual([...new Set(failed)], [dead.url]);
    const rehearsed = await switchTo("all", { dry_run: true });
    assert.equal(rehearsed.verdict, "would_refuse");
    assert.equal(rehearsed.message, refused.message);
  },
);

test("the same pool passes where ready_ratio asks for less, and its good backends serve", limit, async () => {
  const done = await switchTo("most");
  assert.equal(done.success, true, JSON.stringify(done));
  for (const { passed, backends } of (done.gate as Gate).workers)
    assert.deepEqual([passed, backends], [true, { asked: 3, needed: 2, passed: 2 }]);
  for (const backend of good) assert.ok(probesOf(backend).length >= 4, "2 probes of each of 2 workers");
  const served = new Set<string>();
  for (let n = 0; n < 20; n++) served.add((await request(proxy.port)).body);
  assert.deepEqual([...served].sort(), ["a", "b"]);
});

test("a target of weight 0 is not asked", limit, async () => {
  const done = await switchTo("drained");
  assert.equal(done.success, true, JSON.stringify(done));
  for (const { backends, probes } of (done.gate as Gate).workers) {
    assert.deepEqual(backends, { asked: 1, needed: 1, passed: 1 });
    assert.ok(probes.every(({ backend }) => backend === a?.url));
  }
});
