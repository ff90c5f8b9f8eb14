/** The gate: a target that does not prove itself to every worker is refused, and then nothing has changed anywhere. */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { after, test } from "node:test";
import { freePort } from "../../support/free-port.ts";
import { type Reply, request } from "../../support/http-client.ts";
import { startLoad } from "../../support/load-driver.ts";
import { PROBE_PATH, probesOf, sayName, startPair } from "../../support/pair.ts";
import { processState } from "../../support/process-group.ts";
import { waitUntil } from "../../support/wait.ts";

const SUCCESSES = 2;
const PROBE_TIMEOUT_MS = 400;
const PREPARE_TIMEOUT_MS = 1_500;
/** What a busy machine may add to a time limit. */
const SLACK_MS = 2_000;

const deadPort = await freePort();
const { v1, v2, proxy, behave } = await startPair(
  { after },
  {
    workers: 2,
    config: {
      backends: { dead: `http://127.0.0.1:${deadPort}` },
      switch: {
        prepare_timeout: `${PREPARE_TIMEOUT_MS}ms`,
        probe: {
          successes: SUCCESSES,
          interval: "10ms",
          timeout: `${PROBE_TIMEOUT_MS}ms`,
          expect: "200-399",
        },
      },
    },
  },
);

interface Gate {
  readonly workers: readonly {
    readonly pid: number;
    readonly passed: boolean;
    readonly answered: boolean;
    readonly probes: readonly {
      readonly ok: boolean;
      readonly saw: string;
      readonly status: number | null;
    }[];
  }[];
}

const switchTo = (version: string, extra: object = {}): Promise<Reply> =>
  proxy.admin("POST", "/switch", { body: { version, ...extra }, limitMs: 20_000 });

/** Everything that a refusal must leave as it was. */
async function picture(): Promise<unknown> {
  const { current_version, current_backend, epoch, cooldown_remaining_seconds, workers, drain, rollback_to } =
    await proxy.status();
  const files = (await readdir(proxy.stateDir)).filter((name) => !name.startsWith(".lock-")).sort();
  const contents = await Promise.all(files.map((name) => readFile(join(proxy.stateDir, name), "utf8")));
  const history = (await proxy.admin("GET", "/history")).body;
  const served = new Set<string>();
  for (let n = 0; n < 8; n++) served.add((await request(proxy.port)).body);
  const state = { current_version, current_backend, epoch, cooldown_remaining_seconds, drain, rollback_to };
  return { ...state, workers, files, contents, history, served: [...served] };
}

async function assertRefused(version: string, saw: RegExp): Promise<Gate> {
  const before = await picture();
  const reply = await switchTo(version);
  assert.equal(reply.status, 422, reply.body);
  assert.match(String(reply.headers["content-type"]), /^application\/problem\+json/);
  const problem = reply.json();
  assert.equal(problem.success, false);
  assert.equal(problem.code, "GATE_REFUSED");
  assert.match(String(problem.message), saw);
  const gate = problem.gate as Gate;
  const sightings = gate.workers.flatMap(({ probes }) => probes).filter(({ ok }) => !ok);
  assert.ok(
    sightings.some((probe) => saw.test(probe.saw)),
    reply.body,
  );
  assert.deepEqual(await picture(), before, "something changed");
  return gate;
}

function badTarget(t: { after(fn: () => void): void }, respond: typeof behave.v2): void {
  behave.v2 = respond;
  t.after(() => {
    behave.v2 = sayName("v2");
  });
}

test("a target that is down is refused, with what the probes saw", { timeout: 20_000 }, async () => {
  const gate = await assertRefused("dead", /ECONNREFUSED/);
  assert.equal(gate.workers.length, 2);
  assert.deepEqual(
    gate.workers.map(({ pid }) => pid),
    await proxy.workerPids(),
  );
});

test("a target that answers 500 is refused", { timeout: 20_000 }, async (t) => {
  badTarget(t, (_req, res) => res.writeHead(500).end("no"));
  const gate = await assertRefused("v2", /^.*500.*$/);
  assert.ok(gate.workers.some(({ probes }) => probes.some(({ status }) => status === 500)));
});

