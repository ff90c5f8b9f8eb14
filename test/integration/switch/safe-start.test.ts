/** A start on a version of the state that is dead while another lives: not ready, or moved there, as the config says. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { startBackend } from "../../support/backend.ts";
import type { TestEnd } from "../../support/cleanup.ts";
import { readEvents } from "../../support/event-reader.ts";
import { freePort } from "../../support/free-port.ts";
import { request } from "../../support/http-client.ts";
import { PROBE_PATH, sayName } from "../../support/pair.ts";
import { type ProxyOptions, startProxy, type TestProxy } from "../../support/proxy.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { waitUntil } from "../../support/wait.ts";

const limit = { timeout: 60_000 };

type Policy = "wait" | "fail-over";

interface Scene {
  readonly proxy: TestProxy;
  /** The backend of that version is there from now on. */
  readonly raise: (name: "v1" | "v2", listener?: RequestListener) => ReturnType<typeof startBackend>;
}

/** The config says v1. `state` is what `.version` names; the backends of `living` are there. Is not waited for. */
async function startScene(
  t: TestEnd,
  options: {
    policy?: Policy;
    state?: string | null;
    living?: Partial<Record<"v1" | "v2", RequestListener>>;
    switching?: object;
  } & Pick<ProxyOptions, "workers">,
): Promise<Scene> {
  const { policy, state = "v2", living = {}, switching = {}, workers = 2 } = options;
  const ports = { v1: await freePort(), v2: await freePort() };
  const raise: Scene["raise"] = (name, listener = sayName(name)) =>
    startBackend(t, listener, { port: ports[name] });
  for (const [name, listener] of Object.entries(living)) await raise(name as "v1" | "v2", listener);
  const stateDir = await tempDir(t, "safe-start");
  if (state !== null) await writeFile(join(stateDir, ".version"), `${state}\n`);
  const start_policy = policy === undefined ? {} : { start_policy: policy };
  const proxy = await startProxy(t, {
    v1: `http://127.0.0.1:${ports.v1}`,
    v2: `http://127.0.0.1:${ports.v2}`,
    workers,
    stateDir,
    config: { switch: { probe: { path: PROBE_PATH }, ...start_policy, ...switching } },
    ready: false,
  });
  return { proxy, raise };
}

const V1 = { v1: sayName("v1") };
const V2 = { v2: sayName("v2") };

async function checkOf(proxy: TestProxy) {
  return (await proxy.status()).start_check as { state: string; version: string | null; saw: string | null };
}

async function waitForState(proxy: TestProxy, state: string): Promise<void> {
  await waitUntil(`start_check is ${state}`, async () => (await checkOf(proxy)).state === state, {
    limitMs: 15_000,
    details: () => proxy.output(),
  });
}

async function history(proxy: TestProxy) {
  return (await proxy.admin("GET", "/history")).json().entries as Record<string, unknown>[];
}

const OUTCOMES: readonly (readonly [
  Policy,
  Partial<Record<"v1" | "v2", RequestListener>>,
  string,
  string,
])[] = [
  ["wait", { ...V1, ...V2 }, "passed", "v2"],
  ["wait", V2, "passed", "v2"],
  ["wait", {}, "no_other", "v2"],
  ["fail-over", { ...V1, ...V2 }, "passed", "v2"],
  ["fail-over", V2, "passed", "v2"],
  ["fail-over", {}, "no_other", "v2"],
  ["fail-over", V1, "failed_over", "v1"],
];
for (const [policy, living, state, serves] of OUTCOMES) {
  const alive = Object.keys(living).join(" and ") || "nothing";
  test(
    `${policy}: with v2 in the state and ${alive} alive the start is ${state} and ready on ${serves}`,
    limit,
    async (t) => {
      const { proxy } = await startScene(t, { policy, living });
      await proxy.waitReady();
      const status = await proxy.status();
      assert.deepEqual([status.current_version, status.ready], [serves, true]);
      const { saw, ...check } = await checkOf(proxy);
      assert.deepEqual(check, { state, version: "v2" });
      assert.match(String(saw), state === "passed" ? /^200$/ : /^cannot connect to .*ECONNREFUSED/);
      const reply = await request(proxy.port);
      assert.deepEqual([reply.status, reply.body === serves], serves in living ? [200, true] : [502, false]);
      assert.equal(status.epoch, state === "failed_over" ? 1 : 0);
    },
  );
}

