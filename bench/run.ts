/**
 * The bench: the daemon with one worker beside other proxies doing the same job on the same machine in the
 * same minutes. Check the answers > warm up > interleave > report.
 *
 * Backend, contender and load driver are processes of their own; the contender has a core to itself where
 * taskset can see to that. Loopback only; ends everything it started. `--help` tells the options.
 */
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../test/support/free-port.ts";
import { request } from "../test/support/http-client.ts";
import { removeDir } from "../test/support/temp-dir.ts";
import { assertSameAnswers } from "./answers.ts";
import type { Contender } from "./contenders/contender.ts";
import { daemonWithSemiSpace } from "./contenders/daemon.ts";
import { CONTENDERS } from "./contenders/registry.ts";
import { environment } from "./environment.ts";
import type { LoadSample } from "./load.ts";
import { LoadClient } from "./load-client.ts";
import { type Options, parseOptions, USAGE } from "./options.ts";
import { programPath } from "./place.ts";
import {
  type Command,
  type Cores,
  findOnPath,
  planCores,
  type RunningProcess,
  startProcess,
  waitUntilReady,
} from "./process.ts";
import { memoryUsage } from "./process-usage.ts";
import { checkClaim, formatTable, type Sample, summarize, writeReport } from "./report.ts";
import { shuffled } from "./statistics.ts";

/** Once for each contender before the rounds, so that nobody is measured while still being compiled. */
const FIRST_WARM_UP_MS = 2_000;
/** Of the last minute, before anything of ours runs: above it somebody else uses the cores. */
const BUSY_LOAD_AVERAGE = 0.7;

interface Started {
  readonly contender: Contender;
  readonly port: number;
  readonly process: RunningProcess;
}

type Cleanup = (() => Promise<void>)[];

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Whom to measure, and why each of the others is left out. */
function chooseContenders({ only, reference, semiSpaces }: Options): {
  chosen: Contender[];
  leftOut: string[];
} {
  if (semiSpaces.length > 0) return { chosen: semiSpaces.map(daemonWithSemiSpace), leftOut: [] };
  const unknown = [...only, reference].filter(
    (name) => !CONTENDERS.some((contender) => contender.name === name),
  );
  if (unknown.length > 0) {
    const known = CONTENDERS.map((contender) => contender.name).join(", ");
    throw new RangeError(`no contender ${unknown.join(", ")}; there are ${known}`);
  }
  const asked = CONTENDERS.filter(({ name, isExtra }) =>
    only.length === 0 ? !isExtra : only.includes(name),
  );
  const isHere = (contender: Contender): boolean => contender.version() !== undefined;
  return {
    chosen: asked.filter(isHere),
    leftOut: asked.filter((contender) => !isHere(contender)).map(({ name }) => `${name}: not installed`),
  };
}

async function startServer(
  name: string,
  port: number,
  command: Command,
  core: number | undefined,
): Promise<RunningProcess> {
  const running = startProcess(command, { core });
  try {
    await waitUntilReady(name, running, async () => (await request(port, { limitMs: 1_000 })).status === 200);
  } catch (error) {
    await running.stop();
    throw error;
  }
  return running;
}

/** Removed at the latest when a signal ends us; the processes are killed then too (process-group.ts). */
async function tempDirOfOurs(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "traffic-switching-bench-"));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => rmSync(dir, { recursive: true, force: true }));
  }
  return dir;
}

async function startContender(
  contender: Contender,
  backendPort: number,
  cores: Cores,
  cleanup: Cleanup,
): Promise<Started> {
  progress(`starting ${contender.name} ${contender.version() ?? ""} (${contender.about})`);
  const dir = await tempDirOfOurs();
  cleanup.push(() => removeDir(dir));
  const port = await freePort();
  const command = await contender.prepare({ port, backendPort, dir });
  const running = await startServer(contender.name, port, command, cores.contender);
  cleanup.push(running.stop);
  contender.verify?.(running.pid);
  await assertSameAnswers(backendPort, contender.name, port);
  return { contender, port, process: running };
}

async function measure(started: Started, load: LoadClient, options: Options, round: number): Promise<Sample> {
  const { contender, port, process: running } = started;
  const loaded = await load
    .run({
      driver: options.driver,
      url: `http://127.0.0.1:${port}/`,
      connections: options.connections,
      warmUpMs: options.warmUpMs,
      durationMs: options.durationMs,
      pid: running.pid,
    })
    .catch((cause: unknown) => {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`${contender.name} failed in round ${round}: ${why}\n${running.output()}`, { cause });
    });
  return toSample(contender.name, round, loaded, memoryUsage(running.pid).peakResidentBytes);
}

