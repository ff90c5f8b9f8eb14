/**
 * This tree against another commit: the daemons of both in turns, each time with new processes, in alternating order.
 *
 * What the machine does meanwhile hits both alike, and what one process has by chance evens out over the pairs.
 */
import type { Case } from "./cases/case.ts";
import { daemonOf } from "./contenders/daemon.ts";
import { environment } from "./environment.ts";
import { type LoadSize, openScene, takeSample } from "./measure.ts";
import type { Options } from "./options.ts";
import { ROOT } from "./place.ts";
import { planCores } from "./process.ts";
import { writeReport } from "./report.ts";
import type { AgainstCase, AgainstResult } from "./result.ts";
import { pairRatios } from "./summary.ts";
import { againstTable } from "./table.ts";
import { checkOut } from "./worktree.ts";

type Pair = AgainstCase["pairs"][number];

/** @param tell gets a line for each sample. */
export async function benchAgainst(
  ref: string,
  options: Options,
  size: LoadSize,
  tell: (line: string) => void,
): Promise<void> {
  tell(`checking out and building ${ref}`);
  const tree = await checkOut(ref);
  try {
    const cases: AgainstCase[] = [];
    for (const forCase of options.cases) {
      cases.push(await measurePairs(forCase, tree.root, options.pairs, size, tell));
    }
    const env = environment();
    const result: Omit<AgainstResult, "environment"> = {
      kind: "against",
      options: { ...size, pairs: options.pairs },
      against: { ref, commit: tree.commit },
      cases,
    };
    const path = await writeReport("against-", env, result);
    const name = ref === tree.commit ? ref : `${ref} (${tree.commit})`;
    process.stdout.write(`${againstTable(cases, name)}\nsamples: ${path}\n`);
  } finally {
    await tree.remove();
  }
}

async function measurePairs(
  forCase: Case,
  root: string,
  count: number,
  size: LoadSize,
  tell: (line: string) => void,
): Promise<AgainstCase> {
  const [ours, theirs] = [daemonOf("this tree", ROOT), daemonOf("the other", root)];
  const metric =
    (["cpuS", "connectionKiB"] as const).find((each) => forCase.columns.includes(each)) ?? "cpuUs";
  const scene = await openScene(forCase, planCores());
  try {
    const pairs: Pair[] = [];
    for (let round = 1; round <= count; round++) {
      const first = round % 2 === 1 ? ours : theirs;
      const one = await takeSample(first, scene, size, round);
      const two = await takeSample(first === ours ? theirs : ours, scene, size, round);
      const pair = first === ours ? { ours: one, theirs: two } : { ours: two, theirs: one };
      pairs.push(pair);
      const ratio = pairRatios([pair])[metric]?.geometricMean ?? Number.NaN;
      tell(`${forCase.name}, pair ${round} of ${count}: ${ratio.toFixed(3)}`);
    }
    const { name, about, unit } = forCase;
    return { name, about, unit, metric, pairs, ratios: pairRatios(pairs) };
  } finally {
    await scene.close();
  }
}
