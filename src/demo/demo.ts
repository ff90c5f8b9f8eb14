/**
 * The demo: small backends, one of v1 and two of v2, the real daemon in front of them, and what to try next.
 *
 * `npm run demo` runs until Ctrl-C (SIGTERM and SIGHUP do the same) and exits with 0; with 1 when the
 * daemon dies. SIGUSR2 restarts the daemon. `--smoke` does the printed steps itself and exits. Loopback only; all files
 * are in a temp folder that is removed at the end.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DaemonProcess } from "../own-daemon/daemon-process.ts";
import { listenOnOrElsewhere, startDemoBackend } from "./demo-backend.ts";
import { runSmoke } from "./smoke.ts";
import { curlLine, STEPS, type Urls } from "./steps.ts";

const PORTS = { proxy: 8080, admin: 8081, v1: 9001, v2: 9002, v2b: 9003 };
const COOL_DOWN = "10s";
const SHUTDOWN_GRACE = "5s";
/** Ctrl-C reaches us twice when npm passes on what the terminal already sent; only a later one means "now". */
const SECOND_SIGNAL_AFTER_MS = 1_000;

let signalledAtMs: number | undefined;
const isSmoke = process.argv.includes("--smoke");

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** `port` when it is free now, else another one that is. */
async function choosePort(port: number): Promise<number> {
  const server = createServer();
  await listenOnOrElsewhere(server, port);
  const chosen = (server.address() as AddressInfo).port;
  await new Promise((resolve) => server.close(resolve));
  return chosen;
}

function configOf(urls: Urls, stateDir: string): object {
  const portOf = (url: string): number => Number(new URL(url).port);
  return {
    server: { host: "127.0.0.1", port: portOf(urls.proxy), shutdown_grace: SHUTDOWN_GRACE },
    backends: { v1: urls.v1, v2: { targets: [urls.v2, urls.v2b] } },
    active_version: "v1",
    switch: { min_interval: COOL_DOWN },
    admin: { host: "127.0.0.1", port: portOf(urls.admin) },
    state_dir: stateDir,
  };
}

function guide(urls: Urls, logFile: string): string {
  return [
    "The daemon is ready.",
    "",
    `  proxy  ${urls.proxy}   (to the active version)`,
    `  v1     ${urls.v1}`,
    `  v2     ${urls.v2}   and ${urls.v2b}`,
    `  admin  ${urls.admin}`,
    "",
    "Try, in this order:",
    ...STEPS.flatMap((step) => ["", `  # ${step.says}`, `  ${curlLine(step, urls)}`]),
    "",
    "  # Restart the daemon: it comes back on the version it left",
    `  kill -USR2 ${process.pid}`,
    "",
    "More: /slow?ms=2000 and /events on the proxy; switch while they run.",
    `The daemon logs to ${logFile}`,
    "Ctrl-C ends everything.",
  ].join("\n");
}

async function main(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "traffic-switching-demo-"));
  process.once("exit", () => rmSync(dir, { recursive: true, force: true }));
  const stateDir = join(dir, "state");
  mkdirSync(stateDir);
  const v1 = await startDemoBackend("v1", PORTS.v1);
  const v2 = await startDemoBackend("v2", PORTS.v2);
  const v2b = await startDemoBackend("v2", PORTS.v2b);
  const urls: Urls = {
    proxy: `http://127.0.0.1:${await choosePort(PORTS.proxy)}`,
    admin: `http://127.0.0.1:${await choosePort(PORTS.admin)}`,
    v1: v1.url,
    v2: v2.url,
    v2b: v2b.url,
  };
  const daemon = new DaemonProcess({
    dir,
    config: configOf(urls, stateDir),
    onDeath: fail,
  });
  const end = async (): Promise<void> => {
    if (signalledAtMs !== undefined) {
      if (performance.now() - signalledAtMs > SECOND_SIGNAL_AFTER_MS) process.exit(1);
      return;
    }
    signalledAtMs = performance.now();
    print("\nending the daemon");
    await daemon.stop();
    process.exit(0);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void end());
  await daemon.start();
  const restart = async (): Promise<void> => {
    await daemon.stop();
    await daemon.start();
  };
  if (isSmoke) {
    await runSmoke(urls, restart, print);
    await daemon.stop();
    process.exit(0);
  }
  print(guide(urls, daemon.logFile));
  let restarting = Promise.resolve();
  process.on("SIGUSR2", () => {
    restarting = restarting.then(async () => {
      if (signalledAtMs !== undefined) return;
      print("restarting the daemon");
      await restart();
      print("the daemon is ready again");
    });
    restarting.catch((error: unknown) => fail(error instanceof Error ? error.message : String(error)));
  });
}

function fail(why: string): void {
  if (signalledAtMs !== undefined) return; // on the way out: what fails now fails because of that
  process.stderr.write(`demo: ${why}\n`);
  process.exit(1); // kills what is left of the daemon
}

process.stdout.on("error", () => undefined); // whoever read us is gone: go on
process.stderr.on("error", () => undefined);
main().catch((error: unknown) => fail(error instanceof Error ? error.message : String(error)));
