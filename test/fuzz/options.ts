/** The command line of the fuzzer, checked. */
import { parseArgs } from "node:util";
import { DIRECTIONS, type Direction } from "./campaign.ts";
import { parseCase, type WireCase } from "./wire-case.ts";

export interface Options {
  readonly durationMs: number;
  readonly seed: number;
  readonly directions: readonly Direction[];
  /** Not empty: run these, all at once, and nothing else. */
  readonly cases: readonly WireCase[];
}

export const USAGE = `npm run fuzz -- [options]
  --minutes N        for how long, in all (10)
  --seconds N        the same in seconds
  --seed S           where to begin (a random number)
  --only DIRECTION   requests (what clients send) or answers (what backends send) alone
  --case JSON        run this case alone, as a finding prints it; with --only; may be repeated`;

const DEFAULT_MINUTES = 10;
const MAX_SECONDS = 24 * 60 * 60;
const MAX_SEED = 2 ** 31 - 1;

/** @throws TypeError or RangeError that says what is wrong. */
export function parseOptions(args: readonly string[]): Options | "help" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: "string" },
      seconds: { type: "string" },
      seed: { type: "string" },
      only: { type: "string" },
      case: { type: "string", multiple: true, default: [] },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  if (values.minutes !== undefined && values.seconds !== undefined) {
    throw new TypeError("--minutes or --seconds, not both");
  }
  const only = DIRECTIONS.find((direction) => direction === values.only);
  if (values.only !== undefined && only === undefined) {
    throw new TypeError(`--only takes ${DIRECTIONS.join(" or ")}`);
  }
  if (values.case.length > 0 && only === undefined) throw new TypeError("--case needs --only");
  const minutes = number("--minutes", values.minutes ?? `${DEFAULT_MINUTES}`, MAX_SECONDS / 60);
  return {
    durationMs: 1_000 * number("--seconds", values.seconds ?? `${minutes * 60}`, MAX_SECONDS),
    seed: values.seed === undefined ? randomSeed() : number("--seed", values.seed, MAX_SEED),
    directions: only === undefined ? DIRECTIONS : [only],
    cases: values.case.map(parseCase),
  };
}

function randomSeed(): number {
  return Math.floor(Math.random() * MAX_SEED);
}

function number(name: string, text: string, max: number): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= max)) {
    throw new RangeError(`${name} takes a number up to ${max}`);
  }
  return value;
}
