/** The result files that a page is made from, and what they come to together. Reads; measures nothing. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { RESULTS_DIR, ROOT } from "../place.ts";
import type { BenchResult, CaseResult, FloorResult } from "../result.ts";
import { ENGLISH } from "./words-english.ts";

export interface Source {
  /** From the root. */
  readonly file: string;
  readonly result: BenchResult;
}

/** Several runs as one: each case is as the last run that has it measured it. */
export interface Merged {
  readonly sources: readonly Source[];
  readonly cases: readonly CaseResult[];
  readonly floors: readonly FloorResult[];
  readonly failures: BenchResult["failures"];
}

const CASE_NAMES = Object.keys(ENGLISH.cases);

/** @throws Error when the file is not a result of `npm run bench`. */
export function readSource(file: string): Source {
  const content: unknown = JSON.parse(readFileSync(join(ROOT, file), "utf8"));
  if (!isBenchResult(content)) throw new Error(`${file} is not a result of npm run bench`);
  return { file, result: content };
}

/** The newest result that has every case. */
export function newestFull(): Source | undefined {
  const results = readdirSync(RESULTS_DIR)
    .filter((name) => name.endsWith(".json"))
    .flatMap((name) => {
      const path = join(RESULTS_DIR, name);
      const content: unknown = JSON.parse(readFileSync(path, "utf8"));
      return isBenchResult(content) ? [{ file: relative(ROOT, path), result: content }] : [];
    })
    .filter(({ result }) => CASE_NAMES.every((name) => result.cases.some((each) => each.name === name)));
  return results.sort((a, b) => (a.result.environment.date < b.result.environment.date ? 1 : -1))[0];
}

export function merge(sources: readonly Source[]): Merged {
  const lastOf = new Map<string, BenchResult>();
  for (const { result } of sources) for (const { name } of result.cases) lastOf.set(name, result);
  const names = [...lastOf.keys()].sort((a, b) => place(a) - place(b));
  const from = <T>(name: string, pick: (result: BenchResult) => readonly T[]): readonly T[] => {
    const result = lastOf.get(name);
    return result === undefined ? [] : pick(result);
  };
  return {
    sources,
    cases: names.flatMap((name) => from(name, ({ cases }) => cases.filter((each) => each.name === name))),
    floors: names.flatMap((name) => from(name, ({ floors }) => floors.filter((each) => each.case === name))),
    failures: names.flatMap((name) =>
      from(name, ({ failures }) => failures.filter((each) => each.case === name)),
    ),
  };
}

/** One that the page has no words for comes last. */
function place(name: string): number {
  const index = CASE_NAMES.indexOf(name);
  return index < 0 ? CASE_NAMES.length : index;
}

function isBenchResult(content: unknown): content is BenchResult {
  return (
    typeof content === "object" &&
    content !== null &&
    "kind" in content &&
    content.kind === "bench" &&
    "cases" in content &&
    Array.isArray(content.cases)
  );
}
