/**
 * The real daemon for tests: a process of its own with a config file, a state folder and ports of its own.
 *
 * Knows the daemon only from outside: command line, environment, signals, stdout, the two listeners.
 * Whatever is left of it, workers included, is killed when the test ends, and when the test process does.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestEnd, type TestEnd } from "./cleanup.ts";
import { engineOfDaemons } from "./engines.ts";
import { freePort } from "./free-port.ts";
import { type JsonObject, type Reply, type RequestOptions, request } from "./http-client.ts";
import { groupMembers, killGroup, trackGroup, untrackGroup } from "./process-group.ts";
import { removeDir } from "./temp-dir.ts";
import { waitUntil, withLimit } from "./wait.ts";

/** `src/main.ts` when this file runs from its source, `dist/src/main.js` when compiled. */
export const DAEMON_ENTRY = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "../../src/main.ts" : "../../src/main.js", import.meta.url),
);

const ENGINE = engineOfDaemons() === "auto" ? {} : { engine: engineOfDaemons() };

const READY_LIMIT_MS = 15_000;
const STOP_LIMIT_MS = 15_000;

/** What of our own environment would configure the daemon, or tell it that it is a test. */
const NOT_INHERITED =
  /^(SERVER_HOST|SERVER_PORT|BACKEND_.*|ACTIVE_VERSION|WORKERS|STATE_DIR|ADMIN_.*|LOG_LEVEL|CONFIG_FILE|NODE_TEST_CONTEXT|NODE_UNIQUE_ID)$/;

export type Env = Readonly<Record<string, string>>;

export interface ProxyOptions {
  /** URLs of the backends. More versions go into `config.backends`. */
  v1: string;
  v2: string;
  active?: string;
  /** 1 unless the promise is about several. */
  workers?: number;
  /** Laid over the defaults below, key by key; `undefined` takes a key out. Spelled as in config.yaml. */
  config?: JsonObject;
  env?: Env;
  /** After `--config FILE`. */
  args?: readonly string[];
  /** Default: `state` in the daemon's own temp folder. */
  stateDir?: string;
  /** A command and its arguments that run the daemon: `["setpriv", "--reuid=65534", …]`. It must end in an exec. */
  wrap?: readonly string[];
  /** How its admin listener is reached, when `config` gives it a socket or TLS. */
  adminVia?: Pick<RequestOptions, "socketPath" | "tls">;
  /** False: do not wait until it is ready; `waitReady()` does. */
  ready?: boolean;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One line that the daemon logged. */
export type LogLine = JsonObject & { readonly msg?: string; readonly level?: unknown; readonly pid?: number };

/** The part of GET /status that tests use; the rest is there too. */
export interface Status extends JsonObject {
  readonly current_version: string;
  readonly current_backend: string;
  readonly epoch: number;
  readonly cooldown_remaining_seconds: number;
  readonly workers: readonly { readonly pid: number; readonly state: string; readonly epoch: number }[];
}

export interface AdminOptions {
  /** An object is sent as JSON with its content type; a string as it is, with none. */
  body?: JsonObject | string | Uint8Array;
  headers?: RequestOptions["headers"];
  host?: string;
  localAddress?: string;
  limitMs?: number;
  socketPath?: string;
  tls?: RequestOptions["tls"];
}

/**
 * Starts the daemon and waits until it is ready.
 *
 * Unless `config` says otherwise: loopback only, no cool-down, one quick probe.
 *
 * @throws Error with everything the daemon wrote, when it exits or is not ready in time.
 */
export async function startProxy(t: TestEnd, options: ProxyOptions): Promise<TestProxy> {
  const dir = await mkdtemp(join(tmpdir(), "traffic-switching-proxy-"));
  onTestEnd(t, () => removeDir(dir));
  const stateDir = options.stateDir ?? join(dir, "state");
  await mkdir(stateDir, { recursive: true });
  const [port, adminPort] = [await freePort(), await freePort()];
  const config = merge(
    {
      server: { host: "127.0.0.1", port, workers: options.workers ?? 1, ...ENGINE },
      backends: { v1: options.v1, v2: options.v2 },
      active_version: options.active ?? "v1",
      switch: { min_interval: "0s", probe: { successes: 1, interval: "10ms" } },
      admin: { host: "127.0.0.1", port: adminPort },
      state_dir: stateDir,
    },
    options.config ?? {},
  );
  const configFile = join(dir, "config.yaml");
  await writeFile(configFile, JSON.stringify(config, null, 2)); // YAML is a superset of JSON
  const proxy = new TestProxy({
    port,
    adminPort,
    dir,
    stateDir,
    configFile,
    env: options.env,
    args: options.args,
    wrap: options.wrap,
    adminVia: options.adminVia,
  });
  onTestEnd(t, () => proxy.destroy());
  proxy.start();
  if (options.ready !== false) await proxy.waitReady();
  return proxy;
}

/**
 * Runs the daemon's command line until it exits by itself: for bad config, `check`, `--help`.
 *
 * @throws Error with its output when it still runs after `limitMs`; it is killed then.
 */
export async function runDaemon(
  args: readonly string[],
  options: { env?: Env; cwd?: string; wrap?: readonly string[]; limitMs?: number } = {},
): Promise<Exit & { readonly stdout: string; readonly stderr: string }> {
  const child = spawnDaemon(args, options);
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
    });
  }
  const closed = once(child, "close") as Promise<[Exit["code"], Exit["signal"]]>;
  try {
    const what = `the daemon to exit after ${JSON.stringify(args)}`;
    const details = (): string => output.stdout + output.stderr;
    const [code, signal] = await withLimit(closed, options.limitMs ?? 10_000, what, details);
    return { code, signal, ...output };
  } finally {
    endGroup(child);
  }
}

