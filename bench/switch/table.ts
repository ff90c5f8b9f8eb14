/** The samples of the bench of the switch as text, and whether what is promised of it was kept. */
import type { Latency } from "../../test/load/judgement.ts";
import { alignColumns } from "../report.ts";
import { median, percentile } from "../statistics.ts";
import type { Around, AroundSample, CallSample, RollbackSample } from "./measures.ts";

export const CALL_LIMIT_MS = 100;
export const ROLLBACK_LIMIT_MS = 250;
export const P99_RATIO_LIMIT = 1.5;

export interface Promised {
  readonly promise: string;
  readonly figure: string;
  readonly isHeld: boolean;
}

const PHASES = ["prepare_ms", "persist_ms", "commit_ms"] as const;

type Timed = CallSample | RollbackSample | AroundSample;

export function callTable(groups: Readonly<Record<string, readonly Timed[]>>): string {
  const head = [
    "",
    "calls",
    "p50 ms",
    "p99 ms",
    "max ms",
    ...PHASES.map((phase) => `${phase} p50/p99`),
    "new connections p50",
  ];
  const rows = Object.entries(groups).map(([name, samples]) => [
    name,
    `${samples.length}`,
    ...[0.5, 0.99, 1].map((share) => at(callTimes(samples), share)),
    ...PHASES.map((phase) => {
      const times = samples.map(({ phases }) => phases[phase] ?? 0);
      return `${at(times, 0.5)}/${at(times, 0.99)}`;
    }),
    openedText(samples),
  ]);
  return alignColumns([head, ...rows]);
}

export function aroundTable(groups: readonly Around[]): string {
  const head = ["", "requests", "p50 ms", "p99 ms", "max ms", "p99 / calm"];
  const rows = groups.flatMap(({ load, together }) => {
    const calm = together.calm ?? null;
    return ["calm", "around"].map((name) => row(`${load} ${name}`, together[name] ?? null, calm));
  });
  return alignColumns([head, ...rows]);
}

/** p99 by tenths of a second from the call: shows when what there is to feel is felt. */
export function sliceTable(groups: readonly Around[]): string {
  const names = Object.keys(groups[0]?.together ?? {})
    .filter((name) => Number.isFinite(Number(name)))
    .sort((a, b) => Number(a) - Number(b));
  const rows = groups.map(({ load, together }) => [
    `${load} p99 ms`,
    ...names.map((name) => together[name]?.p99Ms.toFixed(1) ?? "-"),
  ]);
  return alignColumns([["ms from the call", ...names], ...rows]);
}

/** @param calls by what they are called in the table. */
export function promised(
  calls: Readonly<Record<string, readonly Timed[]>>,
  rollbacks: readonly RollbackSample[],
  around: readonly Around[],
): Promised[] {
  const rollbackMs = Number(at(callTimes(rollbacks), 1));
  const handshakes = rollbacks.reduce((sum, { newConnections }) => sum + newConnections, 0);
  return [
    ...Object.entries(calls).map(([name, samples]) => callPromise(name, samples)),
    {
      promise: `every rollback < ${ROLLBACK_LIMIT_MS} ms`,
      figure: `${rollbackMs} ms`,
      isHeld: rollbackMs < ROLLBACK_LIMIT_MS,
    },
    { promise: "rollbacks make no new connection", figure: `${handshakes}`, isHeld: handshakes === 0 },
    ...around.map(ratioPromise),
  ];
}

function callPromise(name: string, samples: readonly Timed[]): Promised {
  const p99Ms = Number(at(callTimes(samples), 0.99));
  return {
    promise: `p99 of a call < ${CALL_LIMIT_MS} ms, ${name}`,
    figure: `${p99Ms} ms`,
    isHeld: p99Ms < CALL_LIMIT_MS,
  };
}

function ratioPromise({ load, samples, together }: Around): Promised {
  const ratio = (together.around?.p99Ms ?? Number.NaN) / (together.calm?.p99Ms ?? Number.NaN);
  const ofPairs = median(samples.map((sample) => sample.around.p99Ms / sample.calm.p99Ms));
  return {
    promise: `p99 in the second around a switch <= ${P99_RATIO_LIMIT} x without, ${load} load`,
    figure: `${ratio.toFixed(2)}; median of ${samples.length} pairs ${ofPairs.toFixed(2)}`,
    isHeld: ratio <= P99_RATIO_LIMIT,
  };
}

function row(name: string, latency: Latency | null, calm: Latency | null): string[] {
  if (latency === null || calm === null) return [name, "0", "-", "-", "-", "-"];
  const { requests, p50Ms, p99Ms, maxMs } = latency;
  const ratio = (p99Ms / calm.p99Ms).toFixed(2);
  return [name, `${requests}`, p50Ms.toFixed(2), p99Ms.toFixed(2), maxMs.toFixed(1), ratio];
}

const callTimes = (samples: readonly Timed[]): number[] => samples.map(({ callMs }) => callMs);

function openedText(samples: readonly Timed[]): string {
  const opened = samples.flatMap((sample) => ("newConnections" in sample ? [sample.newConnections] : []));
  return opened.length === 0 ? "-" : `${median(opened)}`;
}

function at(values: readonly number[], share: number): string {
  return percentile(
    values.toSorted((a, b) => a - b),
    share,
  ).toFixed(1);
}
