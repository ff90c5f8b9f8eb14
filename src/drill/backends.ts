/** The two backends of the drill: each a process of its own, ended by its pid. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { StartError } from "../core/errors.ts";
import type { Version } from "../core/version.ts";

const ENTRY = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "./backend-child.ts" : "./backend-child.js", import.meta.url),
);
const START_LIMIT_MS = 10_000;

export interface Backends {
  readonly urls: Readonly<Record<Version, string>>;
  stop(): void;
}

/** @throws StartError when one does not listen in time; nothing is left then. */
export async function startBackends(versions: readonly Version[]): Promise<Backends> {
  const children = versions.map((version) =>
    fork(ENTRY, [version], { stdio: ["ignore", "ignore", "inherit", "ipc"] }),
  );
  const stop = (): void => {
    for (const child of children) child.kill("SIGKILL"); // nothing when it is gone
  };
  process.once("exit", stop);
  try {
    const ports = await Promise.all(children.map(portOf));
    const urls = versions.map((version, i) => [version, `http://127.0.0.1:${ports[i]}`]);
    return { urls: Object.fromEntries(urls), stop };
  } catch (cause) {
    stop();
    throw new StartError("a backend of the drill did not start", 1, { cause });
  }
}

async function portOf(child: ChildProcess): Promise<number> {
  const [message] = (await once(child, "message", { signal: AbortSignal.timeout(START_LIMIT_MS) })) as [
    { port: number },
  ];
  return message.port;
}
