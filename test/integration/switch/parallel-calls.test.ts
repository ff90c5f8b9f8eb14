/** Several calls at once, the same call twice, a caller that leaves: one switch at a time, and each exactly once. */
import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { after, test } from "node:test";
import { type Reply, request } from "../../support/http-client.ts";
import { PROBE_PATH, probesOf, sayName, startPair } from "../../support/pair.ts";
import { openRaw } from "../../support/raw-client.ts";
import { waitUntil } from "../../support/wait.ts";

const { v2, proxy, behave } = await startPair({ after }, { workers: 2 });

const post = (body: object | string, key?: string): Promise<Reply> =>
  proxy.admin("POST", "/switch", {
    body: typeof body === "string" ? body : JSON.stringify(body),
    headers: {
      "content-type": "application/json",
      ...(key === undefined ? {} : { "idempotency-key": key }),
    },
    limitMs: 20_000,
  });

/** Holds every probe of the version until it is let go. */
function holdProbes(version: "v1" | "v2"): { letGo(): void } {
  const held: ServerResponse[] = [];
  behave[version] = (req: IncomingMessage, res: ServerResponse) => {
    if (req.url === PROBE_PATH) held.push(res);
    else sayName(version)(req, res);
  };
  return {
    letGo: () => {
      behave[version] = sayName(version);
      for (const res of held) res.end(version);
    },
  };
}

async function reset(): Promise<number> {
  behave.v1 = sayName("v1");
  behave.v2 = sayName("v2");
  await proxy.switchTo("v1");
  return (await proxy.status()).epoch;
}

test("of two switches at once one is 200 and the other 409, at once", { timeout: 30_000 }, async () => {
  const epoch = await reset();
  const probes = holdProbes("v2");
  const seen = v2.requestSeen(({ url }) => url === PROBE_PATH);
  const first = post({ version: "v2" });
  await seen;
  assert.equal((await proxy.status()).phase, "prepare");
  const second = await post({ version: "v2" });
  assert.equal(second.status, 409, second.body);
  assert.equal(second.json().code, "SWITCH_IN_PROGRESS");
  const rollback = await proxy.admin("POST", "/rollback", { body: {} });
  assert.equal(rollback.status, 409, "a rollback does not run beside a switch either");
  assert.equal((await post({ version: "v1" })).json().changed, false, "already there: needs no lock");
  assert.equal((await post({ version: "v9" })).status, 404);
  probes.letGo();
  assert.equal((await first).status, 200);
  assert.equal((await proxy.status()).epoch, epoch + 1);
});

test("of ten equal calls sent at once exactly one switches", { timeout: 30_000 }, async () => {
  const epoch = await reset();
  const replies = await Promise.all(
    Array.from({ length: 10 }, (_, i) =>
      i % 2 === 0
        ? post({ version: "v2" })
        : proxy.adminOnTrafficPort("POST", "/switch", { body: { version: "v2" }, limitMs: 20_000 }),
    ),
  );
  const statuses = replies.map(({ status }) => status);
  assert.ok(
    statuses.every((status) => status === 200 || status === 409),
    statuses.join(),
  );
  const switched = replies.filter((reply) => reply.status === 200 && reply.json().changed === true);
  assert.equal(switched.length, 1, statuses.join());
  assert.equal((await proxy.status()).epoch, epoch + 1);
});

test("two calls to different versions at once: one wins, the other changes nothing", {
  timeout: 30_000,
}, async () => {
  const epoch = await reset();
  const probes = holdProbes("v2");
  const seen = v2.requestSeen(({ url }) => url === PROBE_PATH);
  const first = post({ version: "v2" });
  await seen;
  const back = await post({ version: "v1", expect: { version: "v1" } });
  assert.equal(back.json().changed, false, "v1 still is the active one");
  probes.letGo();
  assert.equal((await first).status, 200);
  const { current_version, epoch: now } = await proxy.status();
  assert.deepEqual([current_version, now], ["v2", epoch + 1]);
});

test("a dry run beside a running switch takes no lock and says what would come of a call now", {
  timeout: 30_000,
}, async () => {
  await reset();
  const probes = holdProbes("v2");
  const seen = v2.requestSeen(({ url }) => url === PROBE_PATH);
  const first = post({ version: "v2" });
  await seen;
  const rehearsal = await post({ version: "v2", dry_run: true });
  assert.deepEqual(
    [rehearsal.status, rehearsal.json().verdict, rehearsal.json().code],
    [200, "would_refuse", "SWITCH_IN_PROGRESS"],
  );
  probes.letGo();
  assert.equal((await first).status, 200);
});

test("a dry run that probes does not keep a switch from running", { timeout: 30_000 }, async () => {
  await reset();
  const held: ServerResponse[] = [];
  behave.v2 = (_req, res) => void held.push(res);
  const rehearsal = post({ version: "v2", dry_run: true });
  await waitUntil("both workers probe", () => held.length >= 2);
  behave.v2 = sayName("v2");
  assert.equal((await post({ version: "v2" })).status, 200);
  for (const res of held) res.end("v2");
  assert.equal((await rehearsal).status, 200);
});

