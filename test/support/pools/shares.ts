/** What clients of a pool have seen, summed up: who answered how many, and how soon. Pure. */
import { percentile } from "../../../bench/statistics.ts";
import type { Seen } from "./clients.ts";

/** By backend; those that answered nothing are not there. */
export function countsOf(seen: readonly Seen[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { backend } of seen) if (backend !== "") counts[backend] = (counts[backend] ?? 0) + 1;
  return counts;
}

/** Of all that was answered by any. */
export function shareOf(seen: readonly Seen[], backend: string): number {
  const answered = seen.filter((each) => each.backend !== "");
  return answered.length === 0
    ? 0
    : answered.filter((each) => each.backend === backend).length / answered.length;
}

/** In buckets of `bucketMs` from `fromMs` on, by when they were sent. */
export function sharesOverTime(
  seen: readonly Seen[],
  backend: string,
  { fromMs, bucketMs, buckets }: { fromMs: number; bucketMs: number; buckets: number },
): number[] {
  return Array.from({ length: buckets }, (_none, i) => {
    const [from, to] = [fromMs + i * bucketMs, fromMs + (i + 1) * bucketMs];
    return shareOf(
      seen.filter(({ sentMs }) => sentMs >= from && sentMs < to),
      backend,
    );
  });
}

export function latencyMs(seen: readonly Seen[], share: number): number {
  return percentile(Float64Array.from(seen, ({ sentMs, endedMs }) => endedMs - sentMs).sort(), share);
}

/** The most that one connection has seen fail; 0: none. */
export function mostFaultsOfOne(seen: readonly Seen[]): number {
  const faults = Map.groupBy(
    seen.filter(({ fault }) => fault !== null),
    ({ client }) => client,
  );
  return Math.max(0, ...[...faults.values()].map(({ length }) => length));
}

/** The first few, for the message of a test that failed. */
export function told(seen: readonly Seen[]): string {
  return seen
    .slice(0, 5)
    .map(
      ({ client, method, status, fault, sentMs, endedMs }) =>
        `connection ${client}: ${method} ${status} after ${(endedMs - sentMs).toFixed(0)} ms: ${fault}`,
    )
    .join("\n");
}
