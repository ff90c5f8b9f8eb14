/**
 * Prepare: a worker's side of a switch. Probes the target through the worker's own pool, so that its
 * connections are proved and stay warm, and says what it saw.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ProbeConfig } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import { type Ask, type ProbeReport, probe } from "../health/probe.ts";
import type { PrepareReport } from "../ipc/messages.ts";

/** What a report holds at most: with `wait` a gate may probe for minutes. */
const MOST_PROBES_TOLD = 20;

/**
 * Passes after `successes` good probes in a row. A bad one refuses at once, or, while `waitMs` lasts, starts the
 * count anew. Never rejects.
 */
export async function prepare(
  ask: Ask,
  config: ProbeConfig,
  waitMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<PrepareReport> {
  const startedMs = clock.nowMs();
  const probes: ProbeReport[] = [];
  for (let inARow = 0; inARow < config.successes; ) {
    if (probes.length > 0 && config.intervalMs > 0) {
      await sleep(config.intervalMs, undefined, { signal }).catch(() => {}); // a stop shows in the next probe
    }
    const report = await probe(ask, config, clock, signal);
    probes.push(report);
    if (probes.length > MOST_PROBES_TOLD) probes.shift();
    inARow = report.ok ? inARow + 1 : 0;
    if (!report.ok && (signal.aborted || clock.nowMs() - startedMs >= waitMs))
      return { passed: false, probes };
  }
  return { passed: true, probes };
}
