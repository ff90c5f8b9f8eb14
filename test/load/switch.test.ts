/**
 * Many switches under load: none loses a request, none starts on the old version after the answer, and with hold
 * nobody sees the new version and then the old one. How long all this takes is for `npm run bench:switch` to say.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { onTestEnd, type TestEnd } from "../support/cleanup.ts";
import type { JsonObject } from "../support/http-client.ts";
import { whilePaused } from "../support/paused.ts";
import { withLimit } from "../support/wait.ts";
import type { Judgement } from "./judgement.ts";
import { notZero } from "./metrics.ts";
import { SIZE } from "./size.ts";
import { CLIENTS, type MadeSwitch, type SwitchScene, startSwitchScene } from "./switch-scene.ts";

const { switches: SWITCHES } = SIZE;
const LIMIT = { timeout: 180_000 };
/** Requests between two switches, so that each connection sees both versions. */
const BETWEEN = 10 * CLIENTS;
const JOLT_MS = 20;
const OWN_CONNECTIONS = 8;
const NONE = {
  failures: [],
  stale: [],
  turnedBackOnConnection: [],
};

/** Connections of this process, so that a request can follow the answer of a switch at once. */
async function openOwn(t: TestEnd, port: number): Promise<() => Promise<string[]>> {
  const sockets = Array.from({ length: OWN_CONNECTIONS }, () => connect({ port, host: "127.0.0.1" }));
  onTestEnd(t, () => {
    for (const socket of sockets) socket.destroy();
  });
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  return async () => {
    const answers = sockets.map(async (socket) => {
      const [bytes] = (await once(socket, "data")) as [Buffer];
      return bytes.toString("latin1").slice(-2);
    });
    for (const socket of sockets) socket.write("GET / HTTP/1.1\r\nHost: own.test\r\n\r\n");
    return await withLimit(Promise.all(answers), 10_000, "answers to our own requests");
  };
}

/**
 * Lets one worker after the other stand still for a moment as long as `work` lasts, as on a machine that has too much
 * to do: a quiet one brings all of them to the same point at the same time.
 */
async function whileJolted<T>(pids: readonly number[], work: () => Promise<T>): Promise<T> {
  let isOver = false;
  const working = work().finally(() => {
    isOver = true;
  });
  for (let turn = Math.floor(Math.random() * pids.length); !isOver; turn++) {
    const pid = pids[turn % pids.length] ?? 0;
    await whilePaused([pid], () => delay(JOLT_MS * Math.random()));
    await delay(1);
  }
  return await working;
}

/** Switches to and fro under load. */
async function switchMany(t: TestEnd, scene: SwitchScene, extra: JsonObject): Promise<Judgement> {
  const { proxy, clients } = scene;
  const pids = await proxy.workerPids();
  const askAll = await openOwn(t, proxy.port);
  await clients.begin(0);
  const switches: MadeSwitch[] = [];
  for (let n = 0; n < SWITCHES; n++) {
    await clients.more(BETWEEN);
    const made = await whileJolted(pids, () => scene.switchOver(extra));
    const answers = await askAll(); // sent before anything else can happen in this process
    assert.deepEqual(answers, Array(OWN_CONNECTIONS).fill(made.to), `after switch ${n + 1}`);
    switches.push(made);
  }
  await clients.more(BETWEEN);
  await clients.stop();
  return await clients.judge({ switches, windows: [] });
}

for (const [name, extra] of [
  ["without hold", {}],
  ["with hold", { hold: "2s" }],
] as const) {
  test(
    `${SWITCHES} switches under ${CLIENTS} connections, ${name}: no request fails, none starts on the old version after the answer`,
    LIMIT,
    async (t) => {
      const scene = await startSwitchScene(t);
      const pids = await scene.proxy.workerPids();
      const seen = await switchMany(t, scene, extra);
      const { failures, stale, turnedBackOnConnection, turnedBackAnywhere } = seen;
      assert.deepEqual({ failures, stale, turnedBackOnConnection }, NONE);
      if ("hold" in extra)
        assert.deepEqual(turnedBackAnywhere, [], "nobody sees the new version, then the old");
      assert.ok(seen.leastSentAfterAnswer > 0, "after each switch there were requests to judge");
      assert.deepEqual(await notZero(scene.proxy, ["upstream_errors_total", "http_refusals_total"]), []);
      assert.deepEqual(await scene.proxy.workerPids(), pids, "no worker was replaced");
      t.diagnostic(`${seen.requests} requests, ${seen.sentAfterAnswer} of them sent after an answer`);
    },
  );
}

test("rollbacks under load make no new connection to the version they go back to", LIMIT, async (t) => {
  const scene = await startSwitchScene(t);
  const { clients } = scene;
  await clients.begin(0);
  await clients.more(BETWEEN);
  const made: MadeSwitch[] = [];
  const handshakes: number[] = [];
  for (let n = 0; n < SWITCHES / 4; n++) {
    made.push(await scene.switchOver());
    await clients.more(BETWEEN);
    const before = await scene.connectionsOf("v1");
    made.push(await scene.rollBack());
    await clients.more(BETWEEN);
    handshakes.push((await scene.connectionsOf("v1")) - before);
  }
  await clients.stop();
  const { failures, stale, turnedBackOnConnection } = await clients.judge({ switches: made, windows: [] });
  assert.deepEqual({ failures, stale, turnedBackOnConnection }, NONE);
  assert.deepEqual(handshakes, Array(handshakes.length).fill(0));
});
