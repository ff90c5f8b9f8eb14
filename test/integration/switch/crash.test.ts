/**
 * kill -9 at any moment: what was acknowledged is never forgotten, what serves was acknowledged or was about to
 * be, and the history stays one chain.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { request } from "../../support/http-client.ts";
import { startLoad } from "../../support/load-driver.ts";
import { sayName, startPair } from "../../support/pair.ts";
import { waitUntil } from "../../support/wait.ts";

const CRASHES = 15;

const { proxy } = await startPair(
  { after },
  { workers: 2, config: { switch: { probe: { interval: "0s" } } } },
);

interface Entry {
  readonly epoch: number;
  readonly from: string;
  readonly to: string;
  readonly hash: string;
  readonly prev: string;
}

async function historyOnDisk(): Promise<Entry[]> {
  const text = await readFile(join(proxy.stateDir, ".history.jsonl"), "utf8");
  if (text === "") return []; // killed after the file was made, before its first line
  assert.ok(text.endsWith("\n"), "the last line is whole");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Entry);
}

function assertChain(entries: readonly Entry[]): void {
  for (const [i, entry] of entries.entries()) {
    assert.equal(entry.epoch, i + 1, "no epoch is skipped or used twice");
    assert.equal(entry.prev, entries[i - 1]?.hash ?? "");
    assert.equal(entry.from, entries[i - 1]?.to ?? "v1");
  }
}

test(`after ${CRASHES} kill -9 of the primary in a loop of switches, each start serves what was acknowledged`, {
  timeout: 170_000,
}, async () => {
  let epochBefore = 0;
  for (let crash = 0; crash < CRASHES; crash++) {
    /** The last answer that came, and the version that a call without an answer asked for. */
    let acknowledged = await proxy
      .status()
      .then(({ epoch, current_version }) => ({ epoch, version: current_version }));
    let asked: string | null = null;
    let isOver = false;
    const switching = (async () => {
      while (!isOver) {
        asked = acknowledged.version === "v1" ? "v2" : "v1";
        const reply = await proxy.admin("POST", "/switch", { body: { version: asked } }).catch(() => null);
        if (reply === null) return; // the answer was lost
        assert.equal(reply.status, 200, reply.body);
        acknowledged = { epoch: Number(reply.json().epoch), version: asked };
        asked = null;
      }
    })();
    // Any moment will do: the promise holds at every one of them.
    await delay(Math.random() * 60);
    await proxy.kill();
    isOver = true;
    await switching;
    await proxy.allGone(15_000);
    proxy.start();
    await proxy.waitReady();
    const { epoch, current_version: serving, state } = await proxy.status();
    const place = `crash ${crash}: ${JSON.stringify({ acknowledged, asked, epoch, serving })}`;
    assert.ok(epoch >= epochBefore && epoch >= acknowledged.epoch, place);
    if (epoch === acknowledged.epoch) assert.equal(serving, acknowledged.version, place);
    else {
      assert.equal(epoch, acknowledged.epoch + 1, place);
      assert.notEqual(asked, null, place);
      assert.equal(serving, asked, place);
    }
    assert.equal((await request(proxy.port)).body, serving, place);
    assert.equal((state as { damaged: boolean }).damaged, false, place);
    const history = await historyOnDisk().catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" && epoch === 0) return [];
      throw error;
    });
    assert.equal(history.length, epoch, place);
    assertChain(history);
    epochBefore = epoch;
  }
  assert.ok(epochBefore >= CRASHES / 3, `only ${epochBefore} switches: nothing was tried`);
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
