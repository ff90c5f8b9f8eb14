/**
 * Drill: the real daemon in front of two built-in backends, switched back and forth under load. Tells what was lost.
 *
 * Needs nothing and touches nothing of the operator's: processes of its own, free ports of loopback, a temp folder.
 * All of it is gone at the end, also after Ctrl-C.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../core/clock.ts";
import { StartError } from "../core/errors.ts";
import { DaemonProcess } from "../own-daemon/daemon-process.ts";
import { type Backends, startBackends } from "./backends.ts";
import { DRAIN, planMoves } from "./plan.ts";
import { killLine, moveLine, summary } from "./report.ts";
import { type DrillResult, resultOf } from "./result.ts";
import { runRounds } from "./rounds.ts";

export interface DrillOptions {
  /** At least 1. */
  readonly switches: number;
  /** One JSON object at the end, and nothing for people. */
  readonly isJson: boolean;
  /** Another program in place of the daemon, for tests. */
  readonly daemonEntry?: string;
}

export interface DrillOutput {
  out(text: string): void;
  err(text: string): void;
}

const WORKERS = 2;
/** Ctrl-C reaches us twice when npm passes on what the terminal already sent; only a later one means "now". */
const SECOND_SIGNAL_AFTER_MS = 1_000;

/**
 * Takes over the signals of the process, which is to end after it: clients of an interrupted drill may still run.
 *
 * @returns the exit code: 0 only when nothing was lost or stale, and every call was answered as it should.
 */
export async function runDrill(options: DrillOptions, { out, err }: DrillOutput): Promise<number> {
  const print = (line: string): void => (options.isJson ? undefined : out(`${line}\n`));
  const broken = Promise.withResolvers<never>();
  const fail = (why: string): void => broken.reject(new StartError(why, 1));
  onSignals(() => fail("interrupted, so there is no verdict"));
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined); // nobody reads: go on
  const opened: Opened = [];
  try {
    const result = await Promise.race([drill(options, { opened, print, fail }), broken.promise]);
    if (options.isJson) out(`${JSON.stringify(result)}\n`);
    for (const line of summary(result)) print(line);
    return result.passed ? 0 : 1;
  } catch (error) {
    err(`drill: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    for (const close of opened.reverse()) await close();
  }
}

/** What ends the processes that were started. */
type Opened = (() => void | Promise<void>)[];

interface Stage {
  readonly opened: Opened;
  readonly print: (line: string) => void;
  readonly fail: (why: string) => void;
}

async function drill(options: DrillOptions, { opened, print, fail }: Stage): Promise<DrillResult> {
  const dir = makeTempFolder();
  const backends = await startBackends(["v1", "v2"]);
  opened.push(() => backends.stop());
  const daemon = new DaemonProcess({
    dir,
    config: configOf(backends, dir),
    onDeath: fail,
    ...(options.daemonEntry === undefined ? {} : { entry: options.daemonEntry }),
  });
  opened.push(() => daemon.stop());
  await daemon.start();
  print(
    `daemon ${daemon.pid} with ${WORKERS} workers on ${daemon.urls.proxy}, under load; nothing of it is yours`,
  );
  const found = await runRounds(planMoves(options.switches), {
    urls: daemon.urls,
    version: "v1",
    clock: systemClock,
    watcher: {
      moved: (number, moved) => print(moveLine(number, moved)),
      killed: (killed) => print(killLine(killed)),
    },
  });
  return resultOf(found);
}

function makeTempFolder(): string {
  try {
    const dir = mkdtempSync(join(tmpdir(), "traffic-switching-drill-"));
    process.once("exit", () => rmSync(dir, { recursive: true, force: true }));
    mkdirSync(join(dir, "state"));
    return dir;
  } catch (cause) {
    throw new StartError(`cannot make a folder in ${tmpdir()}; set TMPDIR to one that can be written`, 1, {
      cause,
    });
  }
}

function configOf({ urls }: Backends, dir: string): object {
  return {
    server: { host: "127.0.0.1", port: 0, workers: WORKERS, shutdown_grace: "1s" },
    backends: urls,
    active_version: "v1",
    switch: {
      min_interval: "0s",
      drain: { deadline: `${DRAIN.deadlineMs}ms`, websocket_window: `${DRAIN.websocketWindowMs}ms` },
    },
    admin: { host: "127.0.0.1", port: 0 },
    state_dir: join(dir, "state"),
  };
}

/** The second one ends the process at once; the hooks of its end then kill what it started. */
function onSignals(stop: () => void): void {
  let firstAtMs: number | undefined;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (firstAtMs !== undefined && performance.now() - firstAtMs > SECOND_SIGNAL_AFTER_MS) process.exit(1);
      firstAtMs ??= performance.now();
      stop();
    });
  }
}
