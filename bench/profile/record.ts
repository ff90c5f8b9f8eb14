/** A worker under load as perf and strace see it. Starts these two and ends them; knows nothing of the load. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { waitUntil, withLimit } from "../../test/support/wait.ts";
import { ROOT } from "../place.ts";
import { countPlaces } from "./places.ts";
import type { Recorded } from "./profile.ts";
import { foldStacks } from "./stacks.ts";
import { type CallCount, parseSystemCalls } from "./system-calls.ts";
import { growTree, toLines } from "./tree.ts";

/** No divisor of the pace at which timers fire, so that they are not met always or never. */
export const HERTZ = 1_999;
/** Of all samples: a branch with less would be half a pixel wide. */
const LEAST_SHARE = 0.0005;
const MOST_SCRIPT_BYTES = 2 ** 29;
const ATTACH_LIMIT_MS = 10_000;
const END_LIMIT_MS = 60_000;

/** What V8 of a process that was started with --perf-basic-prof writes for perf. */
export function perfMapOf(pid: number): string {
  return `/tmp/perf-${pid}.map`;
}

/** @param dir takes what perf records. @throws Error with what perf said. */
export async function record(pid: number, seconds: number, dir: string): Promise<Recorded> {
  const run = promisify(execFile);
  const file = join(dir, "perf.data");
  const target = ["-F", `${HERTZ}`, "-g", "-p", `${pid}`, "-o", file];
  await run("perf", ["record", ...target, "--", "sleep", `${seconds}`], {
    timeout: seconds * 1_000 + END_LIMIT_MS,
  });
  const { stdout } = await run("perf", ["script", "-i", file], {
    timeout: END_LIMIT_MS,
    maxBuffer: MOST_SCRIPT_BYTES,
  });
  const stacks = foldStacks(stdout, ROOT);
  const samples = stacks.reduce((sum, stack) => sum + stack.samples, 0);
  if (samples === 0) throw new Error(`perf took no samples of process ${pid}: was there load?`);
  return {
    hertz: HERTZ,
    seconds,
    samples,
    places: countPlaces(stacks),
    tree: toLines(growTree(stacks, LEAST_SHARE)),
  };
}

/** The system calls of all threads of the process while `work` runs. @throws Error with what strace said. */
export async function countCalls(pid: number, dir: string, work: () => Promise<void>): Promise<CallCount[]> {
  const file = join(dir, "strace");
  const strace = spawn("strace", ["-c", "-f", "-p", `${pid}`, "-o", file], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  strace.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-8_000);
  });
  const ended = once(strace, "exit");
  try {
    await waitUntil("strace is attached", () => said.includes("attached"), {
      limitMs: ATTACH_LIMIT_MS,
      details: () => said,
    });
    await work();
  } finally {
    strace.kill("SIGINT"); // it lets go of the process and writes its table
    await withLimit(ended, END_LIMIT_MS, "strace to end", () => said);
  }
  return parseSystemCalls(await readFile(file, "utf8"));
}
