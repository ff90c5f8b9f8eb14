/**
 * How should workers accept? Four ways side by side, without the daemon: short connections, kept-alive
 * requests, how evenly 8 connections fall on 2 workers, and what is lost when workers are killed.
 *
 * `npm run bench:accept -- [--rounds N] [--only a,b]`. The load runs on the same cores. Loopback only; ends
 * everything it started.
 */
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { Agent, get, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { freePort } from "../test/support/free-port.ts";
import { removeDir } from "../test/support/temp-dir.ts";
import { waitUntil } from "../test/support/wait.ts";
import { isMode, MODES, type Mode } from "./accept/modes.ts";
import type { WorkersListen } from "./accept/server.ts";
import { type FailedConnection, startShortConnections } from "./accept/short-connections.ts";
import { environment } from "./environment.ts";
import { LoadClient } from "./load-client.ts";
import { programPath } from "./place.ts";
import { type RunningProcess, startProcess } from "./process.ts";
import { cpuUsage } from "./process-usage.ts";
import { alignColumns, withRange, writeReport } from "./report.ts";
import { shuffled, spreadOf } from "./statistics.ts";

const WORKERS = 2;
const CONNECTIONS = 64;
const MEASURED_MS = 2_000;
const WARM_UP_MS = 500;
const SPLIT_CONNECTIONS = 8;
const SPLITS = 20;
const KILLS_OF_ONE = 4;
const KILLS_OF_ALL = 2;
const BETWEEN_KILLS_MS = 250;
const WORKERS_LIMIT_MS = 10_000;

interface KillSample {
  readonly kills: number;
  readonly answered: number;
  /** Connections that had reached the killed worker: lost whatever the way to accept. */
  readonly inKilledWorker: number;
  /** The others, by how they ended. */
  readonly lost: Readonly<Record<FailedConnection["end"], number>>;
}

interface AcceptSample {
  readonly mode: Mode;
  readonly round: number;
  readonly shortPerSecond: number;
  /** Of the primary and all workers, for each connection. */
  readonly shortCpuUs: number;
  readonly shortFailed: number;
  readonly keptAlivePerSecond: number;
  readonly keptAliveCpuUs: number;
  readonly keptAliveP99Ms: number;
  /** The larger part of 8 connections, 4 to 8, once for each try. */
  readonly maxShares: readonly number[];
  readonly killOne: KillSample;
  readonly killAll: KillSample;
}

interface TestServer {
  readonly port: number;
  readonly process: RunningProcess;
  readonly notesDir: string;
  pids(): readonly number[];
}

async function withServer<T>(
  mode: Mode,
  hasNotes: boolean,
  use: (server: TestServer) => Promise<T>,
): Promise<T> {
  const port = await freePort();
  const notesDir = await mkdtemp(join(tmpdir(), "traffic-switching-accept-"));
  const args = [
    programPath("bench/accept/server"),
    mode,
    `${port}`,
    `${WORKERS}`,
    ...(hasNotes ? [notesDir] : []),
  ];
  const running = startProcess({ command: process.execPath, args }, { withIpc: true });
  let pids: readonly number[] = [];
  running.child.on("message", (message) => {
    pids = (message as WorkersListen).pids;
  });
  try {
    await waitUntil(`${mode} listens`, () => pids.length === WORKERS, {
      limitMs: WORKERS_LIMIT_MS,
      details: running.output,
    });
    return await use({ port, process: running, notesDir, pids: () => pids });
  } finally {
    await running.stop();
    await removeDir(notesDir);
  }
}

async function measureShort(
  port: number,
  pid: number,
): Promise<{ perSecond: number; cpuUs: number; failed: number }> {
  const warmUp = startShortConnections(port, CONNECTIONS);
  await delay(WARM_UP_MS);
  await warmUp.stop();
  const before = cpuUsage(pid);
  const load = startShortConnections(port, CONNECTIONS);
  await delay(MEASURED_MS);
  const { answered, seconds, failed } = await load.stop();
  const after = cpuUsage(pid);
  const cpuMs = after.userMs + after.systemMs - before.userMs - before.systemMs;
  return { perSecond: answered / seconds, cpuUs: (cpuMs * 1_000) / answered, failed: failed.length };
}

/** Opens 8 connections at once, as a load tool or a client's pool does, and asks each who serves it. */
async function measureSplit(port: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: SPLIT_CONNECTIONS });
  try {
    const pids = await Promise.all(Array.from({ length: SPLIT_CONNECTIONS }, () => askPid(port, agent)));
    const counts = Map.groupBy(pids, (pid) => pid);
    return Math.max(...[...counts.values()].map((served) => served.length));
  } finally {
    agent.destroy();
  }
}

async function askPid(port: number, agent: Agent): Promise<string> {
  const [response] = (await once(get({ port, host: "127.0.0.1", agent, timeout: 5_000 }), "response")) as [
    IncomingMessage,
  ];
  let body = "";
  for await (const chunk of response.setEncoding("utf8")) body += chunk;
  return body;
}