test(
  "wait, the default: not ready but serving until the version of the state lives, with one warning",
  limit,
  async (t) => {
    const { proxy, raise } = await startScene(t, { living: V1 });
    await waitForState(proxy, "waiting");
    const reader = await readEvents(t, proxy.adminPort);
    const red = await proxy.admin("GET", "/readyz");
    assert.equal(red.status, 503);
    assert.match(
      red.body,
      /^not ready: v2 of the state does not answer, but v1 does; see GET \/status and switch\.start_policy\n$/,
    );
    assert.equal((await proxy.admin("GET", "/livez")).status, 200);
    assert.equal((await request(proxy.port)).json().code, "BACKEND_CONNECT_FAILED");
    assert.ok(!proxy.logs().some(({ msg }) => msg?.startsWith("ready")));
    const v2 = await raise("v2");
    await reader.waitFor("ready", ({ ready }) => ready === true, 10_000);
    assert.deepEqual(await checkOf(proxy), { state: "passed", version: "v2", saw: "200" });
    assert.equal((await proxy.admin("GET", "/readyz")).status, 200);
    assert.equal((await request(proxy.port)).body, "v2");
    assert.deepEqual([(await proxy.status()).epoch, await history(proxy)], [0, []]);
    const warned = proxy.logs().filter(({ msg }) => msg?.startsWith("not ready: the version of the state"));
    assert.deepEqual(
      warned.map(({ level, version, lives }) => [level, version, lives]),
      [["warn", "v2", "v1"]],
    );
    await proxy.waitForLog(({ msg }) => msg === "ready: every worker listens");
    assert.equal(v2.requests.filter(({ url }) => url === PROBE_PATH).length, 2, "one probe by each worker");
  },
);

test("wait: it is looked again about once a second, by one probe of each worker", limit, async (t) => {
  const seenMs: number[] = [];
  const { proxy } = await startScene(t, {
    workers: 1,
    living: {
      ...V1,
      v2: (_req, res) => {
        seenMs.push(performance.now());
        res.writeHead(503).end();
      },
    },
  });
  await waitUntil("v2 was looked at 4 times", () => seenMs.length >= 4, { limitMs: 20_000 });
  for (const [n, ms] of seenMs.slice(1).entries()) assert.ok(ms - (seenMs[n] ?? 0) >= 900, `${seenMs}`);
  assert.match((await proxy.admin("GET", "/readyz")).body, /v2 of the state does not answer, but/);
});

test("wait: it is ready when the other version dies too", limit, async (t) => {
  let isV1Well = true;
  const v1: RequestListener = (_req, res) => res.writeHead(isV1Well ? 200 : 503).end();
  const { proxy } = await startScene(t, { living: { v1 } });
  await waitForState(proxy, "waiting");
  isV1Well = false;
  await proxy.waitReady();
  assert.equal((await checkOf(proxy)).state, "no_other");
});

test("wait: a switch ends the waiting at once, forced or not", limit, async (t) => {
  for (const body of [{ version: "v1" }, { version: "v1", force: true, reason: "I know" }]) {
    const { proxy } = await startScene(t, { living: V1 });
    await waitForState(proxy, "waiting");
    const reply = await proxy.admin("POST", "/switch", { body, limitMs: 20_000 });
    assert.equal(reply.status, 200, reply.body);
    assert.equal((await proxy.admin("GET", "/readyz")).status, 200);
    assert.deepEqual((await checkOf(proxy)).state, "switched");
    assert.equal((await request(proxy.port)).body, "v1");
  }
});

test("wait: a refused switch and a dry run do not end the waiting; a rollback does", limit, async (t) => {
  const { proxy, raise } = await startScene(t, { state: null, living: V1 });
  await proxy.waitReady();
  const v2 = await raise("v2");
  await proxy.switchTo("v2");
  await v2.close();
  await proxy.stop();
  proxy.start();
  await waitForState(proxy, "waiting");
  const refused = await proxy.admin("POST", "/switch", { body: { version: "v1", expect: { epoch: 9 } } });
  assert.equal(refused.status, 412, refused.body);
  assert.equal(
    (await proxy.admin("POST", "/switch", { body: { version: "v1", dry_run: true } })).status,
    200,
  );
  assert.equal((await proxy.admin("GET", "/readyz")).status, 503);
  const back = await proxy.admin("POST", "/rollback", { body: {}, limitMs: 20_000 });
  assert.equal(back.status, 200, back.body);
  assert.equal((await proxy.admin("GET", "/readyz")).status, 200);
  assert.equal((await checkOf(proxy)).state, "switched");
});

