/**
 * The fuzzer of the codec as a program: `npm run fuzz:codec`. Exit code 0: nothing found, 1: something was, 2: it was
 * called wrongly.
 */
import { parseArgs } from "node:util";
import { type CodecCase, parseCase } from "./codec-case.ts";
import { formatCodecResult, fuzzCodec } from "./codec-loop.ts";
import { VERSION } from "./llhttp.ts";
import { tryCase } from "./trial.ts";

const USAGE = `npm run fuzz:codec -- [options]
  --seconds N   for how long (60)
  --seed S      where to begin (a random number)
  --case JSON   try this case alone, as a finding prints it`;

const MAX_SECONDS = 24 * 60 * 60;
const MAX_SEED = 2 ** 30;
const PROGRESS_EVERY_MS = 30_000;

process.exitCode = main();

function main(): number {
  let options: { durationMs: number; seed: number; wireCase: CodecCase | null } | "help";
  try {
    options = parseOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n${USAGE}\n`);
    return 2;
  }
  if (options === "help") {
    say(USAGE);
    return 0;
  }
  const { wireCase } = options;
  if (wireCase !== null) {
    const { fault, reading } = tryCase(wireCase);
    say(fault ?? `nothing is wrong; ${reading.messages.length} messages, then ${reading.ending}`);
    return fault === null ? 0 : 1;
  }
  say(`against llhttp ${VERSION}, from seed ${options.seed}`);
  let saidAtMs = 0;
  const result = fuzzCodec({
    ...options,
    onProgress: (progress) => {
      if (progress.elapsedMs - saidAtMs < PROGRESS_EVERY_MS) return;
      saidAtMs = progress.elapsedMs;
      say(formatCodecResult(progress));
    },
  });
  say(formatCodecResult(result));
  return result.finding === null ? 0 : 1;
}

/** @throws TypeError or RangeError that says what is wrong. */
function parseOptions(
  args: string[],
): { durationMs: number; seed: number; wireCase: CodecCase | null } | "help" {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: "string", default: "60" },
      seed: { type: "string", default: `${Math.floor(Math.random() * MAX_SEED)}` },
      case: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  return {
    durationMs: 1_000 * number("--seconds", values.seconds, MAX_SECONDS),
    seed: number("--seed", values.seed, MAX_SEED),
    wireCase: values.case === undefined ? null : parseCase(values.case),
  };
}

function number(name: string, text: string, max: number): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= max))
    throw new RangeError(`${name} takes a number up to ${max}`);
  return value;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