function toSample(contender: string, round: number, loaded: LoadSample, peakBytes: number): Sample {
  const { requests, seconds, p50Ms, p99Ms, cpu } = loaded;
  const cpuMs = cpu.userMs + cpu.systemMs;
  return {
    contender,
    round,
    requests,
    seconds,
    requestsPerSecond: requests / seconds,
    p50Ms,
    p99Ms,
    cpuUs: (cpuMs * 1_000) / requests,
    cpuUserUs: (cpu.userMs * 1_000) / requests,
    cpuSystemUs: (cpu.systemMs * 1_000) / requests,
    coreShare: cpuMs / (seconds * 1_000),
    peakResidentMiB: peakBytes / 2 ** 20,
  };
}

async function bench(options: Options, cleanup: Cleanup): Promise<boolean> {
  const { chosen, leftOut } = chooseContenders(options);
  for (const line of leftOut) progress(`left out: ${line}`);
  const cores = planCores();
  if (cores.contender === undefined) progress("not pinned to cores: needs taskset and two cores");
  const [loadAverage = 0] = loadavg();
  if (loadAverage > BUSY_LOAD_AVERAGE) {
    progress(`the machine is busy (load average ${loadAverage.toFixed(1)}): take the figures as rough`);
  }
  const backendPort = await freePort();
  const backendCommand = {
    command: process.execPath,
    args: [programPath("bench/backend"), `${backendPort}`],
  };
  const backend = await startServer("the backend", backendPort, backendCommand, cores.backend);
  cleanup.push(backend.stop);
  const load = new LoadClient(cores.load);
  cleanup.push(() => load.stop());
  const started: Started[] = [];
  for (const contender of chosen) started.push(await startContender(contender, backendPort, cores, cleanup));
  for (const one of started) {
    progress(`warming up ${one.contender.name}`);
    await measure(one, load, { ...options, warmUpMs: 0, durationMs: FIRST_WARM_UP_MS }, 0);
  }
  const samples: Sample[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    for (const one of shuffled(started)) {
      const sample = await measure(one, load, options, round);
      samples.push(sample);
      progress(
        `round ${round}/${options.rounds}  ${sample.contender.padEnd(20)} ${sample.requestsPerSecond.toFixed(0).padStart(6)} req/s  ${sample.cpuUs.toFixed(1).padStart(6)} us/req`,
      );
    }
  }
  return await report(options, chosen, leftOut, { cores, loadAverage }, samples);
}

async function report(
  options: Options,
  chosen: readonly Contender[],
  leftOut: readonly string[],
  circumstances: { readonly cores: Cores; readonly loadAverage: number },
  samples: readonly Sample[],
): Promise<boolean> {
  const isSweep = options.semiSpaces.length > 0;
  const reference = isSweep ? (chosen[0]?.name ?? "") : options.reference;
  const order = chosen.map(({ name }) => name);
  const summaries = summarize(samples, reference).sort(
    (a, b) => order.indexOf(a.contender) - order.indexOf(b.contender),
  );
  const claim = isSweep ? undefined : checkClaim(samples, "traffic-switching", reference);
  const env = environment();
  const contenders = chosen.map((contender) => ({
    name: contender.name,
    version: contender.version(),
    about: contender.about,
  }));
  const content = {
    options,
    ...circumstances,
    contenders,
    leftOut,
    summaries,
    claims: claim ? [claim] : [],
    samples,
  };
  const path = await writeReport(isSweep ? "semi-space-" : "", env, content);
  const lines = [
    `GET /, 2-byte answer, ${options.connections} kept-alive connections, ${options.driver}, ${options.rounds} rounds of ${options.durationMs / 1_000} s: median (min..max)`,
    `${env.cpu}, ${env.cores} cores, Linux ${env.kernel}, Node ${env.node}, commit ${env.commit}${env.isModified ? " with changes" : ""}`,
    "",
    formatTable(summaries, reference),
    "",
    ...leftOut.map((line) => `left out: ${line}`),
    ...(claim
      ? [`${claim.claim}: ${claim.isHeld ? "holds" : "DOES NOT HOLD"} (ratio ${claim.ratio.toFixed(2)})`]
      : []),
    `samples: ${path}`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
  return claim?.isHeld ?? true;
}

async function main(): Promise<void> {
  process.setMaxListeners(50); // one for each contender's folder
  const options = parseOptions(process.argv.slice(2));
  if (options === "help") {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  if (options.driver === "wrk" && findOnPath("wrk") === undefined)
    throw new Error("--load wrk: wrk is not installed");
  const cleanup: Cleanup = [];
  try {
    const isHeld = await bench(options, cleanup);
    if (options.isCheck && !isHeld) process.exitCode = 1;
  } finally {
    for (const close of cleanup.reverse()) await close();
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
