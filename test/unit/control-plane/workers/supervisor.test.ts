/** The supervisor with processes that say what a worker says, and a system that cannot start any. */
import assert from "node:assert/strict";
import cluster from "node:cluster";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Config } from "../../../../src/config/schema.ts";
import { Forks } from "../../../../src/control-plane/workers/forks.ts";
import { bindListeningSocket } from "../../../../src/control-plane/workers/listening-socket.ts";
import { Supervisor } from "../../../../src/control-plane/workers/supervisor.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import { createLogger } from "../../../../src/telemetry/logger.ts";
import { onTestEnd } from "../../../support/cleanup.ts";
import { tempDir } from "../../../support/temp-dir.ts";

const WORKER = `
process.on("message", ({ type }) => {
  if (type === "start") process.send({ type: "listening" });
  if (type === "stop") process.exit(0);
});
process.send({ type: "hello" });
`;

async function makeSupervisor(t: TestContext) {
  const exec = join(await tempDir(t), "worker.mjs");
  await writeFile(exec, WORKER);
  cluster.setupPrimary({ exec });
  const events: string[] = [];
  const server = { workers: 1, maxConnections: 10, maxConnectionsPerClient: 10 };
  const supervisor = new Supervisor({
    config: { server } as unknown as Config,
    socket: await bindListeningSocket("127.0.0.1", 0, 1_000),
    watcher: {
      workerBorn: () => ({ snapshot: { activeVersion: "v1", epoch: 0 }, holds: [] }),
      onWorker: ({ type }) => void events.push(type),
    },
    pools: () => ({ revision: 0, pools: [] }),
    clock: systemClock,
    log: createLogger({ level: "fatal", role: "primary" }),
    forks: new Forks(""),
    onAdminCall: async () => ({ status: 200, headers: {}, body: "" }),
    onListenFailed: () => {},
    onStartFailed: (message) => void events.push(message),
  });
  onTestEnd(t, () => supervisor.killAll());
  return { supervisor, events };
}

/** Until the test ends, or `allow` is called, no process can be started. */
function forbidForks(t: TestContext): { allow(): void } {
  const { execPath } = process;
  const allow = (): void => {
    process.execPath = execPath;
  };
  process.execPath = "/nonexistent";
  onTestEnd(t, allow);
  return { allow };
}

test("a worker that the system could not start is started later", { timeout: 20_000 }, async (t) => {
  const { supervisor, events } = await makeSupervisor(t);
  const forks = forbidForks(t);
  const started = supervisor.start();
  assert.deepEqual(supervisor.workers(), []);
  forks.allow();
  await started;
  assert.deepEqual(events, ["worker-listening"]);
  await supervisor.stop(1_000);
  assert.deepEqual(events, ["worker-listening", "worker-gone"]);
});

test("a stop does not wait for a worker that could not be started", { timeout: 20_000 }, async (t) => {
  const { supervisor } = await makeSupervisor(t);
  forbidForks(t);
  void supervisor.start();
  await supervisor.stop(100);
  assert.deepEqual(supervisor.workers(), []);
});
