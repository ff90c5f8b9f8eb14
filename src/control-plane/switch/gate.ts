/**
 * The gate's judgement: what every worker's probes saw of the target, and whether that lets a switch through.
 *
 * Pure. The probes themselves run in the workers; the fleet asks them.
 */
import type { Version } from "../../core/version.ts";
import type { ProbeReport } from "../../health/probe.ts";
import type { WorkerPrepared } from "../workers/fleet.ts";
import { SwitchRefusal } from "./switch-refusal.ts";

/** As answered; `skipped` is a forced switch. */
export interface GateResult {
  readonly outcome: "passed" | "skipped";
  readonly workers: readonly GateWorker[];
}

export interface GateWorker {
  readonly worker: number;
  readonly pid: number;
  readonly passed: boolean;
  /** Whether the worker told what it saw. */
  readonly answered: boolean;
  /** Oldest first. */
  readonly probes: readonly GateProbe[];
  /** Its connections to the target that were open and waited for traffic. */
  readonly warm_connections: number;
}

export interface GateProbe {
  readonly ok: boolean;
  readonly saw: string;
  readonly status: number | null;
  readonly duration_ms: number;
}

/** What the last gate saw of a version. */
export interface LastProbe {
  readonly ok: boolean;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly saw: string;
}

export const GATE_SKIPPED: GateResult = { outcome: "skipped", workers: [] };

/** So that one entry of the history stays small: the last probes of each worker, and their words cut. */
const PROBES_IN_HISTORY = 5;
const SAW_MAX_LENGTH = 200;

/** @throws SwitchRefusal GATE_REFUSED unless every worker passed, NOT_READY when there is none. */
export function judgeGate(version: Version, prepared: readonly WorkerPrepared[]): GateResult {
  if (prepared.length === 0)
    throw new SwitchRefusal("NOT_READY", "no worker is listening yet; nothing changed");
  const workers = prepared.map(toGateWorker);
  if (workers.every(({ passed }) => passed)) return { outcome: "passed", workers };
  throw new SwitchRefusal(
    "GATE_REFUSED",
    `${version} did not pass its health check: ${whatWasBad(prepared)}; nothing changed`,
    { details: { gate: { workers } } },
  );
}

/** One line about a gate, passed or not. */
export function summary(prepared: readonly WorkerPrepared[]): { ok: boolean; saw: string } {
  const workers = prepared.map(toGateWorker);
  const ok = workers.every(({ passed }) => passed);
  const good = workers.flatMap(({ probes }) => probes).at(-1)?.saw ?? "";
  return { ok, saw: ok ? good : whatWasBad(prepared) };
}

/** The gate as the history keeps it. */
export function forHistory({ outcome, workers }: GateResult): GateResult {
  return {
    outcome,
    workers: workers.map((worker) => ({ ...worker, probes: worker.probes.slice(-PROBES_IN_HISTORY) })),
  };
}

/**
 * The first bad probe says most, then one that was cut short because another worker had refused, then a worker
 * that said nothing.
 */
function whatWasBad(prepared: readonly WorkerPrepared[]): string {
  const bad = prepared.flatMap(({ report }) => report?.probes ?? []).filter(({ ok }) => !ok);
  const telling = bad.find(({ isCutShort }) => isCutShort !== true) ?? bad[0];
  if (telling !== undefined) return toGateProbe(telling).saw;
  const silent = prepared.find(({ report }) => report === null);
  if (silent !== undefined) return `worker ${silent.worker} did not answer`;
  const failed = prepared.find(({ report }) => report?.passed !== true);
  return `worker ${failed?.worker ?? "?"} did not see enough good probes in time`;
}

function toGateWorker({ worker, pid, report }: WorkerPrepared): GateWorker {
  return {
    worker,
    pid,
    passed: report?.passed ?? false,
    answered: report !== null,
    probes: report?.probes.map(toGateProbe) ?? [],
    warm_connections: report?.warm ?? 0,
  };
}

function toGateProbe({ ok, saw, status, durationMs }: ProbeReport): GateProbe {
  return { ok, saw: saw.slice(0, SAW_MAX_LENGTH), status, duration_ms: roundMs(durationMs) };
}

/** Tenths of a millisecond say enough. */
export function roundMs(ms: number): number {
  return Math.round(ms * 10) / 10;
}