test(
  "fail-over is a switch of the daemon's own: in the history, kept over a restart, and undone by a rollback",
  limit,
  async (t) => {
    const { proxy, raise } = await startScene(t, {
      policy: "fail-over",
      state: null,
      living: V1,
      switching: { min_interval: "10m" },
    });
    await proxy.waitReady();
    const v2 = await raise("v2");
    await proxy.switchTo("v2");
    await v2.close();
    await proxy.kill();
    await proxy.allGone();
    proxy.start();
    await proxy.waitReady();

    const [entry] = await history(proxy);
    const { epoch, from, to, trigger, forced, actor, reason } = entry ?? {};
    assert.deepEqual(
      [epoch, from, to, trigger, forced, actor],
      [2, "v2", "v1", "fail-over", false, "daemon"],
    );
    assert.match(String(reason), /^v2 did not answer at start: cannot connect to .*ECONNREFUSED/);
    const status = await proxy.status();
    assert.ok(status.cooldown_remaining_seconds > 590, "it starts the cool-down");
    assert.deepEqual([status.rollback_to, status.epoch], ["v2", 2]);
    assert.equal((await proxy.admin("POST", "/switch", { body: { version: "v2" } })).status, 429);
    const metrics = (await proxy.admin("GET", "/metrics")).body;
    assert.match(metrics, /switches_total\{from="v2",to="v1",outcome="done",trigger="fail-over"\} 1\n/);

    await proxy.restart("SIGKILL");
    assert.deepEqual(await checkOf(proxy), { state: "passed", version: "v1", saw: "200" });
    assert.equal((await proxy.status()).epoch, 2);
    const rollback = () => proxy.admin("POST", "/rollback", { body: {}, limitMs: 20_000 });
    assert.equal((await rollback()).status, 422, "v2 is still dead");
    await raise("v2");
    const back = await rollback();
    assert.equal(back.status, 200, back.body);
    assert.equal((await request(proxy.port)).body, "v2");
  },
);

test(
  "fail-over: one that the gate refuses leaves everything as it was, and the daemon waits",
  limit,
  async (t) => {
    let probes = 0;
    const flaky: RequestListener = (_req, res) => {
      probes++;
      // Two looks, then the gate: its first probe is good, its second is not.
      res.writeHead(probes === 4 ? 500 : 200).end();
    };
    const { proxy, raise } = await startScene(t, {
      policy: "fail-over",
      workers: 1,
      living: { v1: flaky },
      switching: { probe: { path: PROBE_PATH, successes: 3 } },
    });
    await proxy.waitForLog(({ msg }) => msg === "switch refused", 15_000);
    await waitUntil("it looks on", () => probes >= 6, { limitMs: 10_000 });
    assert.equal((await checkOf(proxy)).state, "waiting");
    assert.equal((await proxy.admin("GET", "/readyz")).status, 503);
    assert.deepEqual([(await proxy.status()).current_version, await history(proxy)], ["v2", []]);
    await raise("v2");
    await proxy.waitReady();
    assert.equal((await checkOf(proxy)).state, "passed");
  },
);

for (const policy of ["wait", "fail-over"] as const) {
  test(`${policy}: without state nothing is probed, and a dead active version is ready`, limit, async (t) => {
    const { proxy, raise } = await startScene(t, { policy, state: null });
    const v2 = await raise("v2");
    await proxy.waitReady();
    assert.deepEqual(await checkOf(proxy), { state: "not_needed", version: null, saw: null });
    assert.deepEqual([(await proxy.status()).current_version, v2.requests.length], ["v1", 0]);
  });
}

test("a probe that hangs delays neither the traffic nor the end of the daemon", limit, async (t) => {
  const { proxy } = await startScene(t, {
    living: { ...V1, v2: (req, res) => void (req.url === PROBE_PATH || res.end("v2")) },
    switching: { probe: { path: PROBE_PATH, timeout: "40s" }, prepare_timeout: "50s" },
  });
  const served = await waitUntil("traffic is served", () => request(proxy.port), { limitMs: 15_000 });
  assert.equal(served.body, "v2");
  await waitUntil("every worker listens and v2 is being probed", async () => {
    const { status, body } = await proxy.admin("GET", "/readyz");
    return status === 503 && body.includes("v2 of the state has not been probed yet");
  });
  assert.equal((await checkOf(proxy)).state, "checking");
  const startedMs = performance.now();
  assert.deepEqual(await proxy.stop(), { code: 0, signal: null });
  assert.ok(performance.now() - startedMs < 10_000);
});