test("a caller that hangs up does not stop a running switch", { timeout: 30_000 }, async (t) => {
  for (const port of [proxy.adminPort, proxy.port]) {
    const epoch = await reset();
    const probes = holdProbes("v2");
    const seen = v2.requestSeen(({ url }) => url === PROBE_PATH);
    const client = await openRaw(port, { t });
    const body = JSON.stringify({ version: "v2" });
    client.send(
      `POST /switch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await seen;
    client.reset();
    probes.letGo();
    await waitUntil("the switch is done", async () => {
      const status = await proxy.status();
      return status.current_version === "v2" && status.epoch === epoch + 1;
    });
    assert.equal((await request(proxy.port)).body, "v2");
  }
});

test("the same key and body is one switch with one answer, whatever key order and white space", {
  timeout: 30_000,
}, async () => {
  const epoch = await reset();
  const first = await post(
    `{"version":"v2","reason":"once","expect":{"version":"v1","epoch":${epoch}}}`,
    "k-1",
  );
  assert.equal(first.status, 200, first.body);
  const probes = probesOf(v2).length;
  const again = await post(
    `\n{ "expect": { "epoch": ${epoch}, "version": "v1" },\t"reason": "once", "version": "v2" }\n`,
    "k-1",
  );
  assert.equal(again.status, 200, again.body);
  assert.deepEqual(again.json(), first.json());
  assert.equal(probesOf(v2).length, probes);
  assert.equal((await proxy.status()).epoch, epoch + 1);
  await proxy.switchTo("v1");
  const late = await post({ version: "v2", reason: "once", expect: { version: "v1", epoch } }, "k-1");
  assert.deepEqual(late.json(), first.json(), "the first answer, although v1 is active again");
  assert.equal((await proxy.status()).current_version, "v1", "a replay never switches");
});

test("the same key with another body is 422 and changes nothing", { timeout: 30_000 }, async () => {
  const epoch = await reset();
  assert.equal((await post({ version: "v2" }, "k-2")).status, 200);
  for (const body of [{ version: "v1" }, { version: "v2", reason: "other" }]) {
    const reply = await post(body, "k-2");
    assert.equal(reply.status, 422, reply.body);
    assert.equal(reply.json().code, "IDEMPOTENCY_KEY_REUSED");
  }
  const { current_version, epoch: now } = await proxy.status();
  assert.deepEqual([current_version, now], ["v2", epoch + 1]);
});

test("a dry run spends no key: the real call with the same key switches", { timeout: 30_000 }, async () => {
  const epoch = await reset();
  const rehearsal = await post({ version: "v2", dry_run: true }, "k-dry");
  assert.equal(rehearsal.json().verdict, "would_switch", rehearsal.body);
  const reply = await post({ version: "v2" }, "k-dry");
  assert.equal(reply.status, 200, reply.body);
  assert.equal(reply.json().epoch, epoch + 1);
  assert.equal((await post({ version: "v2", dry_run: true }, "k-dry")).json().dry_run, true);
});

test("parallel calls with one key wait for the one that runs and get its answer", {
  timeout: 30_000,
}, async () => {
  const epoch = await reset();
  const probes = holdProbes("v2");
  const seen = v2.requestSeen(({ url }) => url === PROBE_PATH);
  const first = post({ version: "v2" }, "k-3");
  await seen;
  const others = [post({ version: "v2" }, "k-3"), post({ version: "v2" }, "k-3")];
  const conflict = await post({ version: "v1" }, "k-3");
  assert.equal(conflict.status, 422, "another body under a key that runs");
  probes.letGo();
  const answer = (await first).json();
  assert.equal(answer.changed, true);
  for (const other of await Promise.all(others)) {
    assert.equal(other.status, 200, other.body);
    assert.deepEqual(other.json(), answer);
  }
  assert.equal((await proxy.status()).epoch, epoch + 1);
});

test("a refused call does not spend its key: the same key works when the reason is gone", {
  timeout: 30_000,
}, async () => {
  const epoch = await reset();
  behave.v2 = (_req, res) => res.writeHead(500).end();
  assert.equal((await post({ version: "v2" }, "k-4")).status, 422);
  assert.equal((await post({ version: "v9" }, "k-4")).status, 404);
  assert.equal((await post({ version: "v2", expect: { epoch: epoch + 5 } }, "k-4")).status, 412);
  behave.v2 = sayName("v2");
  const reply = await post({ version: "v2" }, "k-4");
  assert.equal(reply.status, 200, reply.body);
  assert.equal(reply.json().changed, true);
  assert.equal((await proxy.status()).epoch, epoch + 1);
});

test("a key that is empty or too long is 400", { timeout: 30_000 }, async () => {
  const epoch = await reset();
  for (const key of ["", "k".repeat(300)]) assert.equal((await post({ version: "v2" }, key)).status, 400);
  assert.equal((await proxy.status()).epoch, epoch);
});

test("a key is remembered over a restart: the replay switches nothing", { timeout: 60_000 }, async () => {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    const epoch = await reset();
    const first = (await post({ version: "v2" }, `over-${signal}`)).json();
    await proxy.restart(signal);
    await proxy.switchTo("v1");
    const reply = await post('{ "version" : "v2" }', `over-${signal}`);
    assert.equal(reply.status, 200, reply.body);
    const replay = reply.json();
    for (const member of ["success", "message", "version", "backend", "health_check", "changed", "epoch"]) {
      assert.deepEqual(replay[member], first[member], member);
    }
    assert.equal((await post({ version: "v1" }, `over-${signal}`)).status, 422);
    const { current_version, epoch: now } = await proxy.status();
    assert.deepEqual([current_version, now], ["v1", epoch + 2]);
  }
});
