/** What the tests of the balancers have in common: one that is ready, and its picks in a row. */
import type {
  Balancer,
  BalancerKind,
  BalancerOptions,
  Candidates,
} from "../../../../src/data-plane/pick/balancer.ts";
import { mix } from "../../../../src/data-plane/pick/hash.ts";

export function createBalancer(
  kind: BalancerKind,
  candidates: Candidates,
  options: Partial<BalancerOptions> = {},
): Balancer {
  const balancer = kind.create({ seed: 1, worker: 0, workers: 1, ...options });
  balancer.reset(candidates);
  return balancer;
}

/** The hash of some key; another number gives another. */
export function someKey(number: number): number {
  return mix(Math.imul(number + 1, 0x01000193)) >>> 1;
}

/** Nothing stays in flight; each pick has another key. */
export function picks(balancer: Balancer, candidates: Candidates, count: number, firstKey = 0): number[] {
  return Array.from({ length: count }, (_, i) => balancer.pick(candidates, someKey(firstKey + i)));
}

/** The names of what is picked, one letter each: `AABACAA`. */
export function pickedNames(balancer: Balancer, candidates: Candidates, count: number): string {
  return picks(balancer, candidates, count)
    .map((row) => candidates.names[row] ?? "-")
    .join("");
}

/** Which part of the picks is `row`'s. */
export function share(picked: readonly number[], row: number): number {
  return picked.filter((one) => one === row).length / picked.length;
}

/** How often each row was picked. */
export function countsOf(picked: readonly number[], rows: number): number[] {
  const counts = Array.from({ length: rows }, () => 0);
  for (const row of picked) counts[row] = (counts[row] ?? 0) + 1;
  return counts;
}
