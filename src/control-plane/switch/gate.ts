/**
 * The gate's judgement: what every worker's probes saw of the target, and whether that lets a switch through.
 *
 * Pure. The probes themselves run in the workers; the fleet asks them.
 */
import type { Version } from "../../core/version.ts";
import type { BackendProbe } from "../../ipc/messages.ts";
import { mostTelling } from "../../ipc/most-telling.ts";
import type { WorkerPrepared } from "../workers/fleet.ts";
import { roundMs } from "./round-ms.ts";
import { SwitchRefusal } from "./switch-refusal.ts";
import { SAW_MAX_LENGTH, whatWasBad } from "./what-was-bad.ts";

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
  /** Those that tell most; of each backend oldest first. */
  readonly probes: readonly GateProbe[];
  /** Its connections to the target that were open and waited for traffic. */
  readonly warm_connections: number;
  /** How many were asked, and of those how many had to pass, and did. */
  readonly backends: { readonly asked: number; readonly needed: number; readonly passed: number };
}

export interface GateProbe {
  readonly backend: string;
  readonly ok: boolean;
  readonly saw: string;
  readonly status: number | null;
  readonly duration_ms: number;
}

/** What the last gate saw of a version. */
export interface LastProbe extends Sight {
  /** ISO 8601, UTC. */
  readonly at: string;
  /** By name; one that no worker has seen to its end is not there. */
  readonly backends: ReadonlyMap<string, BackendSight>;
}

interface Sight {
  readonly ok: boolean;
  readonly saw: string;
}

export interface BackendSight {
  readonly ok: boolean;
  /** null: the report had no room for it. */
  readonly saw: string | null;
}

export const GATE_SKIPPED: GateResult = { outcome: "skipped", workers: [] };

const NONE_TAKES_TRAFFIC = "no backend that takes traffic";
/** So that one entry of the history stays small: the last probes of each worker, and their words cut. */
const PROBES_IN_HISTORY = 5;

/** @throws SwitchRefusal GATE_REFUSED unless every worker passed, NOT_READY when there is none. */
export function judgeGate(version: Version, prepared: readonly WorkerPrepared[]): GateResult {
  if (prepared.length === 0)
    throw new SwitchRefusal("NOT_READY", "no worker is listening yet; nothing changed");
  const workers = prepared.map(toGateWorker);
  if (workers.every(({ passed }) => passed)) return { outcome: "passed", workers };
  const why = isEmpty(prepared)
    ? `${version} has ${NONE_TAKES_TRAFFIC}`
    : `${version} did not pass its health check: ${whatWasBad(prepared)}`;
  throw new SwitchRefusal("GATE_REFUSED", `${why}; nothing changed`, { details: { gate: { workers } } });
}

/** A gate in a line, passed or not, and each backend. */
export function summary(prepared: readonly WorkerPrepared[]): Omit<LastProbe, "at"> {
  const ok = prepared.every(({ report }) => report?.passed === true);
  const told = prepared.flatMap(({ report }) => report?.probes ?? []);
  const good =
    told
      .filter((probe) => probe.ok)
      .at(-1)
      ?.saw.slice(0, SAW_MAX_LENGTH) ?? "";
  const why = isEmpty(prepared) ? NONE_TAKES_TRAFFIC : whatWasBad(prepared);
  return { ok, saw: ok ? good : why, backends: sights(prepared, told) };
}

/** A backend that any worker saw fail has failed. */
function sights(
  prepared: readonly WorkerPrepared[],
  told: readonly BackendProbe[],
): ReadonlyMap<string, BackendSight> {
  const saw = new Map(told.map((probe) => [`${probe.ok} ${probe.backend}`, probe.saw])); // the last of each counts
  const sightOf = (ok: boolean, backend: string): [string, BackendSight] => [
    backend,
    { ok, saw: saw.get(`${ok} ${backend}`)?.slice(0, SAW_MAX_LENGTH) ?? null },
  ];
  return new Map([
    ...prepared.flatMap(({ report }) => report?.backends.good.map((name) => sightOf(true, name)) ?? []),
    ...prepared.flatMap(({ report }) => report?.backends.bad.map((name) => sightOf(false, name)) ?? []),
  ]);
}

function isEmpty(prepared: readonly WorkerPrepared[]): boolean {
  return prepared.some(({ report }) => report?.backends.asked === 0);
}

/** The gate as the history keeps it. */
export function forHistory({ outcome, workers }: GateResult): GateResult {
  return {
    outcome,
    workers: workers.map((worker) => ({
      ...worker,
      probes: mostTelling([...byBackend(worker.probes).values()], PROBES_IN_HISTORY),
    })),
  };
}

function byBackend(probes: readonly GateProbe[]): ReadonlyMap<string, GateProbe[]> {
  return Map.groupBy(probes, ({ backend }) => backend);
}

function toGateWorker({ worker, pid, report }: WorkerPrepared): GateWorker {
  return {
    worker,
    pid,
    passed: report?.passed ?? false,
    answered: report !== null,
    probes: report?.probes.map(toGateProbe) ?? [],
    warm_connections: report?.warm ?? 0,
    backends: {
      asked: report?.backends.asked ?? 0,
      needed: report?.backends.needed ?? 0,
      passed: report?.backends.good.length ?? 0,
    },
  };
}

function toGateProbe({ backend, ok, saw, status, durationMs }: BackendProbe): GateProbe {
  return { backend, ok, saw: saw.slice(0, SAW_MAX_LENGTH), status, duration_ms: roundMs(durationMs) };
}