test("a target that hangs is refused within the probe's time limit", { timeout: 20_000 }, async (t) => {
  badTarget(t, () => undefined);
  const beganAtMs = performance.now();
  const reply = await switchTo("v2");
  const tookMs = performance.now() - beganAtMs;
  assert.equal(reply.status, 422);
  assert.ok(tookMs >= PROBE_TIMEOUT_MS - 50 && tookMs < PROBE_TIMEOUT_MS + SLACK_MS, `took ${tookMs} ms`);
  await assertRefused("v2", /no answer within 400 ms/);
});

test("a target whose body does not end in time is refused", { timeout: 20_000 }, async (t) => {
  badTarget(t, (_req, res) => {
    res.writeHead(200);
    const timer = setInterval(() => res.write("."), 50);
    res.on("close", () => clearInterval(timer));
  });
  await assertRefused("v2", /200.*body.*400 ms/);
});

test("a target that breaks off in the middle of its answer is refused", { timeout: 20_000 }, async (t) => {
  badTarget(t, (req, res) => {
    res.writeHead(200, { "Content-Length": 100 });
    res.write("a part", () => req.socket.destroy());
  });
  await assertRefused("v2", /200, then|closed|reset|terminated|other side/i);
});

test("a target that is good only at first is refused", { timeout: 20_000 }, async (t) => {
  const before = probesOf(v2).length;
  badTarget(t, (req, res) => {
    if (probesOf(v2).length - before <= 2) sayName("v2")(req, res);
    else res.writeHead(503).end();
  });
  await assertRefused("v2", /503/);
});

test("a target that proves itself to one worker only is refused for both", { timeout: 20_000 }, async (t) => {
  v2.closeConnections();
  const before = probesOf(v2).length;
  const ofOthers: ServerResponse[] = [];
  badTarget(t, (req, res) => {
    const probes = probesOf(v2).slice(before);
    const firstPort = probes[0]?.remotePort;
    if (req.socket.remotePort !== firstPort) ofOthers.push(res);
    else {
      sayName("v2")(req, res);
      // The first worker has all its good probes: only now the other sees a bad one.
      const good = probes.filter(({ remotePort }) => remotePort === firstPort).length;
      if (good === SUCCESSES) setTimeout(() => ofOthers[0]?.writeHead(500).end(), 100);
    }
  });
  const gate = await assertRefused("v2", /500/);
  assert.deepEqual(gate.workers.map(({ passed }) => passed).sort(), [false, true]);
});

test("the message names what was seen, not that the other worker was told to stop", {
  timeout: 30_000,
}, async (t) => {
  let round: ServerResponse[] = [];
  badTarget(t, (_req, res) => {
    round.push(res);
    if (round.length === 2) res.writeHead(500).end(); // the first one is still waiting, and is told to stop
  });
  // Until it was the first worker of the list that was told to stop.
  await waitUntil(
    "the first worker was the one that waited",
    async () => {
      round = [];
      const reply = await switchTo("v2");
      assert.equal(reply.status, 422, reply.body);
      assert.match(String(reply.json().message), /500, expected 200-399/);
      const { workers } = reply.json().gate as Gate;
      return workers[0]?.probes[0]?.status === null;
    },
    { limitMs: 20_000 },
  );
});

test("a status that is not expected is refused, a redirect that is expected is not followed", {
  timeout: 20_000,
}, async (t) => {
  badTarget(t, (_req, res) => res.writeHead(404).end());
  await assertRefused("v2", /404/);
  badTarget(t, (_req, res) => res.writeHead(302, { Location: "/elsewhere" }).end());
  const reply = await switchTo("v2", { dry_run: true });
  assert.equal(reply.json().verdict, "would_switch", reply.body);
  assert.ok(v2.requests.every(({ url }) => url === PROBE_PATH));
});

