/** Rounds: load on the daemon, and one move after the other meanwhile, until the plan is done. */
import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "../core/clock.ts";
import type { DaemonUrls } from "../own-daemon/daemon-process.ts";
import { runClients } from "./clients.ts";
import { Ledger } from "./ledger.ts";
import type { Load } from "./load.ts";
import { type Killed, type Moved, Operator } from "./operator.ts";
import type { Move } from "./plan.ts";
import type { Found } from "./result.ts";
import { Timeline } from "./timeline.ts";

/** Before the first move: every kind of load runs by then. */
const WARM_UP_MS = 500;
/** From the answer of a switch to the kill: the drain has begun. */
const KILL_AFTER_MS = 300;

export interface Watcher {
  moved(number: number, moved: Moved): void;
  killed(killed: Killed): void;
}

/** @param version that is active at the start. @throws StartError when the daemon fails in a way that ends the drill. */
export async function runRounds(
  moves: readonly Move[],
  { urls, version, clock, watcher }: { urls: DaemonUrls; version: string; clock: Clock; watcher: Watcher },
): Promise<Found> {
  const startMs = clock.nowMs();
  const timeline = new Timeline(version, startMs);
  const ledger = new Ledger(timeline, clock.nowMs);
  const port = Number(new URL(urls.proxy).port);
  const operator = new Operator({ adminUrl: urls.admin, proxyPort: port, timeline, ledger, clock });
  const load: Load = { port, ledger, clock, isEnding: false };
  const done: Moved[] = [];
  const problems: string[] = [];
  let killed: Killed | null = null;

  const clients = runClients(load);
  try {
    await delay(WARM_UP_MS);
    for (const move of moves) {
      const problem = move.isRehearsed ? await operator.rehearse(move) : null;
      if (problem !== null) problems.push(`dry run: ${problem}`);
      const moved = await operator.move(move);
      watcher.moved(done.push(moved), moved);
      if (move.killsWorker) {
        await delay(KILL_AFTER_MS);
        killed = await operator.killWorker();
        watcher.killed(killed);
      }
      await delay(move.pauseMs);
    }
  } finally {
    load.isEnding = true;
  }
  await clients;
  return { ledger, moves: done, killed, problems, startMs, endMs: clock.nowMs() };
}