/** Kills workers under a load of short connections, again and again, each time when all are there. */
async function measureKills(mode: Mode, kills: number, howMany: number): Promise<KillSample> {
  return await withServer(mode, true, async (server) => {
    const load = startShortConnections(server.port, CONNECTIONS);
    const killed: number[] = [];
    for (let kill = 0; kill < kills; kill++) {
      await delay(BETWEEN_KILLS_MS);
      const victims = server.pids().slice(0, howMany);
      for (const pid of victims) process.kill(pid, "SIGKILL");
      killed.push(...victims);
      await waitUntil(
        "the killed workers are replaced",
        () => victims.every((pid) => !server.pids().includes(pid)),
        {
          limitMs: WORKERS_LIMIT_MS,
        },
      );
    }
    await delay(BETWEEN_KILLS_MS);
    const { answered, failed } = await load.stop();
    const reached = new Set(killed.flatMap((pid) => notesOf(server.notesDir, pid)));
    const inKilledWorker = failed.filter(({ localPort }) => reached.has(localPort));
    const lost = { refused: 0, reset: 0, closed: 0, hung: 0 };
    for (const connection of failed) if (!reached.has(connection.localPort)) lost[connection.end]++;
    return { kills, answered, inKilledWorker: inKilledWorker.length, lost };
  });
}

function notesOf(dir: string, pid: number): number[] {
  const path = join(dir, `${pid}`);
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").map(Number) : [];
}

async function measure(mode: Mode, round: number, load: LoadClient): Promise<AcceptSample> {
  const calm = await withServer(mode, false, async ({ port, process: running }) => {
    const maxShares: number[] = [];
    for (let split = 0; split < SPLITS; split++) maxShares.push(await measureSplit(port));
    const short = await measureShort(port, running.pid);
    const keptAlive = await load.run({
      kind: "http",
      tool: "autocannon",
      port,
      path: "/",
      connections: CONNECTIONS,
      uploadBytes: 0,
      answerBytes: 1, // at least: it is a process id
      isClosing: false,
      warmUpMs: WARM_UP_MS,
      durationMs: MEASURED_MS,
      pid: running.pid,
    });
    return {
      maxShares,
      shortPerSecond: short.perSecond,
      shortCpuUs: short.cpuUs,
      shortFailed: short.failed,
      keptAlivePerSecond: keptAlive.units / keptAlive.seconds,
      keptAliveCpuUs: ((keptAlive.cpu.userMs + keptAlive.cpu.systemMs) * 1_000) / keptAlive.units,
      keptAliveP99Ms: keptAlive.latency?.p99Ms ?? Number.NaN,
    };
  });
  const killOne = await measureKills(mode, KILLS_OF_ONE, 1);
  const killAll = await measureKills(mode, KILLS_OF_ALL, WORKERS);
  return { mode, round, ...calm, killOne, killAll };
}

function formatTable(samples: readonly AcceptSample[]): string {
  const head = [
    "",
    "short conn/s",
    "CPU us/conn",
    "kept-alive req/s",
    "CPU us/req",
    "p99 ms",
    "8 conns: larger part 4/5/6/7/8",
    "lost, one killed",
    "lost, all killed",
  ];
  const rows = (Object.keys(MODES) as Mode[]).flatMap((mode) => {
    const own = samples.filter((sample) => sample.mode === mode);
    if (own.length === 0) return [];
    const shares = own.flatMap((sample) => sample.maxShares);
    return [
      [
        mode,
        withRange(spreadOf(own.map((sample) => sample.shortPerSecond)), 0),
        withRange(spreadOf(own.map((sample) => sample.shortCpuUs)), 0),
        withRange(spreadOf(own.map((sample) => sample.keptAlivePerSecond)), 0),
        withRange(spreadOf(own.map((sample) => sample.keptAliveCpuUs)), 0),
        withRange(spreadOf(own.map((sample) => sample.keptAliveP99Ms)), 1),
        [4, 5, 6, 7, 8].map((share) => shares.filter((s) => s === share).length).join("/"),
        describeKills(own.map((sample) => sample.killOne)),
        describeKills(own.map((sample) => sample.killAll)),
      ],
    ];
  });
  return alignColumns([head, ...rows]);
}

/** Sums over all rounds: `3 hung, 1 reset in 20 kills`. */
function describeKills(samples: readonly KillSample[]): string {
  const kills = samples.reduce((sum, sample) => sum + sample.kills, 0);
  const sums = (["refused", "reset", "closed", "hung"] as const).map((end) => {
    const count = samples.reduce((sum, sample) => sum + sample.lost[end], 0);
    return count > 0 ? `${count} ${end}` : "";
  });
  return `${sums.filter(Boolean).join(", ") || "0"} in ${kills}`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "5" },
      only: { type: "string", default: Object.keys(MODES).join(",") },
    },
  });
  const rounds = Number(values.rounds);
  const modes = values.only.split(",").filter(isMode);
  if (!(rounds >= 1) || modes.length === 0)
    throw new RangeError(`--rounds 1 or more; --only of ${Object.keys(MODES)}`);
  const load = new LoadClient(undefined);
  const samples: AcceptSample[] = [];
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const mode of shuffled(modes)) {
        const sample = await measure(mode, round, load);
        samples.push(sample);
        process.stderr.write(
          `round ${round}/${rounds}  ${mode.padEnd(14)} ${sample.shortPerSecond.toFixed(0).padStart(6)} short/s  ${sample.keptAlivePerSecond.toFixed(0).padStart(6)} req/s\n`,
        );
      }
    }
  } finally {
    await load.stop();
  }
  const env = environment();
  const path = await writeReport("accept-", env, {
    workers: WORKERS,
    connections: CONNECTIONS,
    modes: MODES,
    samples,
  });
  const lines = [
    `${WORKERS} workers, ${CONNECTIONS} connections, ${rounds} rounds: median (min..max)`,
    `${env.cpu}, ${env.cores} cores, Linux ${env.kernel}, Node ${env.node}`,
    "",
    formatTable(samples),
    "",
    "lost: connections that had not reached the killed worker's own code",
    `samples: ${path}`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`bench:accept: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
