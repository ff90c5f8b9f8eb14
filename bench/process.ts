/**
 * Processes of the bench: started in a group of their own, on a core of their own where that is possible,
 * ended with everything they started, and always ended.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { killGroup, trackGroup, untrackGroup } from "../test/support/process-group.ts";
import { waitUntil, withLimit } from "../test/support/wait.ts";

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface RunningProcess {
  /** Leader of its group. */
  readonly pid: number;
  readonly child: ChildProcess;
  /** The last of what it wrote. */
  output(): string;
  isRunning(): boolean;
  /** SIGTERM, then SIGKILL to the whole group. Settles in any case. */
  stop(): Promise<void>;
}

/** Which core each part runs on; undefined: wherever the kernel likes. */
export interface Cores {
  readonly load: number | undefined;
  readonly backend: number | undefined;
  readonly contender: number | undefined;
}

const OUTPUT_LIMIT = 8_000;
const STOP_LIMIT_MS = 3_000;

/** The contender alone on one core; backend and load share the other one, or have one each where there are three. */
export function planCores(): Cores {
  const nowhere = { load: undefined, backend: undefined, contender: undefined };
  if (findOnPath("taskset") === undefined) return nowhere;
  const [first, second, third] = allowedCores();
  if (second === undefined) return nowhere;
  return { load: first, backend: third ?? first, contender: second };
}

/** The whole path of a program, or undefined. Looks into sbin too, where Debian keeps daemons. */
export function findOnPath(program: string): string | undefined {
  const dirs = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  return dirs.map((dir) => join(dir, program)).find((path) => existsSync(path));
}

/** @param withIpc for a program of ours that talks with process.send(). */
export function startProcess(
  { command, args, env = {} }: Command,
  options: { core?: number | undefined; withIpc?: boolean } = {},
): RunningProcess {
  const { core, withIpc = false } = options;
  const [program, ...rest] =
    core === undefined ? [command, ...args] : ["taskset", "-c", `${core}`, command, ...args];
  const child = spawn(program ?? command, rest, {
    env: { ...process.env, NODE_ENV: "production", ...env },
    // Our own programs end when their stdin does, so they cannot outlive us.
    stdio: withIpc ? ["pipe", "pipe", "pipe", "ipc"] : ["pipe", "pipe", "pipe"],
    detached: true,
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`cannot start ${program}`);
  trackGroup(pid);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-OUTPUT_LIMIT);
    });
  }
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  const exited = once(child, "exit");
  exited.catch(() => undefined);
  return {
    pid,
    child,
    output: () => output,
    isRunning,
    stop: async () => {
      if (isRunning()) {
        child.kill("SIGTERM");
        await withLimit(exited, STOP_LIMIT_MS, `${command} to end`).catch(() => undefined);
      }
      killGroup(pid);
      untrackGroup(pid);
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
    },
  };
}

/** @throws Error with its output when the process ends or `limitMs` passes before `isReady` holds. */
export async function waitUntilReady(
  name: string,
  running: RunningProcess,
  isReady: () => Promise<boolean>,
  limitMs = 15_000,
): Promise<void> {
  const isReadyOrGone = async (): Promise<boolean> => !running.isRunning() || (await isReady());
  await waitUntil(`${name} is ready`, isReadyOrGone, { limitMs, intervalMs: 20, details: running.output });
  if (!running.isRunning()) throw new Error(`${name} ended before it was ready\n${running.output()}`);
}

/** For programs of ours: end when whoever started us is gone. */
export function endWithParent(): void {
  process.stdin.on("end", () => process.exit(0)).on("error", () => process.exit(0));
  process.stdin.resume();
}

/** One line of a program's output; undefined when it cannot be run. */
export function firstLineOf(program: string, args: readonly string[]): string | undefined {
  try {
    const output = execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    return output.split("\n")[0];
  } catch {
    return undefined;
  }
}

/** `0-1,4` of /proc/self/status as numbers. */
function allowedCores(): number[] {
  const status = readFileSync("/proc/self/status", "latin1");
  const list = /^Cpus_allowed_list:\s+(\S+)$/m.exec(status)?.[1] ?? "";
  return list.split(",").flatMap((range) => {
    const [from = Number.NaN, to = from] = range.split("-").map(Number);
    return Array.from({ length: to - from + 1 }, (_unused, index) => from + index);
  });
}
