/**
 * The real FileStore in a small process under strace, which kills it at one system call on its files, or has that
 * call fail.
 *
 * Calls are counted by name among those that touch the state folder. One pool thread makes them all: strace counts
 * for each thread.
 */
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const CHILD = fileURLToPath(
  new URL(
    `../unit/control-plane/switch/state-child${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`,
    import.meta.url,
  ),
);
const REPLACED = [".version", ".backends.json"];
const FILES = ["", ".history.jsonl", ...REPLACED.flatMap((name) => [name, `${name}.tmp`, `${name}.mending`])];
const LIMIT_MS = 30_000;
const AT_A_TIME = 2;

/** A system call and which one of its name, from 1. */
export interface Place {
  readonly call: string;
  readonly number: number;
}

export interface TracedRun {
  /** `switched`, `drained`, `failed …`, `refused …`, or nothing. */
  readonly said: string;
  readonly isKilled: boolean;
  readonly log: string;
}

/**
 * One start, and one switch from v1 to v2 or one backend that is drained; see state-child.ts.
 *
 * @param injected like `signal=SIGKILL` or `error=EIO`.
 */
export async function runTraced(
  what: "switch" | "drain",
  folder: string,
  cacheFolder: string,
  injection?: { readonly place: Place; readonly injected: string },
): Promise<TracedRun> {
  const logFile = `${folder}.strace`;
  const inject =
    injection === undefined
      ? []
      : [
          `--trace=${injection.place.call}`,
          `--inject=${injection.place.call}:${injection.injected}:when=${injection.place.number}`,
        ];
  const paths = FILES.map((name) => `--trace-path=${join(folder, name)}`);
  const args = ["-f", "-qq", "--signal=none", ...inject, ...paths, "-o", logFile];
  const child = spawn("strace", [...args, process.execPath, CHILD, what, folder], {
    env: { ...process.env, UV_THREADPOOL_SIZE: "1", NODE_COMPILE_CACHE: cacheFolder, LC_ALL: "C" },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: LIMIT_MS,
    killSignal: "SIGTERM",
  });
  let said = "";
  let complaint = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint += text;
  });
  const { promise, resolve, reject } = Promise.withResolvers<NodeJS.Signals | null>();
  child.on("error", reject);
  child.on("close", (_code, signal) => resolve(signal)); // strace ends as its child did
  const signal = await promise;
  if (signal === "SIGTERM") throw new Error(`strace took longer than ${LIMIT_MS} ms\n${complaint}`);
  const log = await readFile(logFile, "utf8").catch(() => "");
  if (log === "") throw new Error(`strace traced nothing\n${complaint}`);
  return { said: said.trim(), isKilled: signal === "SIGKILL", log };
}

/** Every call of a clean run, in order. */
export function placesOf({ log }: TracedRun): Place[] {
  const counts = new Map<string, number>();
  return log.split("\n").flatMap((line) => {
    const [, call] = /^\d+ +([a-z0-9_]+)\(/.exec(line) ?? [];
    if (call === undefined) return [];
    const number = (counts.get(call) ?? 0) + 1;
    counts.set(call, number);
    return [{ call, number }];
  });
}

/** Runs `work` for each place, a few at a time. */
export async function forEachPlace(
  places: readonly Place[],
  work: (place: Place) => Promise<void>,
): Promise<void> {
  const left = [...places];
  const next = async (): Promise<void> => {
    for (let place = left.shift(); place; place = left.shift()) await work(place);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, next));
}
