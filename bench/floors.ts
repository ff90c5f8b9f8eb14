/**
 * What the daemon promises to cost beside others, as data, and whether a run held it. Pure.
 *
 * A floor must hold (`--check`); an aim is where it should get. Ratios are those of one round, the median over the rounds.
 */
import { type CaseResult, type Figures, type Floor, type FloorResult, METRICS } from "./result.ts";

/** Whose promises these are. */
export const OURS = "traffic-switching";
/** Whom the figures of all are divided by. */
export const REFERENCES = ["nginx", "go", "fast-proxy"] as const;

const atMost = { bound: "at most" } as const;
const atLeast = { bound: "at least" } as const;

export const FLOORS: readonly Floor[] = [
  { case: "small", metric: "cpuUs", against: "nginx", ...atMost, floor: 1.5, aim: 1.2 },
  { case: "small", metric: "cpuUs", against: "go", ...atMost, floor: 0.6, aim: 0.4 },
  { case: "small", metric: "cpuUs", against: "fast-proxy", ...atMost, floor: 0.6 },
  { case: "connections-1000", metric: "cpuUs", against: "nginx", ...atMost, floor: 1.6, aim: 1.25 },
  { case: "connections-1000", metric: "cpuUs", against: "go", ...atMost, floor: 0.5 },
  { case: "connections-1000", metric: "p99Ms", against: "nginx", ...atMost, aim: 1.5 },
  { case: "answer-64k", metric: "cpuUs", against: "nginx", ...atMost, floor: 1.2, aim: 0.85 },
  { case: "answer-64k", metric: "cpuUs", against: "go", ...atMost, floor: 1 },
  { case: "upload-16k", metric: "cpuUs", against: "nginx", ...atMost, floor: 1, aim: 0.6 },
  { case: "upload-16k", metric: "cpuUs", against: "go", ...atMost, floor: 0.9 },
  { case: "close", metric: "cpuUs", against: "nginx", ...atMost, floor: 2.4, aim: 1.8 },
  { case: "close", metric: "cpuUs", against: "go", ...atMost, floor: 0.95, aim: 0.7 },
  { case: "ab-12000", metric: "failed", ...atMost, floor: 0 },
  { case: "ab-12000", metric: "perSecond", against: "go", ...atLeast, floor: 1.5 },
  { case: "ab-12000", metric: "perSecond", against: "nginx", ...atLeast, aim: 1 },
  { case: "ab-12000", metric: "longestMs", against: "nginx", ...atMost, aim: 2 },
  { case: "ab-12000", metric: "peakMiB", against: "go", ...atMost, floor: 1, aim: 0.5 },
  { case: "idle-10000", metric: "connectionKiB", ...atMost, floor: 10, aim: 5 },
];

/** Those of the cases that were measured. */
export function judgeFloors(cases: readonly CaseResult[], floors: readonly Floor[] = FLOORS): FloorResult[] {
  return floors.flatMap((floor) => {
    const found = cases.find(({ name }) => name === floor.case);
    return found ? [judge(floor, found)] : [];
  });
}

function judge(floor: Floor, { contenders, unit }: CaseResult): FloorResult {
  const ours = contenders.find(({ name }) => name === OURS);
  const figures: Figures | undefined =
    floor.against === undefined ? ours?.median : ours?.ratios[floor.against];
  const measured = figures?.[floor.metric];
  const about = describe(floor, unit);
  if (measured === undefined) return { ...floor, about };
  const isWithin = (limit: number): boolean =>
    floor.bound === "at most" ? measured <= limit : measured >= limit;
  return {
    ...floor,
    about,
    measured,
    ...(floor.floor === undefined ? {} : { isFloorHeld: isWithin(floor.floor) }),
    ...(floor.aim === undefined ? {} : { isAimHeld: isWithin(floor.aim) }),
  };
}

function describe({ metric, against }: Floor, unit: string): string {
  const { title, unit: inUnit } = METRICS[metric];
  const figure = [title, inUnit.replace("UNIT", unit)].filter((part) => part !== "");
  return against === undefined ? figure.join(" in ") : `${title} against ${against}`;
}
