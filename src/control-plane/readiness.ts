/**
 * Readiness: whether the daemon says that traffic may be sent to it, and if not, why. Pure.
 *
 * A backend that is down does not make it unready by itself; see switch/safe-start.ts for the exception.
 */
import type { SafeStart } from "./switch/safe-start.ts";
import type { Fleet } from "./workers/fleet.ts";

export type DaemonPhase = "starting" | "running" | "ending";

export interface Readiness {
  readonly ready: boolean;
  /** One line for the operator; empty when ready. */
  readonly why: string;
}

export function readiness(
  phase: DaemonPhase,
  fleet: Pick<Fleet, "workers" | "size">,
  { why }: Pick<SafeStart, "why">,
): Readiness {
  if (phase === "ending") return { ready: false, why: "the daemon is ending" };
  const listening = fleet.workers().filter(({ state }) => state === "listening").length;
  if (listening < fleet.size) return { ready: false, why: `${listening} of ${fleet.size} workers listen` };
  return { ready: why === "", why };
}
