/**
 * The real daemon as the demo runs it: a child process with a config file and a state folder in a temp
 * folder. Can be ended, started again, and is never left behind.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
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
/** Longer than the grace that the demo's config gives. */
const STOP_LIMIT_MS = 8_000;
const LAST_LINES = 20;

/** What of the caller's environment would change the demo. */
const NOT_INHERITED =
  /^(SERVER_HOST|SERVER_PORT|BACKEND_.*|ACTIVE_VERSION|WORKERS|STATE_DIR|ADMIN_.*|LOG_LEVEL|CONFIG_FILE)$/;

export class DaemonProcess {
  readonly logFile: string;
  readonly #configFile: string;
  readonly #adminUrl: string;
  readonly #onDeath: (why: string) => void;
  #child: ChildProcess | undefined;
  #isEnding = false;

  /** @param onDeath called when it ends and nobody asked it to. */
  constructor(options: { dir: string; config: object; adminUrl: string; onDeath: (why: string) => void }) {
    this.#configFile = join(options.dir, "config.yaml");
    this.logFile = join(options.dir, "daemon.log");
    this.#adminUrl = options.adminUrl;
    this.#onDeath = options.onDeath;
    writeFileSync(this.#configFile, `${JSON.stringify(options.config, null, 2)}\n`); // YAML is a superset of JSON
    process.once("exit", () => this.#kill());
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** @throws StartError when it ends, or is not ready in time. */
  async start(): Promise<void> {
    this.#isEnding = false;
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
      return spawn(process.execPath, [ENTRY, "--config", this.#configFile], {
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
    try {
      return (await call({ method: "GET", url: `${this.#adminUrl}/readyz` })).status === 200;
    } catch {
      return false; // does not listen yet
    }
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}
