/** The command line of the bench, checked. */
import { parseArgs } from "node:util";
import type { Case } from "./cases/case.ts";
import { CASES } from "./cases/registry.ts";
import type { Tool } from "./load/jobs.ts";

export interface Options {
  readonly cases: readonly Case[];
  readonly rounds: number;
  readonly durationMs: number;
  readonly warmUpMs: number;
  /** Empty: all but the extra ones. */
  readonly only: readonly string[];
  /** Undefined: wrk where it is installed. */
  readonly tool: Tool | undefined;
  readonly abRequests: number;
  /** MiB; not empty: the daemon alone, once with each. */
  readonly semiSpaces: readonly number[];
  /** Exit with 1 when a floor is not held. */
  readonly isCheck: boolean;
  /** A commit to measure this tree against, and nobody else. */
  readonly against: string | undefined;
  readonly pairs: number;
}

export const USAGE = `npm run bench -- [options]
  --case a,b         these cases; without it, those marked with * below
  --all              every case
  --only a,b         these contenders alone
  --rounds N         interleaved rounds (5)
  --duration S       measured seconds for each contender in each round (3)
  --warm-up S        seconds thrown away before (2)
  --load TOOL        wrk (default where it is installed) or autocannon
  --ab-requests N    of ab-12000 (600000)
  --check            exit with 1 when a floor of bench/floors.ts is not held
  --semi-space M,N   the daemon alone, once with each size of the young generation, MiB

npm run bench -- --against REF [--case a,b] [--pairs N] [--duration S] [--warm-up S]
  this tree and that commit in turns, N times (6), each time with new processes: the ratio of CPU per request

cases:
${CASES.map(({ name, about, isLong }) => `  ${isLong ? " " : "*"} ${name.padEnd(17)} ${about}`).join("\n")}`;

/** @throws TypeError or RangeError that says what is wrong. */
export function parseOptions(args: readonly string[]): Options | "help" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      case: { type: "string", default: "" },
      all: { type: "boolean", default: false },
      only: { type: "string", default: "" },
      rounds: { type: "string", default: "5" },
      duration: { type: "string", default: "3" },
      "warm-up": { type: "string", default: "2" },
      load: { type: "string" },
      "ab-requests": { type: "string", default: "600000" },
      "semi-space": { type: "string", default: "" },
      check: { type: "boolean", default: false },
      against: { type: "string" },
      pairs: { type: "string", default: "6" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  if (!(values.load === undefined || values.load === "autocannon" || values.load === "wrk"))
    throw new TypeError("--load takes autocannon or wrk");
  return {
    cases: chooseCases(list(values.case), values.all),
    rounds: number("--rounds", values.rounds, 1, 1_000),
    durationMs: number("--duration", values.duration, 0.1, 600) * 1_000,
    warmUpMs: number("--warm-up", values["warm-up"], 0, 60) * 1_000,
    only: list(values.only),
    tool: values.load,
    abRequests: number("--ab-requests", values["ab-requests"], 12_000, 100_000_000),
    semiSpaces: list(values["semi-space"]).map((text) => number("--semi-space", text, 1, 1_024)),
    isCheck: values.check,
    against: values.against,
    pairs: number("--pairs", values.pairs, 1, 1_000),
  };
}

function chooseCases(names: readonly string[], isAll: boolean): readonly Case[] {
  if (isAll) return CASES;
  if (names.length === 0) return CASES.filter(({ isLong }) => !isLong);
  return names.map((name) => {
    const found = CASES.find((each) => each.name === name);
    if (found) return found;
    throw new RangeError(`no case ${name}; there are ${CASES.map((each) => each.name).join(", ")}`);
  });
}

function list(text: string): string[] {
  return text === "" ? [] : text.split(",");
}

function number(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= min && value <= max)) {
    throw new RangeError(`${name} takes a number from ${min} to ${max}, not ${JSON.stringify(text)}`);
  }
  return value;
}
