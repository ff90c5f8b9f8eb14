/**
 * Where the time of one worker goes: the daemon under load, seen by perf (stacks, for a flame graph) and by strace
 * (system calls for each request), whichever is installed. Leaves a profile in bench/results; bench:page draws it.
 *
 * The worker runs with --perf-basic-prof, so that its JavaScript has names. Loopback only; ends what it started.
 */
import { rm } from "node:fs/promises";
import { parseArgs } from "node:util";
import { request } from "../test/support/http-client.ts";
import { groupMembers } from "../test/support/process-group.ts";
import { CASES } from "./cases/registry.ts";
import { daemonOf } from "./contenders/daemon.ts";
import { environment } from "./environment.ts";
import { openScene, startContender } from "./measure.ts";
import { PROFILE_PREFIX } from "./page/profile-source.ts";
import { ROOT } from "./place.ts";
import { findOnPath, planCores } from "./process.ts";
import type { Profile, Recorded, Traced } from "./profile/profile.ts";
import { countCalls, perfMapOf, record } from "./profile/record.ts";
import { writeReport } from "./report.ts";
import { removeDirOfOurs, tempDirOfOurs } from "./temp-dirs.ts";

const USAGE = `npm run bench:profile -- [options]
  --duration S   seconds that perf records, and that strace counts (10)
  --warm-up S    seconds of load before (5)`;
const CONNECTIONS = 64;
/** Load goes on so long before and after what is recorded. */
const MARGIN_MS = 2_000;

interface Watched {
  readonly port: number;
  readonly worker: number;
  readonly dir: string;
  /** `GET /` on every connection for a while; throws when one fails. */
  load(durationMs: number): Promise<void>;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      duration: { type: "string", default: "10" },
      "warm-up": { type: "string", default: "5" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const seconds = secondsOf("--duration", values.duration);
  const warmUpMs = secondsOf("--warm-up", values["warm-up"]) * 1_000;
  const [hasPerf, hasStrace] = ["perf", "strace"].map((name) => findOnPath(name) !== undefined);
  if (!hasPerf && !hasStrace) throw new Error("neither perf nor strace is installed: nothing can be seen");
  const found = await watch(async (watched) => {
    await watched.load(warmUpMs);
    return {
      ...(hasPerf ? { recorded: await recorded(watched, seconds) } : {}),
      ...(hasStrace ? { traced: await traced(watched, seconds) } : {}),
    };
  });
  const { environment: env, ...content } = {
    kind: "profile",
    environment: environment(),
    connections: CONNECTIONS,
    ...found,
  } as const satisfies Profile;
  process.stdout.write(`profile: ${await writeReport(PROFILE_PREFIX, env, content)}\n`);
}

function secondsOf(option: string, text: string): number {
  const value = Number(text);
  if (!(value >= 1 && value <= 120)) throw new RangeError(`${option} takes 1 to 120 seconds, not ${text}`);
  return Math.round(value);
}

/** The daemon with one worker, its backend and its load, for as long as `look` takes. */
async function watch<T>(look: (watched: Watched) => Promise<T>): Promise<T> {
  const small = CASES.find(({ name }) => name === "small");
  if (!small) throw new Error("no case small");
  const contender = daemonOf("traffic-switching", ROOT, { NODE_OPTIONS: "--perf-basic-prof" });
  const tool = findOnPath("wrk") === undefined ? "autocannon" : "wrk";
  const dir = await tempDirOfOurs();
  const scene = await openScene(small, planCores());
  try {
    const { port, process: daemon, stop } = await startContender(contender, small, scene);
    const pids = groupMembers(daemon.pid);
    try {
      const [worker, ...more] = pids.filter((pid) => pid !== daemon.pid);
      if (worker === undefined || more.length > 0) throw new Error(`${pids.length - 1} workers, not one`);
      const job = { kind: "http", tool, port, pid: daemon.pid, path: "/" } as const;
      const sizes = { connections: CONNECTIONS, uploadBytes: 0, answerBytes: small.answerBytes };
      const load = async (durationMs: number): Promise<void> => {
        await scene.load.run({ ...job, ...sizes, isClosing: false, warmUpMs: 0, durationMs });
      };
      return await look({ port, worker, dir, load });
    } finally {
      await stop();
      for (const pid of pids) await rm(perfMapOf(pid), { force: true });
    }
  } finally {
    await scene.close();
    await removeDirOfOurs(dir);
  }
}

async function recorded({ worker, dir, load }: Watched, seconds: number): Promise<Recorded> {
  process.stderr.write(`perf: ${seconds} s of worker ${worker}\n`);
  const loaded = load(seconds * 1_000 + 2 * MARGIN_MS);
  const [result] = await Promise.all([record(worker, seconds, dir), loaded]);
  return result;
}

/** The daemon counts the requests itself: every tool has its own idea of which ones belong to a run. */
async function traced({ port, worker, dir, load }: Watched, seconds: number): Promise<Traced> {
  process.stderr.write(`strace: ${seconds} s of worker ${worker}\n`);
  const before = await requestsOf(port);
  const calls = await countCalls(worker, dir, () => load(seconds * 1_000));
  return { requests: (await requestsOf(port)) - before, calls };
}

async function requestsOf(port: number): Promise<number> {
  const { body } = await request(port, { path: "/metrics" });
  const counts = body.matchAll(/^traffic_switching_http_requests_total\{.*\} (\d+)/gm);
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

main().catch((error: unknown) => {
  process.stderr.write(`bench:profile: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
