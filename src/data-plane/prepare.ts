/**
 * Prepare: a worker's side of a switch, for one backend. Probes it through the worker's own pool, so that its
 * connections are proved and stay warm, lets more be opened for the traffic, and says what it saw.
 *
 * Ends by itself within its limit, also when nobody is left to tell it to.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ProbeConfig } from "../config/probe-config.ts";
import type { Clock } from "../core/clock.ts";
import { type Ask, type ProbeReport, probe } from "../health/probe.ts";
import { Turns } from "./turns.ts";
import type { WarmUpResult } from "./warm-up.ts";

/** What one worker saw of one backend. */
export interface BackendReport {
  readonly passed: boolean;
  /** The last probes, oldest first; at most 20. */
  readonly probes: readonly ProbeReport[];
  /** Connections to it that are open and wait for traffic. */
  readonly warm: number;
}

/** What a report holds at most: with `wait` a gate may probe for minutes. */
const MOST_PROBES_TOLD = 20;
/** With an interval of 0s a target that refuses connections would be asked as fast as the machine can. */
const SHORTEST_PAUSE_AFTER_BAD_MS = 10;

export interface PrepareLimits {
  /** While it lasts a bad probe does not refuse. */
  readonly waitMs: number;
  /** For everything; what still runs then is given up, and that is a refusal. */
  readonly totalMs: number;
  /** Of all backends of its pool: each probe, and the warm-up, waits for its turn. */
  readonly turns?: Turns;
  /** False: whatever it says, nobody waits for it any more. */
  isWanted?(): boolean;
}

/** The pool of the target, as far as prepare knows it. */
export interface Warming {
  /** Opens the connections that the traffic will want. Never rejects. */
  warmUp(signal: AbortSignal): Promise<WarmUpResult>;
  /** How many are open and idle. */
  warm(): number;
}

/**
 * Passes after `successes` good probes in a row and the warm-up. A bad one refuses at once, or, while `waitMs` lasts,
 * starts the count anew. Never rejects.
 */
export async function prepare(
  ask: Ask,
  warming: Warming,
  config: ProbeConfig,
  { waitMs, totalMs, turns = new Turns(1), isWanted = () => true }: PrepareLimits,
  clock: Clock,
  signal: AbortSignal,
): Promise<BackendReport> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), totalMs);
  try {
    const stop = AbortSignal.any([signal, limit.signal]);
    return await probeInARow(ask, warming, config, { waitMs, turns, isWanted }, clock, stop);
  } finally {
    clearTimeout(timer);
  }
}

async function probeInARow(
  ask: Ask,
  warming: Warming,
  config: ProbeConfig,
  { waitMs, turns, isWanted }: Required<Omit<PrepareLimits, "totalMs">>,
  clock: Clock,
  signal: AbortSignal,
): Promise<BackendReport> {
  const startedMs = clock.nowMs();
  const probes: ProbeReport[] = [];
  const note = (report: ProbeReport): void => {
    probes.push(report);
    if (probes.length > MOST_PROBES_TOLD) probes.shift();
  };
  for (let inARow = 0; ; ) {
    if (probes.length > 0) {
      const waitLeftMs = waitMs - (clock.nowMs() - startedMs);
      await pause(inARow > 0 ? config.intervalMs : pauseAfterBadMs(config, waitLeftMs), signal);
    }
    const report = await turns.run(() => probe(ask, config, clock, signal));
    note(report);
    inARow = report.ok ? inARow + 1 : 0;
    if (inARow >= config.successes) {
      const fault = await turns.run(() => warmUpFault(warming, clock, signal));
      if (fault === null) return { passed: true, probes, warm: warming.warm() };
      note(fault);
      inARow = 0;
    }
    if (inARow === 0 && (signal.aborted || !isWanted() || clock.nowMs() - startedMs >= waitMs))
      return { passed: false, probes, warm: warming.warm() };
  }
}

/** A connection that cannot be made is told like a bad probe; null: all are open. */
async function warmUpFault(
  { warmUp }: Warming,
  clock: Clock,
  signal: AbortSignal,
): Promise<ProbeReport | null> {
  const startedMs = clock.nowMs();
  const { fault, isCutShort } = await warmUp(signal);
  if (fault === null) return null;
  const durationMs = Math.round((clock.nowMs() - startedMs) * 10) / 10;
  return {
    ok: false,
    saw: `warm-up: ${fault}`,
    status: null,
    durationMs,
    ...(isCutShort ? { isCutShort } : {}),
  };
}

/** Not past the time to wait: the last probe is made when that ends. */
function pauseAfterBadMs({ intervalMs }: ProbeConfig, waitLeftMs: number): number {
  return Math.max(1, Math.min(Math.max(intervalMs, SHORTEST_PAUSE_AFTER_BAD_MS), waitLeftMs));
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await sleep(ms, undefined, { signal }).catch(() => {}); // a stop shows in the next probe
}
