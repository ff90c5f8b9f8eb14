/**
 * Most telling: which probes are told when there are too many: of each backend the last ones, and bad ones first. Pure.
 */
import type { BackendProbe } from "./messages.ts";

type Told = Pick<BackendProbe, "ok"> & { readonly isCutShort?: boolean };

/**
 * @param ofBackends the probes of each backend, oldest first.
 * @returns at most `most`, in the order in which they were given.
 */
export function mostTelling<P extends Told>(ofBackends: readonly (readonly P[])[], most: number): P[] {
  const total = ofBackends.reduce((sum, probes) => sum + probes.length, 0);
  if (total <= most) return ofBackends.flat();
  const ranked = ofBackends.flatMap((probes, backend) => {
    const last = probes.at(-1);
    return probes.map((probe, at) => ({ probe, backend, at, age: probes.length - at, kind: kindOf(last) }));
  });
  return ranked
    .sort((a, b) => a.age - b.age || a.kind - b.kind || a.backend - b.backend)
    .slice(0, most)
    .sort((a, b) => a.backend - b.backend || a.at - b.at)
    .map(({ probe }) => probe);
}

/** How it ended: bad, given up, good. */
function kindOf(last: Told | undefined): number {
  if (last === undefined || last.ok) return 2;
  return last.isCutShort === true ? 1 : 0;
}
