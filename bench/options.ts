/** The command line of the bench, checked. */
import { parseArgs } from "node:util";
import type { LoadJob } from "./load.ts";

export interface Options {
  readonly rounds: number;
  readonly durationMs: number;
  readonly warmUpMs: number;
  readonly connections: number;
  /** Empty: all. */
  readonly only: readonly string[];
  /** Whose CPU for each request the others' is divided by. */
  readonly reference: string;
  readonly driver: LoadJob["driver"];
  /** MiB; not empty: the daemon alone, once with each. */
  readonly semiSpaces: readonly number[];
  /** Exit with 1 when the claim does not hold. */
  readonly isCheck: boolean;
}

export const USAGE = `npm run bench -- [options]
  --rounds N         interleaved rounds (5)
  --duration S       measured seconds for each contender in each round (2)
  --warm-up S        seconds thrown away before (0.5)
  --connections N    kept-alive connections (64)
  --only a,b         these contenders alone
  --reference NAME   whom the others are compared with (fast-proxy)
  --load DRIVER      autocannon (default) or wrk
  --semi-space M,N   the daemon alone, once with each size of the young generation, MiB
  --check            exit with 1 unless the daemon's CPU for each request is at most the reference's`;

/** @throws TypeError or RangeError that says what is wrong. */
export function parseOptions(args: readonly string[]): Options | "help" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: "string", default: "5" },
      duration: { type: "string", default: "2" },
      "warm-up": { type: "string", default: "0.5" },
      connections: { type: "string", default: "64" },
      only: { type: "string", default: "" },
      reference: { type: "string", default: "fast-proxy" },
      load: { type: "string", default: "autocannon" },
      "semi-space": { type: "string", default: "" },
      check: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  if (values.load !== "autocannon" && values.load !== "wrk")
    throw new TypeError("--load takes autocannon or wrk");
  return {
    rounds: number("--rounds", values.rounds, 1, 1_000),
    durationMs: number("--duration", values.duration, 0.1, 600) * 1_000,
    warmUpMs: number("--warm-up", values["warm-up"], 0, 60) * 1_000,
    connections: number("--connections", values.connections, 1, 12_000),
    only: list(values.only),
    reference: values.reference,
    driver: values.load,
    semiSpaces: list(values["semi-space"]).map((text) => number("--semi-space", text, 1, 1_024)),
    isCheck: values.check,
  };
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
