/** A worker that is killed while switches follow one another: it takes its own connections with it, and nothing else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { request } from "../../support/http-client.ts";
import { startPair } from "../../support/pair.ts";
import { whilePaused } from "../../support/paused.ts";
import { isAlive } from "../../support/process-group.ts";
import type { TestProxy } from "../../support/proxy.ts";
import { openRaw, type RawClient } from "../../support/raw-client.ts";
import { waitUntil } from "../../support/wait.ts";

const GET = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const ROUNDS = 3;
const CONNECTIONS = 4;

/** Switches back and forth, every third time with a hold, until told to stop. */
function startSwitching(proxy: TestProxy) {
  const statuses: number[] = [];
  let isOver = false;
  const done = (async () => {
    for (let n = 0; !isOver; n++) {
      const version = (await proxy.status()).current_version === "v1" ? "v2" : "v1";
      const body = n % 3 === 0 ? { version, hold: "2s" } : { version };
      statuses.push((await proxy.admin("POST", "/switch", { body, limitMs: 20_000 })).status);
    }
  })();
  const stop = async (): Promise<number[]> => {
    isOver = true;
    await done;
    return statuses;
  };
  return { statuses, stop };
}

/** One request after the other on each, until told to stop. */
function startAsking(clients: readonly RawClient[]) {
  const answers: string[] = [];
  let isOver = false;
  const done = Promise.all(
    clients.map(async (client) => {
      while (!isOver) {
        const { status, text } = await client.send(GET).readResponse();
        answers.push(`${status} ${text}`);
      }
    }),
  );
  const stop = async (): Promise<string[]> => {
    isOver = true;
    await done;
    return answers;
  };
  return { answers, stop };
}

async function openOn(
  t: Parameters<typeof startPair>[0],
  proxy: TestProxy,
  pid: number,
): Promise<RawClient[]> {
  const others = (await proxy.workerPids()).filter((each) => each !== pid);
  return await whilePaused(others, async () => {
    const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => openRaw(proxy.port, { t })));
    for (const client of clients) assert.equal((await client.send(GET).readResponse()).status, 200);
    return clients;
  });
}

test("a worker killed between requests in a loop of switches: every request of the others, and every later one, is answered", {
  timeout: 90_000,
}, async (t) => {
  const { proxy } = await startPair(t, { workers: 2, config: { switch: { probe: { interval: "0s" } } } });
  for (let round = 0; round < ROUNDS; round++) {
    const pids = await proxy.workerPids();
    const [victim = 0, survivor = 0] = round % 2 === 0 ? pids : pids.toReversed();
    const idle = await openOn(t, proxy, victim);
    const asking = startAsking(await openOn(t, proxy, survivor));
    const switching = startSwitching(proxy);
    await waitUntil("switches run under requests", () => switching.statuses.length >= 3);
    process.kill(victim, "SIGKILL");
    for (const client of idle) await client.waitClosed();
    await waitUntil("the worker is gone", () => !isAlive(victim));
    const late: number[] = [];
    const isReplaced = async (): Promise<boolean> => {
      late.push((await request(proxy.port)).status);
      const { workers } = await proxy.status();
      return (
        workers.length === 2 && workers.every(({ pid, state }) => pid !== victim && state === "listening")
      );
    };
    await waitUntil("it is replaced", isReplaced, { limitMs: 15_000 });
    assert.ok(
      late.every((status) => status === 200),
      late.join(),
    );
    const count = switching.statuses.length;
    await waitUntil("switches go on", () => switching.statuses.length >= count + 3);
    const statuses = await switching.stop();
    const answers = await asking.stop();
    // A gate that lost a worker refuses: nothing has changed then.
    assert.deepEqual(
      statuses.filter((status) => status !== 200 && status !== 422),
      [],
    );
    assert.deepEqual(
      answers.filter((answer) => answer !== "200 v1" && answer !== "200 v2"),
      [],
    );
    assert.ok(answers.length > 20, `only ${answers.length} requests`);
    const { epoch, current_version, workers } = await proxy.status();
    assert.deepEqual(
      workers.map((worker) => worker.epoch),
      [epoch, epoch],
    );
    for (let n = 0; n < 10; n++) assert.equal((await request(proxy.port)).body, current_version);
  }
});
