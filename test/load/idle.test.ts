/** Many clients that keep their connections and say nothing: none is lost, and each costs little memory. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { residentBytes } from "../support/memory.ts";
import { waitUntil } from "../support/wait.ts";
import { type Child, startChild } from "./child.ts";
import { startFastPair } from "./fast-pair.ts";
import type { Asked } from "./idle-clients-child.ts";
import { figures } from "./metrics.ts";
import { needConnections, openFiles } from "./open-files.ts";
import { SIZE } from "./size.ts";

/** Each from a loopback address of its own, so that no one address runs out of ports. */
const CLIENT_PROCESSES = 4;
const COUNT = SIZE.idleConnections;
const EACH = COUNT / CLIENT_PROCESSES;
const LIMIT_MS = 60_000;
/** Room for the connections of the warm-up and of the measure itself. */
const MAX_BYTES_EACH = 16 * 1024;

needConnections(COUNT); // one worker may have to hold all of them
// Longer than everything here takes: it is the clients that decide when to go.
const proxy = await startFastPair({ after }, { server: { keep_alive_timeout: "10m" } });

type Clients = Child<object, Asked>;

async function ask(clients: readonly Clients[]): Promise<Asked> {
  const replies = await Promise.all(clients.map((each) => each.ask({}, LIMIT_MS)));
  const answered = replies.reduce((total, reply) => total + reply.answered, 0);
  return { answered, faults: replies.flatMap(({ faults }) => faults) };
}

async function openConnections(): Promise<number | undefined> {
  return (await figures(proxy, "client_connections"))[0]?.value;
}

test(`${COUNT} idle keep-alive connections are held at once, and each is answered before and after`, {
  timeout: 4 * LIMIT_MS,
}, async (t) => {
  const start = (i: number, count: number): Promise<Clients> =>
    startChild(t, "idle-clients-child", [proxy.port, `127.0.0.${2 + i}`, count]);
  // What the first connections make grow once is not theirs.
  const few = await start(CLIENT_PROCESSES, 200);
  for (let round = 0; round < 20; round++) await few.ask({}, LIMIT_MS);
  few.process.kill("SIGKILL");
  await waitUntil("they have left", async () => (await openConnections()) === 0);
  const pids = await proxy.workerPids();
  const before = pids.map((pid) => ({ bytes: residentBytes(pid), files: openFiles(pid) }));

  const clients = await Promise.all(Array.from({ length: CLIENT_PROCESSES }, (_none, i) => start(i, EACH)));
  assert.deepEqual(await ask(clients), { answered: COUNT, faults: [] }, "before they idle");
  await delay(SIZE.idleMs);
  assert.equal(await openConnections(), COUNT);
  const held = pids.map((pid, i) => openFiles(pid) - (before[i]?.files ?? 0));
  const grown = pids.map((pid, i) => residentBytes(pid) - (before[i]?.bytes ?? 0));
  assert.deepEqual(await ask(clients), { answered: COUNT, faults: [] }, "after they idled");
  assert.equal(await openConnections(), COUNT, "none was lost");
  assert.deepEqual(await proxy.workerPids(), pids, "no worker was replaced");

  const bytesEach = grown.reduce((total, bytes) => total + bytes, 0) / COUNT;
  const split = pids.map((_pid, i) => `${held[i]} with ${((grown[i] ?? 0) / 2 ** 20).toFixed(1)} MiB`);
  t.diagnostic(`${bytesEach.toFixed(0)} bytes of memory for each of ${COUNT} idle connections`);
  t.diagnostic(`descriptors and memory that the workers took for them: ${split.join(", ")}`);
  assert.ok(bytesEach < MAX_BYTES_EACH, `${bytesEach} bytes for each connection`);

  for (const each of clients) each.process.kill("SIGKILL");
  await waitUntil("the daemon has let go of them", async () => (await openConnections()) === 0);
});
