/**
 * Columns: what a balancer sees of a pool, as numbers. Made anew when rows come or go; see candidates.ts.
 */

import type { Backend } from "./backend.ts";
import type { Candidates } from "./candidates.ts";

export class Columns implements Candidates {
  readonly names: readonly string[];
  readonly configuredWeights: Float64Array;
  readonly weights: Float64Array;
  readonly inFlight: Float64Array;
  readonly latencyMs: Float64Array;

  /** @param before where what was measured of a backend that stays is taken from. */
  constructor(backends: readonly Backend[], before?: Columns) {
    const rowBefore = new Map(before?.names.map((name, row) => [name, row]));
    this.names = backends.map(({ name }) => name);
    this.configuredWeights = Float64Array.from(backends, ({ weight }) => weight);
    this.weights = new Float64Array(backends.length);
    this.inFlight = Float64Array.from(backends, ({ inFlight }) => inFlight);
    this.latencyMs = Float64Array.from(this.names, (name) => {
      const row = rowBefore.get(name);
      return row === undefined ? 0 : (before?.latencyMs[row] ?? 0);
    });
  }
}