interface Place {
  readonly port: number;
  readonly adminPort: number;
  readonly dir: string;
  readonly stateDir: string;
  readonly configFile: string;
  readonly env: Env | undefined;
  readonly args: readonly string[] | undefined;
  readonly wrap: readonly string[] | undefined;
  readonly adminVia: ProxyOptions["adminVia"];
}

/** One daemon at one place; may be started, stopped and killed there again and again. */
export class TestProxy {
  readonly port: number;
  readonly adminPort: number;
  /** `http://127.0.0.1:port`, no slash at the end. */
  readonly url: string;
  readonly adminUrl: string;
  /** Holds the config file; a temp folder. */
  readonly dir: string;
  readonly stateDir: string;
  readonly configFile: string;
  readonly #place: Place;
  readonly #lines: LogLine[] = [];
  #output = "";
  #child: ChildProcess | undefined;
  #exited: Promise<Exit> = Promise.resolve({ code: null, signal: null });
  #closed: Promise<unknown> = Promise.resolve();
  #watchers: (() => boolean)[] = [];

  constructor(place: Place) {
    this.#place = place;
    this.port = place.port;
    this.adminPort = place.adminPort;
    this.url = `http://127.0.0.1:${place.port}`;
    this.adminUrl = `http://127.0.0.1:${place.adminPort}`;
    this.dir = place.dir;
    this.stateDir = place.stateDir;
    this.configFile = place.configFile;
  }

