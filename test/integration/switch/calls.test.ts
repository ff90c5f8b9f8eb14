/** What a caller of POST /switch can ask for besides the version: force, expect, a dry run; and the order of refusals. */
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { after, test } from "node:test";
import { freePort } from "../../support/free-port.ts";
import type { Reply } from "../../support/http-client.ts";
import { probesOf, startPair } from "../../support/pair.ts";

const { v1, v2, proxy } = await startPair(
  { after },
  { workers: 2, config: { backends: { dead: `http://127.0.0.1:${await freePort()}` } } },
);

const post = (body: object, path = "/switch"): Promise<Reply> =>
  proxy.admin("POST", path, { body: { ...body }, limitMs: 20_000 });

async function historyEntries(): Promise<Record<string, unknown>[]> {
  return (await proxy.admin("GET", "/history")).json().entries as Record<string, unknown>[];
}

test("force without a reason is 400 and changes nothing", { timeout: 20_000 }, async () => {
  for (const reason of [undefined, "", "   "]) {
    const reply = await post({ version: "v2", force: true, ...(reason === undefined ? {} : { reason }) });
    assert.equal(reply.status, 400, reply.body);
    assert.match(String(reply.json().message), /reason/);
  }
  assert.equal((await proxy.status()).epoch, 0);
});

test("a dry run says would_switch, with what the gate saw, and changes nothing", {
  timeout: 20_000,
}, async () => {
  const reply = await post({ version: "v2", dry_run: true });
  assert.equal(reply.status, 200);
  const body = reply.json();
  assert.deepEqual([body.success, body.dry_run, body.verdict], [true, true, "would_switch"]);
  assert.equal((body.gate as { workers: unknown[] }).workers.length, 2);
  assert.ok(probesOf(v2).length >= 2, "the target was probed for real");
  const status = await proxy.status();
  assert.deepEqual([status.epoch, status.current_version, status.cooldown_remaining_seconds], [0, "v1", 0]);
  assert.deepEqual(await historyEntries(), []);
  const files = (await readdir(proxy.stateDir)).filter((name) => !name.startsWith(".lock-"));
  assert.deepEqual(files, []);
});

test("a dry run of a switch that would be refused is 200 and says why", { timeout: 20_000 }, async () => {
  const gate = (await post({ version: "dead", dry_run: true })).json();
  assert.deepEqual(
    [gate.success, gate.dry_run, gate.verdict, gate.code],
    [true, true, "would_refuse", "GATE_REFUSED"],
  );
  assert.match(JSON.stringify(gate.gate), /ECONNREFUSED/);
  const expectation = (await post({ version: "v2", dry_run: true, expect: { epoch: 9 } })).json();
  assert.deepEqual([expectation.verdict, expectation.code], ["would_refuse", "EXPECTATION_FAILED"]);
});

test("a wrong expectation is 412, names what is, and changes nothing", { timeout: 20_000 }, async () => {
  for (const expect of [
    { version: "v2" },
    { epoch: 1 },
    { version: "v1", epoch: 1 },
    { version: "v2", epoch: 0 },
  ]) {
    const reply = await post({ version: "v2", expect });
    assert.equal(reply.status, 412, reply.body);
    assert.equal(reply.json().code, "EXPECTATION_FAILED");
    assert.deepEqual([reply.json().active_version, reply.json().epoch], ["v1", 0]);
  }
  assert.equal((await proxy.status()).epoch, 0);
});

test("a right expectation switches", { timeout: 20_000 }, async () => {
  assert.equal((await post({ version: "v2", expect: { version: "v1", epoch: 0 } })).status, 200);
  assert.equal((await post({ version: "v1", expect: { epoch: 1 } })).status, 200);
  assert.equal((await proxy.status()).epoch, 2);
});

test("force with a reason skips the gate, and the history says so", { timeout: 20_000 }, async () => {
  const probes = probesOf(v2).length;
  const forced = await post({ version: "v2", force: true, reason: "I know it is good" });
  assert.equal(forced.status, 200, forced.body);
  assert.equal(probesOf(v2).length, probes, "the target was probed");
  assert.equal(forced.json().health_check, "skipped");
  assert.equal(forced.json().forced, true);
  const [entry] = await historyEntries();
  assert.ok(entry);
  assert.deepEqual([entry.forced, entry.reason, entry.to], [true, "I know it is good", "v2"]);
  assert.equal((entry.gate as { outcome: string }).outcome, "skipped");

  const toDead = await post({ version: "dead", force: true, reason: "even to one that is down" });
  assert.equal(toDead.status, 200);
  assert.equal((await proxy.adminOnTrafficPort("GET", "/anything")).status, 502);
  assert.equal((await post({ version: "v1" })).status, 200);
});

