/**
 * A container without an engine: the image's ENTRYPOINT as its user, on free ports, with `docker run -e` and `-v`.
 *
 * As root the user is really taken on; otherwise everything runs as whoever runs the test.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { TestEnd } from "../support/cleanup.ts";
import { onTestEnd } from "../support/cleanup.ts";
import { type Reply, request } from "../support/http-client.ts";
import { killGroup, trackGroup, untrackGroup } from "../support/process-group.ts";
import { waitUntil, withLimit } from "../support/wait.ts";
import { type Image, IS_ROOT } from "./image.ts";

const READY_LIMIT_MS = 20_000;
const STOP_LIMIT_MS = 15_000;
const HEALTHCHECK_LIMIT_MS = 10_000;

export interface ContainerOptions {
  readonly port: number;
  readonly adminPort: number;
  readonly env: Readonly<Record<string, string>>;
  /** Node as pid 1 of a pid namespace of its own, as in a container; needs root and unshare(1). */
  readonly isPidOne?: boolean;
}

export class Container {
  readonly #image: Image;
  readonly #options: ContainerOptions;
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;
  #output = "";

  /** Starts it; ends it when the test ends at the latest. */
  constructor(t: TestEnd, image: Image, options: ContainerOptions) {
    this.#image = image;
    this.#options = options;
    const [command = "", ...args] = options.isPidOne ? pidOne(image) : image.entrypoint;
    this.#child = spawn(command, args, {
      ...userOf(image, options),
      cwd: image.place(image.workdir),
      env: this.#environment(),
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#output += text;
      });
    }
    this.#exited = once(this.#child, "exit").then(([code]) => code);
    this.#exited.catch(() => undefined); // could not be spawned: ready() says so
    const { pid } = this.#child;
    if (pid === undefined) return;
    trackGroup(pid);
    onTestEnd(t, () => {
      killGroup(pid);
      untrackGroup(pid);
    });
  }

  output(): string {
    return this.#output;
  }

  /** The daemon's primary, by the machine's count. */
  get pid(): number {
    const { pid = 0 } = this.#child;
    return this.#options.isPidOne ? (childrenOf(pid)[0] ?? 0) : pid;
  }

  async ready(): Promise<void> {
    await waitUntil(
      "the container is ready",
      async () => (await this.admin("GET", "/readyz")).status === 200 || this.#child.exitCode !== null,
      { limitMs: READY_LIMIT_MS, details: () => this.#output },
    );
    if (this.#child.exitCode !== null)
      throw new Error(`it exited with ${this.#child.exitCode}\n${this.#output}`);
  }

  async get(path: string): Promise<string> {
    return (await request(this.#options.port, { path })).body;
  }

  async admin(method: string, path: string, body?: object): Promise<Reply> {
    const headers = { "content-type": "application/json" };
    const sent = body ? { headers, body: JSON.stringify(body) } : {};
    return await request(this.#options.adminPort, { method, path, ...sent });
  }

  /** Runs the image's HEALTHCHECK beside the daemon, as the engine does. @returns its exit code. */
  async health(): Promise<number | null> {
    const [command = "", ...args] = this.#image.healthcheck;
    const check = spawn(command, args, {
      ...userOf(this.#image, {}),
      cwd: this.#image.place(this.#image.workdir),
      env: this.#environment(),
      stdio: "ignore",
    });
    const [code] = await withLimit(once(check, "exit"), HEALTHCHECK_LIMIT_MS, "the health check to end");
    return code;
  }

  /** Sends STOPSIGNAL to the primary, as the engine does. @returns the exit code; null when a signal ended it. */
  async stop(): Promise<number | null> {
    process.kill(this.pid, this.#image.stopSignal as NodeJS.Signals);
    return await withLimit(this.#exited, STOP_LIMIT_MS, "the container to stop", () => this.#output);
  }

  #environment(): Record<string, string> {
    const { port, adminPort, env } = this.#options;
    return this.#image.environment({ SERVER_PORT: `${port}`, ADMIN_PORT: `${adminPort}`, ...env });
  }
}

/** proc_pid_task_children(5): the machine's pids. */
export function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    return text.split(" ").filter(Boolean).map(Number);
  } catch {
    return []; // gone
  }
}

function userOf(
  { user }: Image,
  { isPidOne }: Pick<ContainerOptions, "isPidOne">,
): { uid?: number; gid?: number } {
  const [uid = 0, gid = 0] = user.split(":").map(Number);
  return IS_ROOT && !isPidOne ? { uid, gid } : {};
}

function pidOne({ user, entrypoint }: Image): string[] {
  const [uid = "", gid = ""] = user.split(":");
  const asUser = ["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups"];
  return ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child", ...asUser, ...entrypoint];
}
