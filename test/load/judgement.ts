/** What the clients of a switch are asked, and how they sum up what they saw. */
import { percentile } from "../../bench/statistics.ts";
import {
  type SeenRequest,
  type SeenSwitch,
  sentAfterAnswer,
  spansOf,
  stale,
  turnedBack,
} from "./seen-requests.ts";

/** A stretch of time; those with the same name are also taken together. */
export interface Window {
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Latency {
  readonly requests: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface ToJudge {
  readonly switches: readonly SeenSwitch[];
  readonly windows: readonly Window[];
}

export type ToSwitchClients =
  /** Forgets what was seen. `paceMs` is between two requests of one client, 0: one after the other. */
  | { readonly do: "begin"; readonly paceMs: number }
  /** Answered when so many have been sent from now on and have ended. */
  | { readonly do: "more"; readonly count: number }
  /** Answered when the last request has ended. */
  | { readonly do: "stop" }
  | ({ readonly do: "judge" } & ToJudge);

export interface Judgement {
  readonly requests: number;
  /** The first few, like all lists here. */
  readonly failures: readonly SeenRequest[];
  /** How many were sent after the answer of a switch; and those of them that the old version answered. */
  readonly sentAfterAnswer: number;
  /** The least of these for one switch. */
  readonly leastSentAfterAnswer: number;
  readonly stale: readonly SeenRequest[];
  readonly turnedBackOnConnection: readonly SeenRequest[];
  readonly turnedBackAnywhere: readonly SeenRequest[];
  /** In the order of the windows; null: no request. */
  readonly windows: readonly (Latency | null)[];
  readonly together: Readonly<Record<string, Latency | null>>;
}

const MOST_TOLD = 10;

export function judge(requests: readonly SeenRequest[], { switches, windows }: ToJudge): Judgement {
  const spans = spansOf(requests, switches);
  const sent = spans.map((span) => sentAfterAnswer(span).length);
  const inWindows = windows.map(({ fromMs, toMs }) => latencies(requests, fromMs, toMs));
  const names = Map.groupBy(windows.keys(), (i) => windows[i]?.name ?? "");
  const together = [...names].map(([name, own]) => [name, summary(own.flatMap((i) => inWindows[i] ?? []))]);
  const few = (found: readonly SeenRequest[]): readonly SeenRequest[] => found.slice(0, MOST_TOLD);
  return {
    requests: requests.length,
    failures: few(requests.filter(({ isAnswered }) => !isAnswered)),
    sentAfterAnswer: sent.reduce((sum, each) => sum + each, 0),
    leastSentAfterAnswer: Math.min(...sent),
    stale: few(spans.flatMap(stale)),
    turnedBackOnConnection: few(spans.flatMap((span) => turnedBack(span, false))),
    turnedBackAnywhere: few(spans.flatMap((span) => turnedBack(span, true))),
    windows: inWindows.map(summary),
    together: Object.fromEntries(together) as Judgement["together"],
  };
}

/** A request belongs to the window in which it ended. */
function latencies(requests: readonly SeenRequest[], fromMs: number, toMs: number): number[] {
  return requests
    .filter(({ endedMs }) => endedMs >= fromMs && endedMs < toMs)
    .map(({ latencyMs }) => latencyMs);
}

function summary(latenciesMs: readonly number[]): Latency | null {
  if (latenciesMs.length === 0) return null;
  const sorted = Float64Array.from(latenciesMs).sort();
  const at = (share: number): number => percentile(sorted, share);
  return { requests: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}
