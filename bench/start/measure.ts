/** One life of the daemon for the bench of the start: started, ready, a worker killed and replaced, stopped. */
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../test/support/free-port.ts";
import { withLimit } from "../../test/support/wait.ts";
import { type RunningProcess, startProcess } from "../process.ts";
import { cpuUsage } from "../process-usage.ts";
import { firstGood, openIdle } from "./ask.ts";

export const WORKERS = 2;
export const IDLE_CONNECTIONS = 8;
const LIMIT_MS = 15_000;

/** What is started, and how. */
export interface Subject {
  readonly name: string;
  /** The compiled `main.js`. */
  readonly entry: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface Life {
  readonly subject: string;
  /** From the spawn to the first 200 of the traffic port: one worker listens. */
  readonly answeredMs: number;
  /** From the spawn to the first 200 of `/readyz`: all listen. */
  readonly readyMs: number;
  /** Of all processes, until it is ready. In steps of 10 ms for each of them. */
  readonly readyCpuMs: number;
  /** From `kill -9` of a worker until its replacement says that it listens. */
  readonly respawnMs: number;
  /** From SIGTERM, with idle kept-alive connections open, until it has ended. */
  readonly stopMs: number;
}

export async function measureLife({ name, entry, env }: Subject, backendPort: number): Promise<Life> {
  const dir = await mkdtemp(join(tmpdir(), "traffic-switching-bench-"));
  const [port, adminPort] = [await freePort(), await freePort()];
  const file = await writeConfig(dir, { port, adminPort, backendPort });
  const startMs = performance.now();
  const daemon = startProcess({ command: process.execPath, args: [entry, "--config", file], env });
  try {
    const workers = watchWorkers(daemon);
    const [answeredAtMs, readyAtMs] = await Promise.all([
      firstGood(port, "/", daemon.isRunning),
      firstGood(adminPort, "/readyz", daemon.isRunning),
    ]);
    const { userMs, systemMs } = cpuUsage(daemon.pid);
    return {
      subject: name,
      answeredMs: answeredAtMs - startMs,
      readyMs: readyAtMs - startMs,
      readyCpuMs: userMs + systemMs,
      respawnMs: await respawn(workers),
      stopMs: await stop(daemon, port),
    };
  } catch (cause) {
    throw new Error(`${name}: ${String(cause)}\n${daemon.output()}`, { cause });
  } finally {
    await daemon.stop();
    await rm(dir, { recursive: true });
  }
}

interface Workers {
  /** @returns the id of the process of the n-th worker that has said that it listens. */
  listening(n: number): Promise<number>;
}

function watchWorkers({ child }: RunningProcess): Workers {
  const pids: number[] = [];
  const waiting = new Set<() => void>();
  let text = "";
  child.stdout?.on("data", (more: string) => {
    const lines = (text + more).split("\n");
    text = lines.pop() ?? "";
    for (const line of lines.filter((each) => each.includes('"msg":"worker listens"'))) {
      pids.push((JSON.parse(line) as { worker_pid: number }).worker_pid);
    }
    for (const look of waiting) look();
  });
  return {
    listening: (n) => {
      const found = new Promise<number>((resolve) => {
        const look = (): void => {
          const pid = pids[n - 1];
          if (pid === undefined) return;
          waiting.delete(look);
          resolve(pid);
        };
        waiting.add(look);
        look();
      });
      return withLimit(found, LIMIT_MS, `${n} workers to listen`);
    },
  };
}

async function respawn(workers: Workers): Promise<number> {
  const pid = await workers.listening(1);
  await workers.listening(WORKERS);
  const killedAtMs = performance.now();
  process.kill(pid, "SIGKILL");
  await workers.listening(WORKERS + 1);
  return performance.now() - killedAtMs;
}

async function stop({ child }: RunningProcess, port: number): Promise<number> {
  const idle = await Promise.all(Array.from({ length: IDLE_CONNECTIONS }, () => openIdle(port)));
  const exited = once(child, "exit");
  const toldAtMs = performance.now();
  child.kill("SIGTERM");
  await withLimit(exited, LIMIT_MS, "the daemon to end");
  for (const socket of idle) socket.destroy();
  return performance.now() - toldAtMs;
}

async function writeConfig(
  dir: string,
  ports: { port: number; adminPort: number; backendPort: number },
): Promise<string> {
  const backend = `http://127.0.0.1:${ports.backendPort}`;
  const config = {
    server: { host: "127.0.0.1", port: ports.port, workers: WORKERS },
    backends: { v1: backend, v2: backend },
    active_version: "v1",
    admin: { port: ports.adminPort },
    state_dir: join(dir, "state"),
  };
  const file = join(dir, "config.yaml");
  await writeFile(file, JSON.stringify(config)); // YAML is a superset of JSON
  return file;
}
