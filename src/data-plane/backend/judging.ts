/**
 * Judging: what counts of each backend's weight now, and what is done when that leaves nothing. Pure.
 *
 * The one predicate of whether a backend is available; that one is full besides is the pool's to see.
 */
import type { OutlierConfig } from "../../config/pool-config.ts";
import { mostEjected } from "./outlier.ts";
import type { Standing } from "./standing.ts";

/** What is judged of a backend. */
export interface Judged {
  /** As the operator gave it. */
  readonly weight: number;
  readonly isDrained: boolean;
  readonly isReachable: boolean;
  readonly standing: Standing;
}

/**
 * Writes each one's weight into `weights`; 0: it takes nothing.
 *
 * @param usesAll what is done when none is fit: all are used all the same.
 * @returns whether that is done now.
 */
export function judgeAll(
  weights: Float64Array,
  backends: readonly Judged[],
  usesAll: boolean,
  nowMs: number,
): boolean {
  let isAnyFit = false;
  backends.forEach((backend, row) => {
    const counts = backend.isReachable ? fitness(backend, nowMs) : 0; // its standing is not told of a mere doubt
    weights[row] = counts;
    if (counts > 0) isAnyFit = true;
  });
  if (isAnyFit) return false;
  if (!usesAll) {
    // Better one that may be dead than none: a client could shut a version off with a request that ends its backend's process.
    for (const [row, backend] of backends.entries()) weights[row] = fitness(backend, nowMs);
    return false;
  }
  const used = lastResorts(backends);
  for (const row of used) weights[row] = backends[row]?.weight ?? 0;
  return used.length > 0;
}

/** What counts of its weight, as far as something is known against it. */
function fitness({ weight, standing }: Judged, nowMs: number): number {
  return weight * standing.factor(nowMs);
}

/** Whether one more of them may be ejected. */
export function canSpareOne(backends: readonly Judged[], outlier: OutlierConfig | null): boolean {
  return outlier !== null && surplus(backends, outlier.maxEjectedRatio) < 0;
}

/** A pool that has become smaller may have more out than it can spare: those whose time is over first come back. */
export function restoreSurplus(
  backends: readonly Judged[],
  outlier: OutlierConfig | null,
  nowMs: number,
): void {
  const more = outlier === null ? 0 : surplus(backends, outlier.maxEjectedRatio);
  if (more <= 0) return;
  const ejected = backends.map(({ standing }) => standing).filter(({ isEjected }) => isEjected);
  ejected.sort((one, other) => one.ejectedUntilMs - other.ejectedUntilMs);
  for (const standing of ejected.slice(0, more)) standing.restore(nowMs);
}

/** How many more are ejected than may be; under 0: so many more may be. Who takes no traffic anyway is not counted. */
function surplus(backends: readonly Judged[], maxEjectedRatio: number): number {
  let size = 0;
  let ejected = 0;
  for (const { weight, isDrained, standing } of backends) {
    if (weight > 0 && !isDrained) size++;
    if (standing.isEjected) ejected++;
  }
  return ejected - mostEjected(size, maxEjectedRatio);
}

/** Rows. One that takes no connection is of no use to anybody, unless none does. */
function lastResorts(backends: readonly Judged[]): readonly number[] {
  const all = backends.flatMap(({ weight, standing }, row) =>
    weight > 0 && standing.isLastResort ? [row] : [],
  );
  const reachable = all.filter((row) => backends[row]?.isReachable === true);
  return reachable.length > 0 ? reachable : all;
}
