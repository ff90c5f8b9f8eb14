/**
 * The contest: for each case every contender in every round, interleaved in random order. Check the answers > measure
 * > summarize. A contender that fails takes no further part in that case; the others go on.
 */
import { assertSameAnswers } from "./answers.ts";
import type { Case } from "./cases/case.ts";
import { CASES } from "./cases/registry.ts";
import type { Contender } from "./contenders/contender.ts";
import { REFERENCES } from "./floors.ts";
import { type LoadSize, openScene, startBackend, startContender, takeSample } from "./measure.ts";
import type { Cores } from "./process.ts";
import type { BenchResult, CaseResult, ContenderResult, LeftOut, Sample } from "./result.ts";
import { METRICS } from "./result.ts";
import { shuffled } from "./statistics.ts";
import { ratiosTo, summarize } from "./summary.ts";

export type Failure = BenchResult["failures"][number];

export interface Contest {
  readonly contenders: readonly Contender[];
  readonly leftOut: readonly LeftOut[];
  readonly cores: Cores;
  readonly size: LoadSize;
  readonly rounds: number;
  /** Gets a line for each step. */
  tell(line: string): void;
}

/** @throws Error when one of them changes what the backend or the client says. */
export async function checkAnswers({ contenders, cores, tell }: Contest): Promise<void> {
  const [plain] = CASES;
  if (!plain) throw new RangeError("no cases");
  const forCase: Case = { ...plain, backend: "answers" };
  const backend = await startBackend(forCase.backend, cores.backend);
  try {
    for (const contender of contenders) {
      tell(`checking the answers of ${contender.name} ${contender.version() ?? ""} (${contender.about})`);
      const scene = { backendPort: backend.port, contenderCore: cores.contender };
      const served = await startContender(contender, forCase, scene);
      try {
        await assertSameAnswers(backend.port, contender.name, served.port);
      } finally {
        await served.stop();
      }
    }
  } finally {
    await backend.stop();
  }
}

export async function measureCase(
  contest: Contest,
  forCase: Case,
): Promise<{ result: CaseResult; failures: Failure[] }> {
  const { contenders, cores, size, rounds, tell } = contest;
  const leftOut = [...contest.leftOut];
  const samples = new Map<Contender, Sample[]>();
  for (const contender of contenders) {
    const why = contender.whyNot?.(forCase);
    if (why === undefined) samples.set(contender, []);
    else leftOut.push({ name: contender.name, why });
  }
  const failures: Failure[] = [];
  const scene = await openScene(forCase, cores);
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const contender of shuffled([...samples.keys()])) {
        try {
          const sample = await takeSample(contender, scene, size, round);
          samples.get(contender)?.push(sample);
          tell(progressLine(forCase, contender, sample, rounds));
        } catch (error) {
          const why = error instanceof Error ? error.message : String(error);
          tell(`FAILED ${why}`);
          failures.push({ case: forCase.name, name: contender.name, why });
          samples.delete(contender);
        }
      }
    }
  } finally {
    await scene.close();
  }
  const { name, about, unit, headline, columns, workers } = forCase;
  const results = resultsOf(samples);
  return {
    result: { name, about, unit, headline, columns, workers, contenders: results, leftOut },
    failures,
  };
}

function resultsOf(samples: ReadonlyMap<Contender, readonly Sample[]>): ContenderResult[] {
  const all = [...samples];
  /** Without any of the usual references, as in a sweep, the first. */
  const usual = REFERENCES.filter((name) => all.some(([contender]) => contender.name === name));
  const references = usual.length > 0 ? usual : all.slice(0, 1).map(([{ name }]) => name);
  return all.map(([contender, own]) => ({
    name: contender.name,
    version: contender.version() ?? "",
    about: contender.about,
    rounds: own,
    ...summarize(own),
    ratios: Object.fromEntries(
      references.map((name) => {
        const reference = all.find(([each]) => each.name === name)?.[1] ?? [];
        return [name, ratiosTo(reference, own)];
      }),
    ),
  }));
}

function progressLine(
  { name, unit, headline, columns }: Case,
  { name: who }: Contender,
  sample: Sample,
  rounds: number,
): string {
  const figure = (metric: keyof typeof METRICS): string =>
    `${(sample[metric] ?? Number.NaN).toFixed(METRICS[metric].digits)} ${METRICS[metric].unit.replace("UNIT", unit)}`;
  const others = (["cpuUs", "perSecond"] as const).filter(
    (metric) => metric !== headline && columns.includes(metric),
  );
  const figures = [headline, ...others].map(figure);
  return `${name} ${sample.round}/${rounds}  ${who.padEnd(20)} ${figures.join("  ")}`;
}
