/** `npm run soak:kill`: the kill loop from the command line, with a line of progress and the figures at the end. */
import { parseArgs } from "node:util";
import { type Figures, killLoop } from "./kill-loop.ts";

const USAGE = `npm run soak:kill -- [options]
  --rounds N   how many kills of the primary (300)
  --seed S     repeats the moments and the victims of a run (a random number)`;
const MAX_ROUNDS = 100_000;
const MAX_SEED = 2 ** 31 - 1;
const PROGRESS_EVERY_ROUNDS = 10;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "300" },
    seed: { type: "string", default: String(Math.floor(Math.random() * MAX_SEED)) },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
const rounds = wholeNumber("--rounds", values.rounds, MAX_ROUNDS);
const seed = wholeNumber("--seed", values.seed, MAX_SEED);

const opened: (() => Promise<void>)[] = [];
const startedAtMs = performance.now();
try {
  console.log(`${rounds} rounds, seed ${seed}`);
  const onRound = (figures: Readonly<Figures>): void => {
    if (figures.rounds % PROGRESS_EVERY_ROUNDS === 0) console.log(line(figures));
  };
  const { figures } = await killLoop(
    { after: (close) => void opened.push(close) },
    { rounds, seed, onRound },
  );
  console.log(
    `${line(figures)}\n${figures.rounds} x kill -9, ${figures.rounds} starts served an acknowledged version`,
  );
} finally {
  for (const close of opened) await close();
}

function line(figures: Readonly<Figures>): string {
  const { rounds: done, acknowledged, cutInFlight, inFlightServed, refused, workersKilled, epoch } = figures;
  const seconds = Math.round((performance.now() - startedAtMs) / 1_000);
  return (
    `${done} of ${rounds} in ${seconds} s: epoch ${epoch}, ${acknowledged} switches acknowledged, ` +
    `${cutInFlight} cut in flight (${inFlightServed} of them served), ${workersKilled} workers killed, ${refused} refused`
  );
}

function wholeNumber(name: string, text: string, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : -1;
  if (value >= 1 && value <= max) return value;
  console.error(`${name} must be a whole number from 1 to ${max}\n${USAGE}`);
  process.exit(2);
}
