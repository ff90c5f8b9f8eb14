/**
 * Prepare: a worker's side of a switch. Probes the target through the worker's own pool, so that its
 * connections are proved and stay warm, and says what it saw.
 *
 * Ends by itself within its limit, also when nobody is left to tell it to.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ProbeConfig } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import { type Ask, type ProbeReport, probe } from "../health/probe.ts";
import type { PrepareReport } from "../ipc/messages.ts";

/** What a report holds at most: with `wait` a gate may probe for minutes. */
const MOST_PROBES_TOLD = 20;
/** With an interval of 0s a target that refuses connections would be asked as fast as the machine can. */
const SHORTEST_PAUSE_AFTER_BAD_MS = 10;

export interface PrepareLimits {
  /** While it lasts a bad probe does not refuse. */
  readonly waitMs: number;
  /** For everything; what still runs then is given up, and that is a refusal. */
  readonly totalMs: number;
}

/**
 * Passes after `successes` good probes in a row. A bad one refuses at once, or, while `waitMs` lasts, starts the
 * count anew. Never rejects.
 */
export async function prepare(
  ask: Ask,
  config: ProbeConfig,
  { waitMs, totalMs }: PrepareLimits,
  clock: Clock,
  signal: AbortSignal,
): Promise<PrepareReport> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), totalMs);
  try {
    const stop = AbortSignal.any([signal, limit.signal]);
    return await probeInARow(ask, config, waitMs, clock, stop);
  } finally {
    clearTimeout(timer);
  }
}

async function probeInARow(
  ask: Ask,
  config: ProbeConfig,
  waitMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<PrepareReport> {
  const startedMs = clock.nowMs();
  const probes: ProbeReport[] = [];
  for (let inARow = 0; inARow < config.successes; ) {
    if (probes.length > 0) {
      const waitLeftMs = waitMs - (clock.nowMs() - startedMs);
      await pause(inARow > 0 ? config.intervalMs : pauseAfterBadMs(config, waitLeftMs), signal);
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

/** Not past the time to wait: the last probe is made when that ends. */
function pauseAfterBadMs({ intervalMs }: ProbeConfig, waitLeftMs: number): number {
  return Math.max(1, Math.min(Math.max(intervalMs, SHORTEST_PAUSE_AFTER_BAD_MS), waitLeftMs));
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await sleep(ms, undefined, { signal }).catch(() => {}); // a stop shows in the next probe
}
