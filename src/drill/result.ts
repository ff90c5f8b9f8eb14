/** Result: what a drill found, as `--json` prints it, and the verdict. Pure. */
import { KINDS, type Kind } from "./kinds.ts";
import type { Ledger, Loss } from "./ledger.ts";
import type { Killed, Moved } from "./operator.ts";

export interface KindResult {
  readonly done: number;
  readonly lost: number;
  readonly cut_by_kill: number;
  readonly ended_by_drain: number;
  readonly stale: number;
  readonly p50_ms: number | null;
  readonly p99_ms: number | null;
  readonly around_p50_ms: number | null;
  readonly around_p99_ms: number | null;
}

export interface DrillResult {
  readonly passed: boolean;
  readonly lost: number;
  readonly stale: number;
  /** Calls that were not answered as they should, and kinds of load of which nothing was done. */
  readonly problems: readonly string[];
  readonly seconds: number;
  readonly kinds: Readonly<Record<Kind, KindResult>>;
  readonly switches: readonly {
    readonly call: Moved["call"];
    readonly to: string;
    readonly hold: string | null;
    readonly status: number;
    readonly ms: number;
    readonly phases: Readonly<Record<string, number>>;
    readonly done_meanwhile: number;
  }[];
  readonly kill: {
    readonly pid: number;
    readonly connections: number | null;
    readonly replaced_ms: number;
  } | null;
  /** The first 20 of what was lost or stale. */
  readonly losses: readonly { readonly at_seconds: number; readonly kind: Kind; readonly why: string }[];
}

export interface Found {
  readonly ledger: Ledger;
  readonly moves: readonly Moved[];
  readonly killed: Killed | null;
  /** What went wrong besides the moves. */
  readonly problems: readonly string[];
  readonly startMs: number;
  readonly endMs: number;
}

/** It has passed when every call was answered as it should, every kind of load did something, and nothing was lost or stale. */
export function resultOf({ ledger, moves, killed, problems, startMs, endMs }: Found): DrillResult {
  const lost = ledger.total("lost");
  const stale = ledger.total("stale");
  const all = [
    ...problems,
    ...moves.flatMap(({ problem }, i) => (problem === null ? [] : [`switch ${i + 1}: ${problem}`])),
    ...KINDS.filter((kind) => ledger.kinds[kind].done === 0).map((kind) => `${kind}: nothing was done`),
  ];
  return {
    passed: lost === 0 && stale === 0 && all.length === 0,
    lost,
    stale,
    problems: all,
    seconds: seconds(endMs - startMs),
    kinds: Object.fromEntries(KINDS.map((kind) => [kind, kindResult(ledger, kind)])) as DrillResult["kinds"],
    switches: moves.map(({ call, to, hold, status, ms, phases, meanwhile }) => ({
      ...{ call, to, hold, status, ms, phases },
      done_meanwhile: meanwhile,
    })),
    kill: killed && { pid: killed.pid, connections: killed.connections, replaced_ms: killed.replacedMs },
    losses: ledger.losses.map((loss) => lossResult(loss, startMs)),
  };
}

function kindResult(ledger: Ledger, kind: Kind): KindResult {
  const tally = ledger.kinds[kind];
  return {
    done: tally.done,
    lost: tally.lost,
    cut_by_kill: tally.cutByKill,
    ended_by_drain: tally.endedByDrain,
    stale: tally.stale,
    p50_ms: tally.overall.percentileMs(0.5),
    p99_ms: tally.overall.percentileMs(0.99),
    around_p50_ms: tally.around.percentileMs(0.5),
    around_p99_ms: tally.around.percentileMs(0.99),
  };
}

function lossResult({ atMs, kind, why }: Loss, startMs: number): DrillResult["losses"][number] {
  return { at_seconds: seconds(atMs - startMs), kind, why };
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10;
}
