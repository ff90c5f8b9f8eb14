/** A worker that stands still (SIGSTOP): each phase of a switch has its limit, and none of them is left half way. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { JsonObject, Reply } from "../../support/http-client.ts";
import { startPair } from "../../support/pair.ts";
import { whilePaused } from "../../support/paused.ts";
import type { TestProxy } from "../../support/proxy.ts";
import { openRaw, type RawClient } from "../../support/raw-client.ts";
import { waitUntil } from "../../support/wait.ts";

const LIMIT = { timeout: 60_000 };
const GET = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const PREPARE_MS = 900;
const COMMIT_MS = 700;
/** A busy machine answers late; that it answers before other limits is what counts. */
const SLACK_MS = 8_000;
const CONFIG = {
  switch: {
    min_interval: "0s",
    prepare_timeout: `${PREPARE_MS}ms`,
    commit_timeout: `${COMMIT_MS}ms`,
  },
};

interface Scene {
  readonly proxy: TestProxy;
  readonly stopped: number;
  readonly quick: number;
  /** A connection to each. */
  readonly onStopped: RawClient;
  readonly onQuick: RawClient;
}

async function startScene(t: TestContext): Promise<Scene> {
  const { proxy } = await startPair(t, { workers: 2, config: CONFIG });
  const [stopped, quick] = await proxy.workerPids();
  assert.ok(stopped !== undefined && quick !== undefined);
  const openBeside = (other: number): Promise<RawClient> =>
    whilePaused([other], async () => {
      const client = await openRaw(proxy.port, { t });
      assert.equal(await textOf(client.send(GET)), "v1");
      return client;
    });
  return { proxy, stopped, quick, onStopped: await openBeside(quick), onQuick: await openBeside(stopped) };
}

async function textOf(client: RawClient): Promise<string> {
  const { status, text } = await client.readResponse();
  return status === 200 ? text : `${status} ${text}`;
}

interface Called {
  readonly reply: Reply;
  readonly tookMs: number;
}

async function call(proxy: TestProxy, body: JsonObject): Promise<Called> {
  const beganMs = performance.now();
  const reply = await proxy.admin("POST", "/switch", {
    body: { version: "v2", ...body },
    limitMs: 30_000,
  });
  return { reply, tookMs: performance.now() - beganMs };
}

function assertTook(tookMs: number, limitMs: number): void {
  // A gate ends a moment before its limit, so that its answer comes within it.
  assert.ok(tookMs >= 0.9 * limitMs && tookMs < limitMs + SLACK_MS, `${tookMs} ms, limit ${limitMs} ms`);
}

for (const [name, extra] of [
  ["without hold", {}],
  ["with hold", { hold: "20s" }],
] as const) {
  test(
    `stopped in prepare, ${name}: refused at prepare_timeout, nobody has changed, nobody is replaced`,
    LIMIT,
    async (t) => {
      const { proxy, stopped, quick, onStopped, onQuick } = await startScene(t);
      await whilePaused([stopped], async () => {
        const { reply, tookMs } = await call(proxy, extra);
        assert.equal(reply.status, 422, reply.body);
        assert.equal(reply.json().code, "GATE_REFUSED");
        assertTook(tookMs, PREPARE_MS);
        t.diagnostic(`refused after ${tookMs.toFixed(0)} ms; the limit is ${PREPARE_MS} ms`);
        assert.equal(await textOf(onQuick.send(GET)), "v1");
      });
      assert.equal(await textOf(onStopped.send(GET)), "v1");
      const { current_version, epoch, workers } = await proxy.status();
      assert.deepEqual([current_version, epoch], ["v1", 0]);
      assert.deepEqual(
        workers.map((worker) => [worker.pid, worker.epoch]),
        [
          [stopped, 0],
          [quick, 0],
        ],
      );
    },
  );

  test(
    `stopped when the commit comes, ${name}: killed at its limit, replaced, and the switch is done`,
    LIMIT,
    async (t) => {
      const { proxy, stopped, quick, onStopped, onQuick } = await startScene(t);
      await whilePaused([stopped], async () => {
        onStopped.send(GET); // waits in its kernel for the worker that will never read it
        // force: the gate would refuse already.
        const { reply, tookMs } = await call(proxy, { force: true, reason: "one stands still", ...extra });
        assert.equal(reply.status, 200, reply.body);
        assertTook(tookMs, COMMIT_MS);
        t.diagnostic(`answered after ${tookMs.toFixed(0)} ms; the limit is ${COMMIT_MS} ms`);
        assert.equal(await textOf(onQuick.send(GET)), "v2");
      });
      await assert.rejects(onStopped.readResponse(), "it is dead: it can never answer for the old version");
      await waitUntil("another has taken its place", async () => {
        const { workers } = await proxy.status();
        return (
          workers.length === 2 && workers.every(({ state, epoch }) => state === "listening" && epoch === 1)
        );
      });
      const pids = await proxy.workerPids();
      assert.ok(pids.includes(quick) && !pids.includes(stopped));
    },
  );
}
