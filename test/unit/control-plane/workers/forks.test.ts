/** Promises of the processes that are started ahead: used once, known to be there, never left behind. */
import assert from "node:assert/strict";
import cluster from "node:cluster";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Forks } from "../../../../src/control-plane/workers/forks.ts";
import { onTestEnd } from "../../../support/cleanup.ts";
import { isAlive } from "../../../support/process-group.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { waitUntil } from "../../../support/wait.ts";

const limit = { timeout: 20_000 };
const WORKER = `
process.send({ type: "hello", token: process.env.ADMIN_TOKEN ?? null });
process.on("message", () => {});
`;

async function makeForks(t: TestContext): Promise<Forks> {
  const exec = join(await tempDir(t), "worker.mjs");
  await writeFile(exec, WORKER);
  const forks = new Forks("");
  cluster.setupPrimary({ exec, silent: true });
  onTestEnd(t, async () => {
    for (const pid of livePids()) process.kill(pid, "SIGKILL");
    await waitUntil("every process is gone", () => livePids().length === 0);
  });
  return forks;
}

/** The ids of the processes that were started and live. */
function livePids(): number[] {
  return Object.values(cluster.workers ?? {}).flatMap((worker) => worker?.process.pid ?? []);
}

test("what is started ahead is used first, and its hello is not lost", limit, async (t) => {
  const forks = await makeForks(t);
  forks.startAhead(1);
  const [pid] = livePids();
  const [first] = Object.values(cluster.workers ?? {});
  if (first !== undefined) await once(first, "message");
  const fork = forks.next();
  assert.deepEqual([fork.worker.process.pid, fork.hasSaidHello], [pid, true]);
  const another = forks.next();
  assert.notEqual(another.worker.process.pid, pid);
  assert.equal(another.hasSaidHello, false);
});

test("one that died before it was used is left out", limit, async (t) => {
  const forks = await makeForks(t);
  forks.startAhead(1);
  const [pid = 0] = livePids();
  process.kill(pid, "SIGKILL");
  await waitUntil("it is gone", () => livePids().length === 0);
  assert.notEqual(forks.next().worker.process.pid, pid);
});

test("those that nobody took are killed", limit, async (t) => {
  const forks = await makeForks(t);
  forks.startAhead(2);
  const taken = forks.next().worker.process.pid ?? 0;
  const [left = 0] = livePids().filter((pid) => pid !== taken);
  forks.killAll();
  await waitUntil("the other is gone", () => !isAlive(left));
  assert.ok(isAlive(taken));
});

test("a system that has no room for a process is no error ahead of its time", limit, async (t) => {
  const forks = await makeForks(t);
  const { execPath } = process;
  process.execPath = "/nonexistent";
  onTestEnd(t, () => {
    process.execPath = execPath;
  });
  forks.startAhead(2);
  process.execPath = execPath;
  assert.equal(typeof forks.next().worker.process.pid, "number");
});

test("the token of the admin API is in no worker's environment", limit, async (t) => {
  process.env.ADMIN_TOKEN = "s3cret";
  onTestEnd(t, () => {
    delete process.env.ADMIN_TOKEN;
  });
  const forks = await makeForks(t);
  forks.startAhead(1);
  const workers = [forks.next().worker, forks.next().worker];
  for (const [message] of await Promise.all(workers.map((worker) => once(worker, "message")))) {
    assert.deepEqual(message, { type: "hello", token: null });
  }
});
