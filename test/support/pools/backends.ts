/** Backends of a pool for tests: processes that come, go, hang and come again on their port. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { onTestEnd, type TestEnd } from "../cleanup.ts";
import { freePort } from "../free-port.ts";
import { processState } from "../process-group.ts";
import { waitUntil, withLimit } from "../wait.ts";
import type { Behaviour, FromBackend, ToBackend } from "./behaviour.ts";

const EXTENSION = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
const CHILD = fileURLToPath(new URL(`./backend-child${EXTENSION}`, import.meta.url));
const LIMIT_MS = 10_000;

/** One for each name, all of them listening. They end with the test. */
export async function startBackends(t: TestEnd, names: readonly string[]): Promise<PoolBackend[]> {
  const backends: PoolBackend[] = [];
  for (const name of names) backends.push(new PoolBackend(name, await freePort()));
  onTestEnd(t, () => Promise.all(backends.map((backend) => backend.kill())));
  await Promise.all(backends.map((backend) => backend.start()));
  return backends;
}

export class PoolBackend {
  readonly name: string;
  readonly port: number;
  #child: ChildProcess | null = null;
  #behaviour: Behaviour = {};

  constructor(name: string, port: number) {
    this.name = name;
    this.port = port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Resolves when it listens, and behaves as it was told last. */
  async start(): Promise<void> {
    const child = fork(CHILD, [this.name, String(this.port)], { execArgv: [] });
    this.#child = child;
    await this.#next(child);
    await this.behave(this.#behaviour);
  }

  async behave(behaviour: Behaviour): Promise<void> {
    this.#behaviour = behaviour;
    await this.#ask({ do: "behave", behaviour });
  }

  /** Requests since it was started last, without probes. */
  async requests(): Promise<number> {
    return (await this.#ask({ do: "count" })).requests ?? 0;
  }

  /** kill -9; harmless when it does not run. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** SIGTERM: what runs is finished. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** It keeps its port and its connections, and says nothing. */
  async hang(): Promise<void> {
    const { pid = 0 } = this.#running;
    process.kill(pid, "SIGSTOP");
    await waitUntil(`${this.name} stands still`, () => processState(pid) === "T");
  }

  wake(): void {
    process.kill(this.#running.pid ?? 0, "SIGCONT");
  }

  get #running(): ChildProcess {
    if (this.#child === null) throw new Error(`${this.name} does not run`);
    return this.#child;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#child = null;
    const exited = once(child, "exit");
    child.kill(signal);
    await withLimit(exited, LIMIT_MS, `${this.name} to exit after ${signal}`);
  }

  async #ask(message: ToBackend): Promise<FromBackend> {
    const child = this.#running;
    const answered = this.#next(child);
    child.send(message);
    return await answered;
  }

  async #next(child: ChildProcess): Promise<FromBackend> {
    const message = once(child, "message") as Promise<[FromBackend]>;
    const ended = once(child, "exit").then(([code, signal]) => {
      throw new Error(`${this.name} ended (${signal ?? code})`);
    });
    const [first] = await withLimit(Promise.race([message, ended]), LIMIT_MS, `a message of ${this.name}`);
    return first;
  }
}
