/**
 * What one pick costs: ns and bytes on the heap, for each balancer, with 10 and with 1,000 backends.
 *
 * `npm run bench:pick`. One process, no network. The balancers are interleaved over the rounds; rows differ in weight,
 * in flight and latency, and what is picked runs for a while, so that no branch is always the same. Exits with 1 when
 * a limit is not kept.
 */
import type { Balancer, BalancerKind, Candidates } from "../../src/data-plane/pick/balancer.ts";
import { guarded } from "../../src/data-plane/pick/guard.ts";
import { RandomSource } from "../../src/data-plane/pick/random-source.ts";
import { BALANCERS } from "../../src/data-plane/pick/registry.ts";
import { equalCandidates } from "../../test/support/candidates.ts";
import { alignColumns } from "../report.ts";
import { shuffled, spreadOf } from "../statistics.ts";

const LIMITS = [
  { rows: 10, available: 10, limitNs: 200 },
  { rows: 1_000, available: 1_000, limitNs: 2_000 },
  { rows: 1_000, available: 1, limitNs: 2_000 },
] as const;
const ROUNDS = 15;
const ROUND_MS = 30;
/** A power of two; between two looks at the time spent. */
const PICKS_AT_ONCE = 1_024;
const HEAP_PICKS = 200_000;
/** What the measuring itself leaves, over all picks. */
const HEAP_NOISE_BYTES = 64 * 1_024;
const RUNNING_AT_ONCE = 256;
const KEY_STEP = 0x9e3779b9;

/** What the guard around a module of the operator adds. */
const ALL: Readonly<Record<string, BalancerKind>> = {
  ...BALANCERS,
  "guarded round-robin": guarded(BALANCERS["round-robin"], () => undefined),
};

interface Subject {
  readonly name: string;
  readonly rows: number;
  readonly available: number;
  readonly limitNs: number;
  readonly balancer: Balancer;
  readonly candidates: Candidates;
  readonly samplesNs: number[];
}

/** A pool in which weights are 1 to 5, latencies 5 to 55 ms; the last rows are the available ones. */
function busyPool(rows: number, available: number): Candidates {
  const random = new RandomSource({ seed: 7, worker: 0, workers: 1 });
  const candidates = equalCandidates(rows);
  for (let row = 0; row < rows; row++) {
    const weight = 1 + random.below(5);
    candidates.configuredWeights[row] = weight;
    candidates.weights[row] = rows - row <= available ? weight : 0;
    candidates.latencyMs[row] = 5 + 50 * random.share();
  }
  return candidates;
}

const running = new Int32Array(RUNNING_AT_ONCE).fill(-1);

/** Each pick ends the one that was made `RUNNING_AT_ONCE` picks before. */
function pickMany({ balancer, candidates }: Subject, picks: number): void {
  const { inFlight } = candidates;
  inFlight.fill(1); // an idle row ends many a search early
  running.fill(-1);
  let key = 1;
  for (let i = 0; i < picks; i++) {
    key = (key + KEY_STEP) & 0x7fff_ffff;
    const row = balancer.pick(candidates, key);
    const place = i & (RUNNING_AT_ONCE - 1);
    const ended = running[place] as number;
    if (ended !== -1) inFlight[ended] = (inFlight[ended] as number) - 1;
    inFlight[row] = (inFlight[row] as number) + 1;
    running[place] = row;
  }
}

/** Of CPU time: what others on the machine take is not the balancer's. */
function measureNs(subject: Subject): number {
  const start = process.cpuUsage();
  let picks = 0;
  for (;;) {
    pickMany(subject, PICKS_AT_ONCE);
    picks += PICKS_AT_ONCE;
    const { user, system } = process.cpuUsage(start);
    const spentMs = (user + system) / 1_000;
    if (spentMs >= ROUND_MS) return (spentMs * 1e6) / picks;
  }
}

/** Between two collections, with none in between: what was allocated is still there. */
function measureBytes(subject: Subject, collect: () => void): number {
  collect();
  const before = process.memoryUsage().heapUsed;
  pickMany(subject, HEAP_PICKS);
  const bytes = process.memoryUsage().heapUsed - before;
  return bytes <= HEAP_NOISE_BYTES ? 0 : bytes / HEAP_PICKS;
}

const collect = globalThis.gc;
if (collect === undefined) throw new TypeError("run it with node --expose-gc");
const subjects = LIMITS.flatMap(({ rows, available, limitNs }) =>
  Object.entries(ALL).map(([name, kind]): Subject => {
    const balancer = kind.create({ seed: 1, worker: 0, workers: 1 });
    const candidates = busyPool(rows, available);
    balancer.reset(candidates);
    return { name, rows, available, limitNs, balancer, candidates, samplesNs: [] };
  }),
);
for (const subject of subjects) measureNs(subject); // warm-up, thrown away
for (let round = 0; round < ROUNDS; round++) {
  for (const subject of shuffled(subjects)) subject.samplesNs.push(measureNs(subject));
}
let areKept = true;
const lines = subjects.map((subject) => {
  const { median, min, max } = spreadOf(subject.samplesNs);
  const bytes = measureBytes(subject, collect);
  const isKept = median < subject.limitNs && bytes === 0;
  areKept &&= isKept;
  return [
    subject.name,
    `${subject.available} of ${subject.rows}`,
    median.toFixed(0),
    `${min.toFixed(0)}–${max.toFixed(0)}`,
    String(subject.limitNs),
    bytes.toFixed(1),
    isKept ? "" : "too much",
  ];
});
const head = ["balancer", "available", "ns per pick", "min–max", "limit", "bytes per pick", ""];
process.stdout.write(`${alignColumns([head, ...lines])}\n`);
process.exitCode = areKept ? 0 : 1;
