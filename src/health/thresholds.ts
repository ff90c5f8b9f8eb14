/**
 * Thresholds: what many probes of one backend say together. Pure.
 *
 *     unknown ──good──▶ healthy ──bad──▶ degraded ──bad × unhealthyAfter──▶ unhealthy ──good × healthyAfter──▶ healthy
 *                          ▲◀──────good × healthyAfter──────┘
 *
 * Counts are of probes in a row, so a good one between bad ones begins anew and a lost packet moves nothing far:
 * that is what keeps a verdict from flapping. `unknown` takes traffic, for a daemon that starts must serve before it
 * has probed; so its first good probe makes it healthy, which changes nothing for traffic, and its bad ones count like
 * those of a healthy one. It does not return to `degraded` from `unhealthy`: slow start does the climbing.
 */
import type { HealthConfig } from "../config/pool-config.ts";
import type { HealthVerdict } from "../config/snapshot.ts";

export interface Standing {
  readonly verdict: HealthVerdict;
  /** Good probes in a row, up to now. */
  readonly goodInARow: number;
  readonly badInARow: number;
}

export const UNPROBED: Standing = { verdict: "unknown", goodInARow: 0, badInARow: 0 };

/** @returns where a backend stands after one more probe. */
export function afterProbe(
  before: Standing,
  isGood: boolean,
  limits: Pick<HealthConfig, "unhealthyAfter" | "healthyAfter">,
): Standing {
  const goodInARow = isGood ? before.goodInARow + 1 : 0;
  const badInARow = isGood ? 0 : before.badInARow + 1;
  const verdict = isGood
    ? afterGood(before.verdict, goodInARow >= limits.healthyAfter)
    : afterBad(before.verdict, badInARow >= limits.unhealthyAfter);
  return { verdict, goodInARow, badInARow };
}

function afterGood(verdict: HealthVerdict, isEnough: boolean): HealthVerdict {
  return verdict === "unknown" || isEnough ? "healthy" : verdict;
}

function afterBad(verdict: HealthVerdict, isEnough: boolean): HealthVerdict {
  return verdict === "unhealthy" || isEnough ? "unhealthy" : "degraded";
}
