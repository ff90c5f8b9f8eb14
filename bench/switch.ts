/**
 * How long does a switch take, and what do clients feel of it? The real daemon with two workers, two fast backends
 * and 64 kept-alive clients, each a process of its own; see switch/measures.ts.
 *
 * `npm run bench:switch -- [--calls N] [--windows N] [--loads none,paced,full] [--check]`. Fails when a request did
 * or saw the wrong version, with `--check` also when a promised figure was not reached. Loopback only; ends everything it started.
 */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { WORKERS } from "../test/load/fast-pair.ts";
import { CLIENTS, startSwitchScene } from "../test/load/switch-scene.ts";
import type { TestEnd } from "../test/support/cleanup.ts";
import { environment } from "./environment.ts";
import { writeReport } from "./report.ts";
import {
  type Around,
  type AroundSample,
  type CallSample,
  COLD,
  LOADS,
  type Load,
  measureAround,
  measureCalls,
  measureRollbacks,
  type RollbackSample,
} from "./switch/measures.ts";
import { aroundTable, callTable, promised, sliceTable } from "./switch/table.ts";

const WARM_UP_CALLS = 5;

interface Options {
  readonly calls: number;
  readonly windows: number;
  readonly loads: readonly Load[];
}

interface Samples {
  readonly calls: readonly CallSample[];
  readonly rollbacks: readonly RollbackSample[];
  readonly around: readonly Around[];
  /** Of the machine, before and after. */
  readonly loadAverages: readonly number[];
}

const loadAverage = (): number => loadavg()[0] ?? Number.NaN;

async function measure(t: TestEnd, { calls, windows, loads }: Options): Promise<Samples> {
  const before = loadAverage();
  const scene = await startSwitchScene(t);
  for (const load of loads) await measureCalls(scene, load, WARM_UP_CALLS);
  const callSamples: CallSample[] = [];
  for (const load of loads) {
    progress(`${calls} calls, load ${load}`);
    callSamples.push(...(await measureCalls(scene, load, calls)));
  }
  progress(`${calls / 4} rollbacks`);
  const rollbacks = await measureRollbacks(scene, loads.at(-1) ?? "full", calls / 4);
  const cold = await startSwitchScene(t, COLD);
  const around: Around[] = [];
  for (const load of loads) {
    if (load === "none") continue; // nobody would feel anything
    progress(`${windows} switches, a second without before each, load ${load}`);
    around.push(await measureAround(cold, load, windows));
  }
  return { calls: callSamples, rollbacks, around, loadAverages: [before, loadAverage()] };
}

/** @returns whether all that is promised was kept. */
async function report(samples: Samples, options: Options): Promise<boolean> {
  const { calls, rollbacks, around, loadAverages } = samples;
  const groups: Record<string, readonly (CallSample | AroundSample | RollbackSample)[]> = {
    ...Object.groupBy(calls, ({ load }) => `switch, load ${load}`),
    ...Object.fromEntries(around.map((each) => [`to no connection, load ${each.load}`, each.samples])),
  };
  const promises = promised(groups, rollbacks, around);
  const env = environment();
  const content = { workers: WORKERS, clients: CLIENTS, loads: LOADS, options, promises, ...samples };
  const path = await writeReport("switch-", env, content);
  const lines = [
    `${WORKERS} workers, ${CLIENTS} connections: load none; paced, one request per ${LOADS.paced} ms and connection; full, one after the other`,
    `${env.cpu}, ${env.cores} cores, Linux ${env.kernel}, Node ${env.node}, commit ${env.commit}${env.isModified ? " with changes" : ""}, load average ${loadAverages.map((each) => each.toFixed(1)).join(" to ")}`,
    "",
    callTable({ ...groups, [`rollback, load ${rollbacks[0]?.load}`]: rollbacks }),
    "",
    aroundTable(around),
    "",
    sliceTable(around),
    "",
    ...promises.map(
      ({ promise, figure, isHeld }) => `${promise}: ${isHeld ? "holds" : "DOES NOT HOLD"} (${figure})`,
    ),
    `samples: ${path}`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
  return promises.every(({ isHeld }) => isHeld);
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      calls: { type: "string", default: "100" },
      windows: { type: "string", default: "24" },
      loads: { type: "string", default: Object.keys(LOADS).join(",") },
      check: { type: "boolean", default: false },
    },
  });
  const [calls, windows] = [Number(values.calls), Number(values.windows)];
  const loads = values.loads.split(",").filter((name) => name in LOADS) as Load[];
  if (!(calls >= 4 && windows >= 1) || loads.length === 0) {
    throw new RangeError(`--calls 4 or more, --windows 1 or more, --loads of ${Object.keys(LOADS)}`);
  }
  const closing: (() => Promise<void>)[] = [];
  try {
    const options = { calls, windows, loads };
    const samples = await measure({ after: (close) => void closing.push(close) }, options);
    const isHeld = await report(samples, options);
    if (values.check && !isHeld) process.exitCode = 1;
  } finally {
    for (const close of closing) await close();
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`bench:switch: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
