/**
 * Programs from Debian packages, as processes of a test. A suite that needs one and does not find it fails: it is
 * never skipped, so that it can never pass for having been run.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { onTestEnd, type TestEnd } from "./cleanup.ts";
import { killGroup, trackGroup, untrackGroup } from "./process-group.ts";
import { withLimit } from "./wait.ts";

const STOP_LIMIT_MS = 5_000;
/** Where servers are on Debian, which is not on everybody's PATH. */
const SERVER_FOLDERS = ["/usr/sbin", "/usr/local/sbin"];

/**
 * @param packages by program: `{ ab: "apache2-utils" }`.
 * @throws Error that says what to install, when one is missing.
 */
export function needPrograms(packages: Readonly<Record<string, string>>): void {
  const missing = Object.entries(packages).filter(([program]) => !isInstalled(program));
  if (missing.length === 0) return;
  const programs = missing.map(([program]) => program).join(", ");
  const names = [...new Set(missing.map(([, name]) => name))].join(" ");
  throw new Error(`this suite needs ${programs}: apt-get install --no-install-recommends ${names}`);
}

/** One that runs until the test ends, with whatever it forks. @param env added to ours. @returns its output so far. */
export function startProgram(
  t: TestEnd,
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): () => string {
  const child = spawn(command, args, {
    env: { ...environment(), ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  if (child.pid !== undefined) trackGroup(child.pid);
  onTestEnd(t, () => stop(child));
  return () => output;
}

/**
 * One that ends by itself.
 *
 * @returns what it wrote.
 * @throws Error with that, when it takes longer than `limitMs` or its exit code is none of `codes` (0).
 */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: {
    limitMs: number;
    input?: string;
    codes?: readonly number[];
    env?: Readonly<Record<string, string>>;
  },
): Promise<string> {
  const running = promisify(execFile)(command, args, {
    env: { ...environment(), ...options.env },
    timeout: options.limitMs,
    killSignal: "SIGKILL",
    maxBuffer: 2 ** 24,
  });
  running.child.stdin?.on("error", () => undefined); // it ended without reading
  running.child.stdin?.end(options.input ?? "");
  try {
    const { stdout, stderr } = await running;
    return stdout + stderr;
  } catch (cause) {
    const { code, stdout = "", stderr = "" } = cause as { code?: number; stdout?: string; stderr?: string };
    if (options.codes?.includes(code ?? -1)) return stdout + stderr;
    throw new Error(`${command} ${args.join(" ")} failed\n${stdout}${stderr}`, { cause });
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.pid === undefined) return;
  const isOver = child.exitCode !== null || child.signalCode !== null;
  const exited: Promise<unknown> = isOver ? Promise.resolve() : once(child, "exit");
  killGroup(child.pid);
  untrackGroup(child.pid);
  await withLimit(exited, STOP_LIMIT_MS, `${child.spawnfile} to be gone`);
}

function environment(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: "C", PATH: folders().join(delimiter) };
}

function folders(): string[] {
  return [...(process.env.PATH ?? "").split(delimiter), ...SERVER_FOLDERS];
}

export function isInstalled(program: string): boolean {
  return folders().some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
