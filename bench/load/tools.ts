/** The load tools of the system: wrk and ab, each a process of its own beside the driver, on the driver's core. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { cpuSince, cpuUsage } from "../process-usage.ts";
import { parseAb } from "./ab-output.ts";
import { type AbJob, type HttpJob, type LoadSample, limitOf } from "./jobs.ts";
import { assertAnswerBytes, parseWrk, type WrkSummary, wrkScript } from "./wrk-output.ts";

const WARM_UP_CONNECTIONS = 64;

/** Of a warm-up: on a busy machine it takes longer, so that everybody's code is compiled. */
const WARM_UP_REQUESTS_PER_MS = 10;
const MOST_WARM_UPS = 5;

/** wrk knows whole seconds alone. Between warm-up and measured run all connections are made anew. */
export async function runWrk(job: HttpJob): Promise<LoadSample> {
  const dir = await mkdtemp(join(tmpdir(), "traffic-switching-wrk-"));
  try {
    const script = join(dir, "request.lua");
    await writeFile(script, wrkScript(job));
    let warmUpRequests = 0;
    for (let run = 0; run < MOST_WARM_UPS && warmUpRequests < job.warmUpMs * WARM_UP_REQUESTS_PER_MS; run++) {
      warmUpRequests += (await wrk(job, script, job.warmUpMs)).requests;
    }
    const before = cpuUsage(job.pid);
    const summary = await wrk(job, script, job.durationMs);
    const cpu = cpuSince(before, job.pid);
    assertAnswerBytes(summary, job.answerBytes, job.connections);
    return { units: summary.requests, seconds: summary.seconds, cpu, latency: summary.latency };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function wrk(job: HttpJob, script: string, durationMs: number): Promise<WrkSummary> {
  const seconds = Math.max(1, Math.round(durationMs / 1_000));
  const args = ["-t1", `-c${job.connections}`, `-d${seconds}s`, "--timeout", "10s", "-s", script];
  return parseWrk(await run("wrk", [...args, `http://127.0.0.1:${job.port}${job.path}`], limitOf(job)));
}

export async function runAb(job: AbJob): Promise<LoadSample> {
  if (job.warmUpRequests > 0) {
    await ab(job, Math.min(WARM_UP_CONNECTIONS, job.warmUpRequests), job.warmUpRequests);
  }
  const before = cpuUsage(job.pid);
  const output = await ab(job, job.connections, job.requests);
  const cpu = cpuSince(before, job.pid);
  const { requests, seconds, latency } = parseAb(output, job);
  return { units: requests, seconds, cpu, latency, failed: 0 };
}

async function ab(job: AbJob, connections: number, requests: number): Promise<string> {
  const args = ["-q", "-k", "-n", `${requests}`, "-c", `${connections}`, `http://127.0.0.1:${job.port}/`];
  return await run("ab", args, limitOf(job));
}

async function run(program: string, args: readonly string[], timeout: number): Promise<string> {
  try {
    return (await promisify(execFile)(program, args, { timeout, killSignal: "SIGKILL" })).stdout;
  } catch (error) {
    const { stderr = "", killed = false } = error as { stderr?: string; killed?: boolean };
    throw new Error(
      killed ? `${program} was not done within ${timeout} ms` : `${program} failed: ${stderr.trim()}`,
      {
        cause: error,
      },
    );
  }
}