test("a probe that is still waiting when prepare_timeout ends the gate refuses, and says for how long it saw nothing", {
  timeout: 30_000,
}, async (t) => {
  const pair = await startPair(t, {
    workers: 2,
    config: { switch: { prepare_timeout: "500ms", probe: { timeout: "10s" } } },
  });
  pair.behave.v2 = () => undefined;
  const beganAtMs = performance.now();
  const reply = await pair.proxy.admin("POST", "/switch", { body: { version: "v2" } });
  const tookMs = performance.now() - beganAtMs;
  assert.equal(reply.status, 422, reply.body);
  assert.ok(tookMs < 500 + SLACK_MS, `took ${tookMs} ms`);
  assert.match(String(reply.json().message), /no answer after \d+ ms/);
  const { workers } = reply.json().gate as Gate;
  assert.ok(workers.every(({ answered, passed, probes }) => answered && !passed && probes.length > 0));
});

test("a refused switch is not felt by the traffic", { timeout: 30_000 }, async (t) => {
  badTarget(t, (_req, res) => res.writeHead(500).end());
  const load = startLoad(t, proxy.port, { keptAlive: 2, short: 2 });
  await load.more(20);
  for (let n = 0; n < 5; n++) assert.equal((await switchTo(n % 2 ? "dead" : "v2")).status, 422);
  await load.more(20);
  await load.stop();
  assert.deepEqual(load.failures(), []);
  assert.ok(load.results.every(({ body }) => body === "v1"));
});

test("wait goes on probing until the target is good, then switches", { timeout: 30_000 }, async (t) => {
  badTarget(t, (_req, res) => res.writeHead(503).end());
  const before = probesOf(v2).length;
  const switching = switchTo("v2", { wait: "15s", dry_run: true });
  await v2.requestsSeen(v2.requests.length + 8);
  behave.v2 = sayName("v2");
  const reply = await switching;
  assert.equal(reply.json().verdict, "would_switch", reply.body);
  assert.ok(probesOf(v2).length - before >= 8);
});

test("wait has an end: a target that stays bad is refused after it", { timeout: 30_000 }, async () => {
  const beganAtMs = performance.now();
  const reply = await switchTo("dead", { wait: "600ms" });
  const tookMs = performance.now() - beganAtMs;
  assert.equal(reply.status, 422, reply.body);
  assert.ok(tookMs >= 550 && tookMs < 600 + PREPARE_TIMEOUT_MS + SLACK_MS, `took ${tookMs} ms`);
});

test("a worker that stands still refuses the switch within prepare_timeout, the others go on serving the old version", {
  timeout: 40_000,
}, async () => {
  const pids = await proxy.workerPids();
  const [stopped] = pids;
  assert.ok(stopped);
  const before = await proxy.status();
  process.kill(stopped, "SIGSTOP");
  try {
    await waitUntil("the worker stands still", () => processState(stopped) === "T");
    const beganAtMs = performance.now();
    const reply = await switchTo("v2");
    const tookMs = performance.now() - beganAtMs;
    assert.equal(reply.status, 422, reply.body);
    assert.ok(tookMs < PREPARE_TIMEOUT_MS + SLACK_MS, `took ${tookMs} ms`);
    const { workers } = reply.json().gate as Gate;
    assert.equal(workers.find(({ pid }) => pid === stopped)?.answered, false);
    for (let n = 0; n < 5; n++) assert.equal((await request(proxy.port)).body, "v1");
    assert.deepEqual((await proxy.status()).epoch, before.epoch);
    assert.equal((await proxy.status()).current_version, "v1");
  } finally {
    process.kill(stopped, "SIGCONT");
  }
  assert.deepEqual(await proxy.workerPids(), pids, "nobody was replaced");
});

test("after all these refusals a good target passes at epoch 1, and v1 was never touched by a probe", {
  timeout: 20_000,
}, async () => {
  await waitUntil("both workers answer", async () => {
    const reply = await switchTo("v2", { dry_run: true });
    return reply.json().verdict === "would_switch";
  });
  const { epoch } = await proxy.switchTo("v2");
  assert.equal(epoch, 1);
  assert.equal((await request(proxy.port)).body, "v2");
  assert.equal(probesOf(v1).length, 0);
  assert.match(await readFile(join(proxy.stateDir, ".version"), "utf8"), /^v2\n?$/);
});
