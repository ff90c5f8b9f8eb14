/**
 * The real daemon as the demo and the drill run it: a child process with a config file and a state folder in a
 * temp folder. Can be ended, started again, and is never left behind.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { StartError } from "../core/errors.ts";
import { call } from "./call.ts";

const ENTRY = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "../main.ts" : "../main.js", import.meta.url),
);
const READY_LIMIT_MS = 15_000;
const POLL_MS = 20;
/** Longer than the grace that the configs of the demo and the drill give. */
const STOP_LIMIT_MS = 8_000;
const LAST_LINES = 20;

/** What of the caller's environment would change what the config says. */
const NOT_INHERITED =
  /^(SERVER_HOST|SERVER_PORT|BACKEND_.*|ACTIVE_VERSION|WORKERS|STATE_DIR|ADMIN_.*|LOG_LEVEL|CONFIG_FILE)$/;

export interface DaemonUrls {
  readonly proxy: string;
  readonly admin: string;
}

export class DaemonProcess {
  readonly logFile: string;
  readonly #configFile: string;
  readonly #entry: string;
  readonly #onDeath: (why: string) => void;
  #urls: DaemonUrls | undefined;
  #logSeenBytes = 0;
  #child: ChildProcess | undefined;
  #isEnding = false;

  /**
   * @param options.config as in a config file; with `log.level` of `info` or finer, as its log says where it listens.
   * @param options.onDeath called when it ends and nobody asked it to.
   * @param options.entry another program in its place: a test of who watches the daemon breaks it on purpose.
   */
  constructor(options: { dir: string; config: object; onDeath: (why: string) => void; entry?: string }) {
    this.#configFile = join(options.dir, "config.yaml");
    this.logFile = join(options.dir, "daemon.log");
    this.#entry = options.entry ?? ENTRY;
    this.#onDeath = options.onDeath;
    writeFileSync(this.#configFile, `${JSON.stringify(options.config, null, 2)}\n`); // YAML is a superset of JSON
    process.once("exit", () => this.#kill());
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Where it listens. @throws StartError before it was started. */
  get urls(): DaemonUrls {
    if (!this.#urls) throw new StartError("the daemon was not started", 1);
    return this.#urls;
  }

  /** @throws StartError when it ends, or is not ready in time. */
  async start(): Promise<void> {
    this.#isEnding = false;
    this.#urls = undefined;
    this.#logSeenBytes = existsSync(this.logFile) ? statSync(this.logFile).size : 0;
    const child = this.#spawn();
    this.#child = child;
    const endMs = performance.now() + READY_LIMIT_MS;
    while (!(await this.#isReady())) {
      if (hasEnded(child) || performance.now() > endMs) {
        this.#isEnding = true; // said here, not twice
        const why = hasEnded(child)
          ? "ended before it was ready"
          : `was not ready within ${READY_LIMIT_MS} ms`;
        throw new StartError(`the daemon ${why}\n${this.lastLines()}`, 1);
      }
      await delay(POLL_MS);
    }
    child.once("exit", () => {
      if (!this.#isEnding) this.#onDeath(`the daemon ended by itself\n${this.lastLines()}`);
    });
  }

  /** SIGTERM, and SIGKILL when it takes too long. Settles in any case. */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#isEnding = true;
    if (!child || hasEnded(child)) return;
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await Promise.race([exited, delay(STOP_LIMIT_MS, undefined, { ref: false })]);
    this.#kill();
  }

  lastLines(): string {
    return readFileSync(this.logFile, "utf8").trimEnd().split("\n").slice(-LAST_LINES).join("\n");
  }

  /** In a process group of its own: Ctrl-C in a terminal reaches the demo alone, which then ends the daemon once. */
  #spawn(): ChildProcess {
    const log = openSync(this.logFile, "a");
    try {
      const env = Object.entries(process.env).filter(([name]) => !NOT_INHERITED.test(name));
      return spawn(process.execPath, [this.#entry, "--config", this.#configFile], {
        env: Object.fromEntries(env),
        stdio: ["ignore", log, log],
        detached: true,
      });
    } finally {
      closeSync(log);
    }
  }

  /** Whatever is left of it, workers included. */
  #kill(): void {
    if (this.#child?.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, "SIGKILL");
    } catch {
      // nothing is left
    }
  }

  async #isReady(): Promise<boolean> {
    this.#urls ??= urlsIn(readFileSync(this.logFile).subarray(this.#logSeenBytes).toString("utf8"));
    if (!this.#urls) return false;
    try {
      return (await call({ method: "GET", url: `${this.#urls.admin}/readyz` })).status === 200;
    } catch {
      return false; // does not listen yet
    }
  }
}

/** The line of its log that says where it listens, also on a port that the system chose. */
function urlsIn(log: string): DaemonUrls | undefined {
  const line = log.split("\n").find((each) => each.includes('"msg":"starting"') && each.endsWith("}"));
  if (line === undefined) return undefined;
  const { listen, admin } = JSON.parse(line) as { listen: string; admin: string };
  return { proxy: listen, admin };
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}
