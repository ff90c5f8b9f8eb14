/**
 * Prepare pool: the gate's probes of all backends of a version in one worker, as one report.
 */
import type { PrepareReport } from "../ipc/messages.ts";
import type { Backend } from "./backend/backend.ts";

const NONE_TO_PROBE: PrepareReport = {
  passed: false,
  probes: [{ ok: false, saw: "no backend takes traffic", status: null, durationMs: 0 }],
  warm: 0,
};

/** @param prepareOne never rejects. */
export async function preparePool(
  backends: readonly Backend[],
  prepareOne: (backend: Backend) => Promise<PrepareReport>,
): Promise<PrepareReport> {
  const asked = backends.filter(({ isDrained, weight }) => !isDrained && weight > 0);
  const [first, ...others] = await Promise.all(asked.map(prepareOne));
  if (first === undefined) return NONE_TO_PROBE;
  return others.reduce(
    (all, each) => ({
      passed: all.passed && each.passed,
      probes: [...all.probes, ...each.probes],
      warm: all.warm + each.warm,
    }),
    first,
  );
}
