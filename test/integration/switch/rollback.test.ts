/** POST /rollback: back to the version before, once, whatever the cool-down says, but never past the gate. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type Reply, request } from "../../support/http-client.ts";
import { probesOf, sayName, startPair } from "../../support/pair.ts";

// In the order of the story.
const { v1, proxy, behave } = await startPair(
  { after },
  { workers: 2, config: { switch: { min_interval: "10m" } } },
);

const rollback = (body?: object, headers?: Record<string, string>): Promise<Reply> =>
  proxy.admin("POST", "/rollback", {
    ...(body === undefined ? {} : { body: { ...body } }),
    headers: { "content-type": "application/json", ...headers },
    limitMs: 20_000,
  });

async function assertNothingToGoBackTo(): Promise<void> {
  const { epoch, current_version } = await proxy.status();
  const reply = await rollback({});
  assert.equal(reply.status, 409, reply.body);
  assert.equal(reply.json().code, "NOTHING_TO_ROLL_BACK");
  const status = await proxy.status();
  assert.deepEqual([status.epoch, status.current_version], [epoch, current_version]);
  assert.equal(status.rollback_to, null);
}

test("before the first switch there is nothing to go back to: 409", { timeout: 20_000 }, async () => {
  await assertNothingToGoBackTo();
  const forced = await rollback({ force: true, reason: "even so" });
  assert.equal(forced.status, 409);
});

test("a rollback that fails its gate is 422 and changes nothing", { timeout: 20_000 }, async () => {
  await proxy.switchTo("v2");
  assert.equal((await proxy.status()).rollback_to, "v1");
  behave.v1 = (_req, res) => res.writeHead(500).end();
  try {
    const reply = await rollback({});
    assert.equal(reply.status, 422, reply.body);
    assert.equal(reply.json().code, "GATE_REFUSED");
    const { epoch, current_version, rollback_to } = await proxy.status();
    assert.deepEqual([epoch, current_version, rollback_to], [1, "v2", "v1"]);
    assert.equal((await request(proxy.port)).body, "v2");
  } finally {
    behave.v1 = sayName("v1");
  }
});

test("a wrong expectation of a rollback is 412", { timeout: 20_000 }, async () => {
  for (const expect of [{ version: "v1" }, { epoch: 0 }]) {
    assert.equal((await rollback({ expect })).status, 412);
  }
  assert.equal((await proxy.status()).current_version, "v2");
});

test("a malformed rollback is 400 and changes nothing", { timeout: 20_000 }, async () => {
  for (const body of [
    { version: "v1" },
    { force: true },
    { force: "yes", reason: "x" },
    { raeson: "x" },
    { dry_run: true },
  ]) {
    const reply = await rollback(body);
    assert.equal(reply.status, 400, `${JSON.stringify(body)}: ${reply.body}`);
  }
  assert.equal((await proxy.status()).current_version, "v2");
});

test("a rollback during the cool-down goes back on every worker, and needs no body", {
  timeout: 20_000,
}, async () => {
  assert.ok((await proxy.status()).cooldown_remaining_seconds > 0);
  const probes = probesOf(v1).length;
  const reply = await rollback();
  assert.equal(reply.status, 200, reply.body);
  const body = reply.json();
  assert.deepEqual(
    [body.success, body.version, body.previous_version, body.backend, body.health_check, body.epoch],
    [true, "v1", "v2", v1.url, "passed", 2],
  );
  assert.equal(probesOf(v1).length - probes, 2, "each worker probes");
  for (let n = 0; n < 10; n++) assert.equal((await request(proxy.port)).body, "v1");
  const [entry] = (await proxy.admin("GET", "/history")).json().entries as Record<string, unknown>[];
  assert.deepEqual([entry?.trigger, entry?.from, entry?.to, entry?.epoch], ["rollback", "v2", "v1", 2]);
});

test("a second rollback is 409: the bad version is never released again", { timeout: 40_000 }, async () => {
  await assertNothingToGoBackTo();
  await proxy.restart("SIGKILL");
  await assertNothingToGoBackTo();
});

test("force skips the gate of a rollback, and the history says so", { timeout: 20_000 }, async () => {
  await proxy.switchTo("v2", { force: true, reason: "again" });
  await v1.close();
  assert.equal((await rollback({})).status, 422);
  const reply = await rollback({ force: true, reason: "v2 is worse than nothing" });
  assert.equal(reply.status, 200, reply.body);
  assert.equal(reply.json().health_check, "skipped");
  const [entry] = (await proxy.admin("GET", "/history")).json().entries as Record<string, unknown>[];
  assert.deepEqual(
    [entry?.trigger, entry?.forced, entry?.reason],
    ["rollback", true, "v2 is worse than nothing"],
  );
  assert.equal((await proxy.status()).current_version, "v1");
});

test("an Idempotency-Key makes two rollbacks one, and is not that of a switch", {
  timeout: 40_000,
}, async (t) => {
  const pair = await startPair(t);
  const call = (path: string, key: string): Promise<Reply> =>
    pair.proxy.admin("POST", path, { body: {}, headers: { "idempotency-key": key }, limitMs: 20_000 });
  await pair.proxy.switchTo("v2");
  const first = await call("/rollback", "r-1");
  const again = await call("/rollback", "r-1");
  assert.equal(first.status, 200, first.body);
  assert.deepEqual(again.json(), first.json());
  assert.equal((await pair.proxy.status()).epoch, 2);
  assert.equal((await call("/rollback", "r-2")).status, 409);
  const other = await pair.proxy.admin("POST", "/switch", {
    body: { version: "v2" },
    headers: { "idempotency-key": "r-1" },
  });
  assert.equal(other.status, 422, other.body);
  assert.equal(other.json().code, "IDEMPOTENCY_KEY_REUSED");
});

test("the traffic port has no rollback: the path is the backend's", { timeout: 20_000 }, async (t) => {
  const pair = await startPair(t);
  await pair.proxy.switchTo("v2");
  const reply = await pair.proxy.adminOnTrafficPort("POST", "/rollback", { body: {} });
  assert.equal(reply.body, "v2");
  assert.equal((await pair.proxy.status()).epoch, 1);
});
