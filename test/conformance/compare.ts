/** Runs cases against several proxies, side by side, and gathers what came out. Prints nothing. */
import type { TestEnd } from "../support/cleanup.ts";
import type { Case } from "./case.ts";
import { inOneLine } from "./one-line.ts";
import { Stage } from "./stage.ts";
import type { Target } from "./targets/target.ts";

export interface Result {
  readonly outcome: "passed" | "failed" | "n/a";
  readonly ms: number;
  /** What was seen instead, in one line; of a failed one. */
  readonly seen?: string;
}

/** One column of the table. */
export interface Column {
  readonly name: string;
  readonly version: string;
  /** Of each case, in their order. */
  readonly results: readonly Result[];
}

export interface Contestant {
  readonly target: Target;
  readonly version: string;
  /** Where the backend listens; 0 is any free one. */
  readonly backendPort?: number;
  readonly backendHost?: string;
}

/** @param onResult called as each case ends. @throws Error when one of them cannot be started. */
export async function compare(
  t: TestEnd,
  cases: readonly Case[],
  contestants: readonly Contestant[],
  onResult: (contestant: Contestant, one: Case, result: Result) => void,
): Promise<Column[]> {
  return await Promise.all(
    contestants.map(async (contestant) => {
      const { target, version, backendPort, backendHost } = contestant;
      const stage = await new Stage(t, target).open(backendPort, backendHost);
      await stage.startFor(cases);
      const results: Result[] = [];
      for (const one of cases) {
        const result = await resultOf(stage, one);
        results.push(result);
        onResult(contestant, one, result);
      }
      return { name: target.name, version, results };
    }),
  );
}

async function resultOf(stage: Stage, one: Case): Promise<Result> {
  if (!stage.canRun(one)) return { outcome: "n/a", ms: 0 };
  const beginMs = performance.now();
  const ms = (): number => Math.round(performance.now() - beginMs);
  try {
    await stage.run(one);
    return { outcome: "passed", ms: ms() };
  } catch (error) {
    return { outcome: "failed", ms: ms(), seen: inOneLine(error) };
  }
}
