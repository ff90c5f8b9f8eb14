/**
 * How long does a switch take, and what do clients feel of it? The real daemon with two workers, two fast backends
 * and 64 kept-alive clients, each a process of its own; see switch/measures.ts.
 *
 * `npm run bench:switch -- [--calls N] [--windows N] [--check]`. Fails when a request did or saw the wrong version,
 * with `--check` also when a promised figure was not reached. Loopback only; ends everything it started.
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
  type CallSample,
  LOADS,
  type Load,
  measureAround,
  measureCalls,
  measureRollbacks,
} from "./switch/measures.ts";
import { aroundTable, callTable, promised, sliceTable } from "./switch/table.ts";

const WARM_UP_CALLS = 5;
const CALL_LOADS: readonly Load[] = ["none", "paced", "full"];
const AROUND_LOADS: readonly Load[] = ["paced", "full"];

interface Options {
  readonly calls: number;
  readonly windows: number;
}

async function bench(t: TestEnd, { calls, windows }: Options): Promise<boolean> {
  const loadAverages = [loadavg()[0]];
  const scene = await startSwitchScene(t);
  for (const load of CALL_LOADS) await measureCalls(scene, load, WARM_UP_CALLS);
  const callSamples: CallSample[] = [];
  for (const load of CALL_LOADS) {
    progress(`${calls} calls, load ${load}`);
    callSamples.push(...(await measureCalls(scene, load, calls)));
  }
  progress(`${calls / 4} rollbacks`);
  const rollbacks = await measureRollbacks(scene, calls / 4);
  const around: Around[] = [];
  for (const load of AROUND_LOADS) {
    progress(`${windows} switches, a second without before each, load ${load}`);
    around.push(await measureAround(scene, load, windows));
  }
  loadAverages.push(loadavg()[0]);
  const promises = promised(callSamples, rollbacks, around);
  const env = environment();
  const content = {
    workers: WORKERS,
    clients: CLIENTS,
    loads: LOADS,
    calls,
    windows,
    loadAverages,
    promises,
  };
  const path = await writeReport("switch-", env, { ...content, callSamples, rollbacks, around });
  const byLoad = Object.groupBy(callSamples, ({ load }) => `switch, load ${load}`) as Record<
    string,
    CallSample[]
  >;
  const lines = [
    `${WORKERS} workers, ${CLIENTS} connections: load none; paced, one request per ${LOADS.paced} ms and connection; full, one after the other`,
    `${env.cpu}, ${env.cores} cores, Linux ${env.kernel}, Node ${env.node}, commit ${env.commit}${env.isModified ? " with changes" : ""}, load average ${loadAverages.map((each) => each?.toFixed(1)).join(" to ")}`,
    "",
    callTable({ ...byLoad, "rollback, load full": rollbacks }),
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
      check: { type: "boolean", default: false },
    },
  });
  const [calls, windows] = [Number(values.calls), Number(values.windows)];
  if (!(calls >= 4 && windows >= 1)) throw new RangeError("--calls 4 or more, --windows 1 or more");
  const closing: (() => Promise<void>)[] = [];
  try {
    const isHeld = await bench({ after: (close) => void closing.push(close) }, { calls, windows });
    if (values.check && !isHeld) process.exitCode = 1;
  } finally {
    for (const close of closing) await close();
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`bench:switch: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