test("force does not pass by an expectation or an unknown version", { timeout: 20_000 }, async () => {
  const { epoch } = await proxy.status();
  const force = { force: true, reason: "hurry" };
  assert.equal((await post({ version: "v2", ...force, expect: { epoch: epoch + 1 } })).status, 412);
  assert.equal((await post({ version: "v9", ...force })).status, 404);
  assert.equal((await proxy.status()).epoch, epoch);
});

test("a typo never switches: unknown fields are 400 with the nearest name", { timeout: 20_000 }, async () => {
  const { epoch } = await proxy.status();
  const typo = await post({ verison: "v2" });
  assert.equal(typo.status, 400);
  assert.match(String(typo.json().message), /version/);
  for (const body of [
    { version: "v2", dryrun: true },
    { version: "v2", dry_Run: true },
    { version: "v2", expects: { epoch: 99 } },
    { version: "v2", expect: { epok: 99 } },
    { version: "v2", holds: "2s" },
  ]) {
    const reply = await post(body);
    assert.equal(reply.status, 400, `${JSON.stringify(body)}: ${reply.body}`);
    assert.equal(reply.json().success, false);
  }
  assert.equal((await proxy.status()).epoch, epoch);
});

test("a wrong type is 400 and changes nothing", { timeout: 20_000 }, async () => {
  const { epoch } = await proxy.status();
  for (const body of [
    {},
    { version: null },
    { version: 2 },
    { version: ["v2"] },
    { version: "" },
    { version: "v2", force: "true", reason: "x" },
    { version: "v2", dry_run: 1 },
    { version: "v2", reason: 5 },
    { version: "v2", wait: 30 },
    { version: "v2", wait: "soon" },
    { version: "v2", expect: 3 },
    { version: "v2", expect: {} },
    { version: "v2", expect: { epoch: "1" } },
    { version: "v2", expect: { epoch: -1 } },
  ]) {
    const reply = await post(body);
    assert.equal(reply.status, 400, `${JSON.stringify(body)}: ${reply.body}`);
    assert.equal(reply.json().code, "MALFORMED_CALL");
  }
  assert.equal((await proxy.status()).epoch, epoch);
});

test("the checks come in the order of the design", { timeout: 20_000 }, async (t) => {
  const cooling = await startPair(t, { config: { switch: { min_interval: "10m" } } });
  const call = (body: object): Promise<Reply> =>
    cooling.proxy.admin("POST", "/switch", { body: { ...body }, limitMs: 20_000 });
  await cooling.proxy.switchTo("v2");
  await cooling.v1.close(); // the gate would refuse now
  const statusOf = async (body: object): Promise<number> => (await call(body)).status;
  assert.equal(await statusOf({ version: "v9", typo: 1, expect: { epoch: 9 } }), 400, "shape before all");
  assert.equal(await statusOf({ version: "v9", expect: { epoch: 9 } }), 404, "version before expect");
  assert.equal(await statusOf({ version: "v2", expect: { epoch: 9 } }), 200, "already there before expect");
  assert.equal(await statusOf({ version: "v1", expect: { epoch: 9 } }), 412, "expect before cool-down");
  assert.equal(await statusOf({ version: "v1" }), 429, "cool-down before gate");
  assert.equal(probesOf(cooling.v1).length, 0);
});

test("a switch over the traffic port does the same", { timeout: 20_000 }, async () => {
  const to = (await proxy.status()).current_version === "v1" ? "v2" : "v1";
  const reply = await proxy.adminOnTrafficPort("POST", "/switch", { body: { version: to }, limitMs: 20_000 });
  assert.equal(reply.status, 200, reply.body);
  assert.equal(reply.json().version, to);
  assert.equal((await proxy.status()).current_version, to);
  const seen = [...v1.requests, ...v2.requests].filter(({ url }) => url.startsWith("/switch"));
  assert.deepEqual(seen, []);
});
