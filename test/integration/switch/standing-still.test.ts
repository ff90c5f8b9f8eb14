/**
 * Processes that stand still (SIGSTOP) in the middle of a switch: the answer waits for the last worker, one that stays
 * still is replaced, and a primary that wakes up late does not take for silent whoever answered in time.
 */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type JsonObject, request } from "../../support/http-client.ts";
import { sayName, startPair, trafficOf } from "../../support/pair.ts";
import { whilePaused } from "../../support/paused.ts";
import { isAlive } from "../../support/process-group.ts";
import { openRaw, type RawClient } from "../../support/raw-client.ts";
import { waitUntil } from "../../support/wait.ts";

const limit = { timeout: 60_000 };
const GET = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
/** The gate would refuse a worker that stands still before it is told anything else. */
const FORCED = { force: true, reason: "a drill" };

const textOf = async (client: RawClient): Promise<string> => {
  const { status, text } = await client.readResponse();
  return status === 200 ? text : `${status} ${text}`;
};

/** Two workers, with a kept-alive connection to each; `late` is the one to be stopped. */
async function startScene(t: Parameters<typeof startPair>[0], timeouts: JsonObject) {
  const pair = await startPair(t, {
    workers: 2,
    config: { switch: timeouts },
  });
  const { proxy } = pair;
  const [quick = 0, late = 0] = await proxy.workerPids();
  const openOn = async (pid: number): Promise<RawClient> =>
    await whilePaused([pid === quick ? late : quick], async () => {
      const client = await openRaw(proxy.port, { t });
      assert.equal(await textOf(client.send(GET)), "v1");
      return client;
    });
  const onQuick = await openOn(quick);
  const onLate = await openOn(late);
  const inPhase = (phase: string): Promise<unknown> =>
    waitUntil(`the switch is in ${phase}`, async () => (await proxy.status()).phase === phase);
  return { ...pair, quick, late, onQuick, onLate, inPhase };
}

/** What became of each worker in the commit, by slot. */
const outcomesOf = (answer: JsonObject): string[] =>
  (answer.workers as { outcome: string }[]).map(({ outcome }) => outcome);

test(
  "a worker that stands still in the middle of its probes refuses the switch, and nobody has changed",
  limit,
  async (t) => {
    const scene = await startScene(t, { prepare_timeout: "1s" });
    const { proxy, v2, behave, quick, late, onQuick, onLate } = scene;
    const held: ServerResponse[] = [];
    behave.v2 = (_req, res) => void held.push(res);
    const probed = v2.requestsSeen(2);
    const switching = proxy.admin("POST", "/switch", { body: { version: "v2" } });
    await probed;
    await whilePaused([late], async () => {
      behave.v2 = sayName("v2");
      for (const res of held) res.end("v2");
      const reply = await switching;
      assert.equal(reply.status, 422, reply.body);
      assert.equal(await textOf(onQuick.send(GET)), "v1");
    });
    assert.equal(await textOf(onLate.send(GET)), "v1");
    const { workers, epoch } = await proxy.status();
    assert.deepEqual([epoch, ...workers.map(({ pid, epoch: of }) => [pid, of])], [0, [quick, 0], [late, 0]]);
  },
);

test("the answer waits until the last worker has changed over", limit, async (t) => {
  const { proxy, late, onQuick, onLate, inPhase } = await startScene(t, { commit_timeout: "30s" });
  let isAnswered = false;
  const { called } = await whilePaused([late], async () => {
    const switching = proxy.switchTo("v2", FORCED).finally(() => {
      isAnswered = true;
    });
    await inPhase("commit");
    assert.equal(await textOf(onQuick.send(GET)), "v2", "the quick worker has changed over");
    // One more round trip to the primary: an answer that did not wait would be here before it.
    assert.equal((await proxy.status()).phase, "commit");
    assert.equal(isAnswered, false);
    return { called: switching };
  });
  assert.deepEqual(outcomesOf(await called), ["applied", "applied"]);
  assert.equal(await textOf(onLate.send(GET)), "v2");
});

test(
  "a worker that stands still in a hold is replaced, and what waits elsewhere goes to the new version",
  limit,
  async (t) => {
    const { proxy, v1, late, onQuick, inPhase } = await startScene(t, { commit_timeout: "30s" });
    const before = trafficOf(v1).length;
    process.kill(late, "SIGSTOP");
    const switching = proxy.switchTo("v2", { ...FORCED, hold: "2s" });
    await inPhase("hold");
    assert.equal(await textOf(onQuick.send(GET)), "v2");
    await switching;
    assert.ok(!isAlive(late), "it is killed at half of the hold, not at the end of commit_timeout");
    assert.equal((await request(proxy.port)).body, "v2");
    assert.equal(trafficOf(v1).length, before, "nobody went back to the old version");
    await waitUntil("its replacement listens at the new epoch", async () => {
      const { workers } = await proxy.status();
      return (
        workers.length === 2 && workers.every(({ state, epoch }) => state === "listening" && epoch === 1)
      );
    });
  },
);

test(
  "a primary that stands still for longer than commit_timeout kills no worker that has answered",
  limit,
  async (t) => {
    const timeoutMs = 2_000;
    const scene = await startScene(t, { commit_timeout: `${timeoutMs}ms` });
    const { proxy, quick, late, onQuick, onLate, inPhase } = scene;
    const { called, seenAtMs } = await whilePaused([late], async () => {
      const switching = proxy.switchTo("v2", FORCED);
      await inPhase("commit");
      const seen = performance.now();
      process.kill(proxy.pid, "SIGSTOP");
      return { called: switching, seenAtMs: seen };
    });
    await whilePaused([proxy.pid], async () => {
      for (const client of [onQuick, onLate]) assert.equal(await textOf(client.send(GET)), "v2");
      await delay(timeoutMs - (performance.now() - seenAtMs)); // until the limit has certainly passed
    });
    assert.deepEqual(outcomesOf(await called), ["applied", "applied"]);
    assert.deepEqual(await proxy.workerPids(), [quick, late]);
    for (const client of [onQuick, onLate]) assert.equal(await textOf(client.send(GET)), "v2");
  },
);

test(
  "a primary that stands still for longer than a hold: all go on to the new version, none back, none is killed",
  limit,
  async (t) => {
    const scene = await startScene(t, { commit_timeout: "30s" });
    const { proxy, v1, quick, late, onQuick, onLate, inPhase } = scene;
    const before = trafficOf(v1).length;
    const { called } = await whilePaused([late], async () => {
      const switching = proxy.switchTo("v2", { ...FORCED, hold: "3s" });
      await inPhase("hold");
      process.kill(proxy.pid, "SIGSTOP");
      return { called: switching };
    });
    await whilePaused([proxy.pid], async () => {
      for (const client of [onQuick, onLate]) client.send(GET);
      for (const client of [onQuick, onLate]) assert.equal(await textOf(client), "v2");
    });
    assert.deepEqual(outcomesOf(await called), ["applied", "applied"]);
    assert.deepEqual(await proxy.workerPids(), [quick, late]);
    assert.equal(trafficOf(v1).length, before);
  },
);
