/**
 * kill -9 at any moment: what was acknowledged is never forgotten, what serves was acknowledged or was about to
 * be, and the history stays one chain.
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { killLoop } from "../../soak/kill-loop.ts";
import { request } from "../../support/http-client.ts";
import { startLoad } from "../../support/load-driver.ts";
import { sayName, startPair } from "../../support/pair.ts";
import { waitUntil } from "../../support/wait.ts";

const CRASHES = 15;

const { proxy } = await startPair(
  { after },
  { workers: 2, config: { switch: { probe: { interval: "0s" } } } },
);

test(`after ${CRASHES} kill -9 of the primary in a loop of switches, each start serves what was acknowledged`, {
  timeout: 170_000,
}, async (t) => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const { figures } = await killLoop(t, { rounds: CRASHES, seed });
  t.diagnostic(`seed ${seed}: ${JSON.stringify(figures)}`);
  assert.ok(figures.acknowledged >= CRASHES / 3, `only ${figures.acknowledged} switches: nothing was tried`);
});

test("kill -9 of a worker between requests loses none and does not turn the version back", {
  timeout: 60_000,
}, async (t) => {
  const to = (await proxy.status()).current_version === "v1" ? "v2" : "v1";
  await proxy.switchTo(to);
  const { epoch } = await proxy.status();
  for (let turn = 0; turn < 2; turn++) {
    const pids = await proxy.workerPids();
    const [victim] = pids;
    assert.ok(victim);
    process.kill(victim, "SIGKILL");
    // New connections are served by the others, or wait in the queue: none is refused.
    const load = startLoad(t, proxy.port, { keptAlive: 0, short: 4 });
    await waitUntil(
      "the worker is replaced",
      async () => {
        const { workers } = await proxy.status();
        return (
          workers.length === pids.length &&
          workers.every(({ pid, state }) => pid !== victim && state === "listening")
        );
      },
      { limitMs: 20_000 },
    );
    await load.more(50);
    await load.stop();
    assert.deepEqual(load.failures(), []);
    assert.ok(load.results.every(({ body }) => body === to));
    const { workers } = await proxy.status();
    assert.ok(workers.every((worker) => worker.epoch === epoch));
  }
});

test("a worker that hangs at the commit is killed and replaced, and the switch is done everywhere", {
  timeout: 60_000,
}, async (t) => {
  const pair = await startPair(t, { workers: 2, config: { switch: { commit_timeout: "500ms" } } });
  const pids = await pair.proxy.workerPids();
  const [hung] = pids;
  assert.ok(hung);
  process.kill(hung, "SIGSTOP");
  // force: the gate would refuse already.
  const reply = await pair.proxy.admin("POST", "/switch", {
    body: { version: "v2", force: true, reason: "a worker hangs" },
    limitMs: 20_000,
  });
  assert.equal(reply.status, 200, reply.body);
  const outcomes = reply.json().workers as { pid: number; outcome: string }[];
  assert.equal(outcomes.find(({ pid }) => pid === hung)?.outcome, "replaced");
  for (let n = 0; n < 10; n++) assert.equal((await request(pair.proxy.port)).body, "v2");
  await waitUntil(
    "its replacement listens, at the new epoch",
    async () => {
      const { workers } = await pair.proxy.status();
      return (
        workers.length === 2 && workers.every(({ state, epoch }) => state === "listening" && epoch === 1)
      );
    },
    { limitMs: 20_000 },
  );
});

test("a worker that is killed during the gate refuses the switch, and nothing has changed", {
  timeout: 60_000,
}, async (t) => {
  const pair = await startPair(t, { workers: 2 });
  pair.behave.v2 = () => undefined;
  const seen = pair.v2.requestsSeen(2);
  const switching = pair.proxy.admin("POST", "/switch", { body: { version: "v2" }, limitMs: 20_000 });
  await seen;
  const [victim] = await pair.proxy.workerPids();
  assert.ok(victim);
  process.kill(victim, "SIGKILL");
  const reply = await switching;
  assert.equal(reply.status, 422, reply.body);
  const { epoch, current_version } = await pair.proxy.status();
  assert.deepEqual([epoch, current_version], [0, "v1"]);
  assert.equal((await request(pair.proxy.port)).body, "v1");
});

test("SIGTERM in the middle of a switch: the answer and the next start agree", {
  timeout: 60_000,
}, async (t) => {
  const { proxy, v2, behave } = await startPair(t, {
    workers: 2,
    config: { switch: { probe: { successes: 3, interval: "50ms" } } },
  });
  for (let turn = 0; turn < 2; turn++) {
    behave.v2 = turn === 0 ? () => undefined : sayName("v2"); // it hangs in the gate, or may still pass
    const { epoch } = await proxy.status();
    const seen = v2.requestSeen();
    const switching = proxy
      .admin("POST", "/switch", { body: { version: "v2" }, limitMs: 20_000 })
      .catch(() => null);
    await seen;
    const exit = await proxy.stop();
    assert.deepEqual(exit, { code: 0, signal: null });
    const reply = await switching;
    assert.ok(reply, "the caller got no answer");
    proxy.start();
    await proxy.waitReady();
    const after = await proxy.status();
    const expected = reply.status === 200 ? ["v2", epoch + 1] : ["v1", epoch];
    assert.deepEqual([after.current_version, after.epoch], expected, reply.body);
    assert.ok(reply.status === 200 || reply.status === 422 || reply.status === 503, reply.body);
  }
});
