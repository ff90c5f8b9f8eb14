/** Programs of this folder as processes of their own, so that neither clients nor backends share a CPU loop with a test. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { onTestEnd, type TestEnd } from "../support/cleanup.ts";
import { withLimit } from "../support/wait.ts";

const EXTENSION = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
const START_LIMIT_MS = 10_000;

export interface Child<In, Out> {
  readonly process: ChildProcess;
  readonly first: Out;
  /** Sends a message and resolves with the next that comes back. @throws Error when none does, or the child ends. */
  ask(message: In, limitMs: number): Promise<Out>;
}

/**
 * Starts `name` and waits for its first message. Ends with the test, and by itself when the test's process does.
 *
 * @param name of the file, without its extension.
 */
export async function startChild<In extends object, Out>(
  t: TestEnd,
  name: string,
  args: readonly (string | number)[] = [],
): Promise<Child<In, Out>> {
  const file = fileURLToPath(new URL(`./${name}${EXTENSION}`, import.meta.url));
  const child = fork(file, args.map(String), { execArgv: [] });
  const exited = once(child, "exit");
  onTestEnd(t, async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await exited;
  });
  const next = async (limitMs: number): Promise<Out> => {
    const ended = exited.then(([code, signal]) => {
      throw new Error(`${name} ended (${signal ?? code})`);
    });
    const message = once(child, "message") as Promise<[Out]>;
    const [first] = await withLimit(Promise.race([message, ended]), limitMs, `a message of ${name}`);
    return first;
  };
  const first = await next(START_LIMIT_MS);
  return {
    process: child,
    first,
    ask: (message, limitMs) => {
      const answered = next(limitMs);
      child.send(message);
      return answered;
    },
  };
}

/** For the programs themselves. */
export function endWithParent(): void {
  process.on("disconnect", () => process.exit(0));
}

export function tellParent(message: object): void {
  process.send?.(message);
}
