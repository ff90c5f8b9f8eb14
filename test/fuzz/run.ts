/**
 * The fuzzer as a program, for longer than a test may take: `npm run fuzz`. Exit code 0: nothing found, 1: something
 * was, 2: it was called wrongly.
 */
import type { TestEnd } from "../support/cleanup.ts";
import { type Campaign, type Direction, startCampaign } from "./campaign.ts";
import { fuzz, runSurely } from "./fuzz-loop.ts";
import { type Options, parseOptions, USAGE } from "./options.ts";
import { formatProgress, formatResult } from "./report.ts";

const PROGRESS_EVERY_MS = 2_000;
const CLEAR_LINE = "\r\x1b[K";

const closing: (() => Promise<void>)[] = [];
const end: TestEnd = { after: (close) => void closing.push(close) };

process.exitCode = await main();
for (const close of closing.reverse()) await close();

async function main(): Promise<number> {
  let options: Options | "help";
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
  let isFound = false;
  for (const direction of options.directions) {
    const campaign = await startCampaign(end, direction);
    const isBad =
      options.cases.length > 0
        ? await runCases(campaign, options)
        : await runCampaign(direction, campaign, options);
    isFound ||= isBad;
  }
  return isFound ? 1 : 0;
}

/** @returns whether something was found. */
async function runCases({ runBatch }: Campaign, { cases }: Options): Promise<boolean> {
  const { faults } = await runSurely(runBatch, cases);
  say(faults.length === 0 ? "nothing is wrong" : faults.map(({ what }) => what).join("\n"));
  return faults.length > 0;
}

/** @returns whether something was found. */
async function runCampaign(direction: Direction, campaign: Campaign, options: Options): Promise<boolean> {
  const { seed, durationMs, directions } = options;
  say(`${direction}: seed ${seed}`);
  let saidAtMs = 0;
  const result = await fuzz({
    ...campaign,
    seed,
    durationMs: durationMs / directions.length,
    onProgress: (progress) => {
      if (!process.stdout.isTTY || progress.elapsedMs - saidAtMs < PROGRESS_EVERY_MS) return;
      saidAtMs = progress.elapsedMs;
      process.stdout.write(`${CLEAR_LINE}${formatProgress(direction, progress)}`);
    },
  });
  if (process.stdout.isTTY) process.stdout.write(CLEAR_LINE);
  say(formatResult(direction, result));
  return result.finding !== null;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
