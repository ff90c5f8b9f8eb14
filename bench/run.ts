/**
 * The bench: the daemon beside other proxies doing the same job on the same machine in the same minutes; or this tree
 * beside another commit.
 *
 * Backend, contender and load driver are processes of their own; a contender with one worker has a core to itself where
 * taskset can see to that. Loopback only; ends everything it started. `--help` tells the options.
 */
import { loadavg } from "node:os";
import { benchAgainst } from "./against.ts";
import type { Contender } from "./contenders/contender.ts";
import { daemonWithSemiSpace } from "./contenders/daemon.ts";
import { CONTENDERS } from "./contenders/registry.ts";
import { type Contest, checkAnswers, type Failure, measureCase } from "./contest.ts";
import { environment, toolVersions } from "./environment.ts";
import { judgeFloors } from "./floors.ts";
import type { LoadSize } from "./measure.ts";
import { type Options, parseOptions, USAGE } from "./options.ts";
import { findOnPath, planCores } from "./process.ts";
import { writeReport } from "./report.ts";
import type { BenchResult, CaseResult, LeftOut } from "./result.ts";
import { caseTable, floorLines } from "./table.ts";

/** Of the last minute, before anything of ours runs: above it somebody else uses the cores. */
const BUSY_LOAD_AVERAGE = 0.7;

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Whom to measure, and why each of the others is left out. */
function chooseContenders({ only, semiSpaces }: Options): { contenders: Contender[]; leftOut: LeftOut[] } {
  if (semiSpaces.length > 0) return { contenders: semiSpaces.map(daemonWithSemiSpace), leftOut: [] };
  const unknown = only.filter((name) => !CONTENDERS.some((contender) => contender.name === name));
  if (unknown.length > 0) {
    const known = CONTENDERS.map((contender) => contender.name).join(", ");
    throw new RangeError(`no contender ${unknown.join(", ")}; there are ${known}`);
  }
  const asked = CONTENDERS.filter(({ name, isExtra }) =>
    only.length === 0 ? !isExtra : only.includes(name),
  );
  const isHere = (contender: Contender): boolean => contender.version() !== undefined;
  return {
    contenders: asked.filter(isHere),
    leftOut: asked
      .filter((contender) => !isHere(contender))
      .map(({ name }) => ({ name, why: "not installed" })),
  };
}

function loadSizeOf({ tool, warmUpMs, durationMs, abRequests }: Options): LoadSize {
  const hasWrk = findOnPath("wrk") !== undefined;
  if (tool === "wrk" && !hasWrk) throw new Error("--load wrk: wrk is not installed");
  const hasAb = findOnPath("ab") !== undefined;
  return { tool: tool ?? (hasWrk ? "wrk" : "autocannon"), hasAb, warmUpMs, durationMs, abRequests };
}

/** @returns whether nobody failed and, when that is asked, every floor was held. */
async function bench(options: Options, size: LoadSize, loadAverage: number): Promise<boolean> {
  const { contenders, leftOut } = chooseContenders(options);
  for (const { name, why } of leftOut) tell(`left out: ${name}, ${why}`);
  const cores = planCores();
  if (cores.contender === undefined) tell("not pinned to cores: needs taskset and two cores");
  const contest: Contest = { contenders, leftOut, cores, size, rounds: options.rounds, tell };
  await checkAnswers(contest);
  const cases: CaseResult[] = [];
  const failures: Failure[] = [];
  for (const forCase of options.cases) {
    const measured = await measureCase(contest, forCase);
    cases.push(measured.result);
    failures.push(...measured.failures);
  }
  const floors = judgeFloors(cases);
  const versions = Object.fromEntries(contenders.map((each) => [each.name, each.version() ?? ""]));
  const env = { ...environment(), versions: { ...versions, ...toolVersions() }, loadAverage };
  const { cases: _chosen, ...asked } = options;
  const result: Omit<BenchResult, "environment"> = {
    kind: "bench",
    options: { ...asked, ...size, cores },
    cases,
    floors,
    failures,
  };
  const path = await writeReport(options.semiSpaces.length > 0 ? "semi-space-" : "", env, result);
  const lines = [
    `${env.cpu}, ${env.cores} cores, Linux ${env.kernel}, Node ${env.node}, commit ${env.commit}${env.isModified ? " with changes" : ""}`,
    `${size.tool}, ${options.rounds} rounds of ${size.durationMs / 1_000} s: median (min..max)`,
    ...cases.map((each) => `\n${caseTable(each)}`),
    ...(floors.length > 0 ? [`\n${floorLines(floors)}`] : []),
    "",
    ...failures.map(({ why }) => `FAILED ${why.split("\n").filter(Boolean).slice(0, 2).join(" ")}`),
    `samples: ${path}`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
  return (
    failures.length === 0 && !(options.isCheck && floors.some(({ isFloorHeld }) => isFloorHeld === false))
  );
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (options === "help") {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const size = loadSizeOf(options);
  const [loadAverage = 0] = loadavg();
  if (loadAverage > BUSY_LOAD_AVERAGE) {
    tell(`the machine is busy (load average ${loadAverage.toFixed(1)}): take the figures as rough`);
  }
  if (options.against !== undefined) await benchAgainst(options.against, options, size, tell);
  else if (!(await bench(options, size, loadAverage))) process.exitCode = 1;
}

main().catch((error: unknown) => {
  tell(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