  /** The primary's process, running or not. */
  get child(): ChildProcess {
    if (!this.#child) throw new Error("the daemon was never started");
    return this.#child;
  }

  get pid(): number {
    const { pid } = this.child;
    if (pid === undefined) throw new Error("the daemon could not be spawned");
    return pid;
  }

  /** Of the last start. */
  get exited(): Promise<Exit> {
    return this.#exited;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Everything it wrote so far, over all starts. */
  output(): string {
    return this.#output;
  }

  /** The JSON lines among it. */
  logs(): readonly LogLine[] {
    return this.#lines;
  }

  /** Resolves with the first line that matches, of those that came already or will come. */
  async waitForLog(matches: (line: LogLine) => boolean, limitMs = 5_000): Promise<LogLine> {
    const found = new Promise<LogLine>((resolve) => {
      const look = (): boolean => {
        const line = this.#lines.find(matches);
        if (line) resolve(line);
        return line !== undefined;
      };
      if (!look()) this.#watchers.push(look);
    });
    return await withLimit(found, limitMs, `a log line that matches ${matches}`, () => this.#describe());
  }

  /** Spawns it; see waitReady(). For after stop() or kill(): on the same ports, config and state. */
  start(extra: { env?: Env; args?: readonly string[] } = {}): void {
    if (this.isRunning) throw new Error("the daemon runs already");
    const args = ["--config", this.configFile, ...(this.#place.args ?? []), ...(extra.args ?? [])];
    const { env, wrap } = this.#place;
    const child = spawnDaemon(args, { env: { ...env, ...extra.env }, wrap });
    this.#child = child;
    this.#exited = once(child, "exit").then(([code, signal]) => ({ code, signal }));
    this.#closed = once(child, "close");
    this.#closed.catch(() => undefined);
    this.#exited.catch(() => undefined); // could not be spawned: waitReady() says so
    child.stdout?.setEncoding("utf8").on("data", this.#reader());
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#output += text;
    });
  }

  /** Resolves when every worker listens. */
  async waitReady(limitMs = READY_LIMIT_MS): Promise<void> {
    const isReadyOrGone = async (): Promise<boolean> =>
      !this.isRunning || (await this.admin("GET", "/readyz", { limitMs: 1_000 })).status === 200;
    const details = (): string => this.#describe();
    await waitUntil("the daemon is ready", isReadyOrGone, { limitMs, intervalMs: 10, details });
    if (this.isRunning) return;
    const { code, signal } = await this.#exited;
    // Its last words; a worker that survived would hold the pipes open.
    await withLimit(this.#closed, 300, "the pipes to close").catch(() => undefined);
    throw new Error(`the daemon exited (${signal ?? code}) before it was ready\n${this.#describe()}`);
  }

  /** Ends it as an operator would, and waits for that. */
  async stop(signal: NodeJS.Signals = "SIGTERM", limitMs = STOP_LIMIT_MS): Promise<Exit> {
    this.child.kill(signal);
    return await withLimit(this.#exited, limitMs, `the daemon to exit after ${signal}`, () =>
      this.#describe(),
    );
  }

  /** kill -9 of the primary alone. */
  async kill(): Promise<Exit> {
    return await this.stop("SIGKILL");
  }

  /** Ends it (SIGTERM unless told otherwise) and starts it again in the same place; resolves when it is ready. */
  async restart(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (this.isRunning) await this.stop(signal);
    await this.allGone();
    this.start();
    await this.waitReady();
  }

  /** Resolves when no process of it is left: the workers of a killed primary end by themselves. */
  async allGone(limitMs = 5_000): Promise<void> {
    await waitUntil("no process of the daemon is left", () => this.processPids().length === 0, {
      limitMs,
      details: () => `left: ${this.processPids().join(", ")}\n${this.#describe()}`,
    });
  }

  /** Every process of it that lives, from the process table: the primary (while it lives) and its workers. */
  processPids(): number[] {
    return this.#child?.pid === undefined ? [] : groupMembers(this.#child.pid);
  }

  /** The workers, as /status names them. */
  async workerPids(): Promise<number[]> {
    return (await this.status()).workers.map((worker) => worker.pid);
  }

  async status(): Promise<Status> {
    const reply = await this.admin("GET", "/status");
    if (reply.status !== 200) throw new Error(`GET /status: ${reply.status} ${reply.body}`);
    return reply.json() as Status;
  }

  /** POST /switch on the admin listener; resolves when every worker serves `version`, and throws when it was refused. */
  async switchTo(version: string, extra: JsonObject = {}): Promise<JsonObject> {
    const reply = await this.admin("POST", "/switch", { body: { version, ...extra }, limitMs: 30_000 });
    if (reply.status !== 200) {
      throw new Error(`switch to ${version}: ${reply.status} ${reply.body}\n${this.#describe()}`);
    }
    return reply.json();
  }

  /** One call of the admin listener. Never throws for a status. */
  async admin(method: string, path: string, options: AdminOptions = {}): Promise<Reply> {
    return await callAdmin(this.adminPort, method, path, { ...this.#place.adminVia, ...options });
  }

  /** The same on the traffic port. */
  async adminOnTrafficPort(method: string, path: string, options: AdminOptions = {}): Promise<Reply> {
    return await callAdmin(this.port, method, path, options);
  }

  /** Kills what is left, workers included. */
  async destroy(): Promise<void> {
    if (!this.#child) return;
    endGroup(this.#child);
    await withLimit(this.#exited, 5_000, "the killed daemon to be gone").catch(() => undefined);
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
  }

  /** Cuts one stream into lines. */
  #reader(): (text: string) => void {
    let rest = "";
    return (text) => {
      this.#output += text;
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const parsed = parseLogLine(line);
        if (parsed) this.#lines.push(parsed);
      }
      this.#watchers = this.#watchers.filter((look) => !look());
    };
  }

  #describe(): string {
    return `--- output of the daemon ---\n${this.#output.slice(-8_000)}\n--- end of output ---`;
  }
}

async function callAdmin(port: number, method: string, path: string, options: AdminOptions): Promise<Reply> {
  const { body, headers = {}, ...rest } = options;
  const isObject = typeof body === "object" && !(body instanceof Uint8Array);
  return await request(port, {
    method,
    path,
    headers: isObject ? { "content-type": "application/json", ...headers } : headers,
    ...(body === undefined ? {} : { body: isObject ? JSON.stringify(body) : body }),
    ...rest,
  });
}

/** In a process group of its own, so that its workers can be found and killed with it. */
function spawnDaemon(
  args: readonly string[],
  options: { env?: Env | undefined; cwd?: string | undefined; wrap?: readonly string[] | undefined },
): ChildProcess {
  const { env = {}, cwd = dirname(DAEMON_ENTRY), wrap = [] } = options;
  const inherited = Object.entries(process.env).filter(([name]) => !NOT_INHERITED.test(name));
  const [command = process.execPath, ...rest] = [...wrap, process.execPath, DAEMON_ENTRY, ...args];
  const child = spawn(command, rest, {
    cwd,
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  if (child.pid !== undefined) trackGroup(child.pid);
  return child;
}

function endGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  killGroup(child.pid);
  untrackGroup(child.pid);
}

function parseLogLine(line: string): LogLine | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return undefined; // cut off by the end of the process
  }
}

function merge(base: JsonObject, extra: JsonObject): JsonObject {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(extra)) {
    const under = base[key];
    merged[key] = isPlainObject(under) && isPlainObject(value) ? merge(under, value) : value;
  }
  return merged;
}

function isPlainObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
