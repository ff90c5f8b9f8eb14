/** The columns of a pool without backends, which a test or a bench writes as it likes. */
import type { Candidates } from "../../src/data-plane/pick/balancer.ts";

/** @param pool each row's name with its weight, which is the configured one too. Idle, latency unknown. */
export function candidatesOf(pool: Readonly<Record<string, number>>): Candidates {
  const weights = Object.values(pool);
  return {
    names: Object.keys(pool),
    configuredWeights: Float64Array.from(weights),
    weights: Float64Array.from(weights),
    inFlight: new Float64Array(weights.length),
    latencyMs: new Float64Array(weights.length),
  };
}

/** @returns rows `b0`, `b1`, …, each of the same weight. */
export function equalCandidates(rows: number, weight = 1): Candidates {
  return candidatesOf(Object.fromEntries(Array.from({ length: rows }, (_, row) => [`b${row}`, weight])));
}

/** Row `row` takes nothing, or again as much as is configured. */
export function setAvailable(candidates: Candidates, row: number, isAvailable: boolean): void {
  candidates.weights[row] = isAvailable ? (candidates.configuredWeights[row] ?? 0) : 0;
}
