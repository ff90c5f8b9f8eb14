/**
 * Runs simulations of the switch: `npm run simulate -- --seeds 100000 --from 1`. A seed that fails is printed with
 * its last steps, and fails again with `--from SEED --seeds 1`. Exit code 1 when any failed.
 */
import { parseArgs } from "node:util";
import { Violation } from "./truth.ts";
import { World } from "./world.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "2000" },
    from: { type: "string", default: "1" },
    /** Stops at the first seed that fails. */
    first: { type: "boolean", default: false },
    steps: { type: "string", default: "60" },
  },
});
const from = Number(values.from);
const seeds = Number(values.seeds);
const startedMs = performance.now();
const totals: Record<string, number> = {};
let failed = 0;

for (let seed = from; seed < from + seeds; seed++) {
  const world = new World({ seed, calls: 10, faults: seed % 6 });
  try {
    await world.run();
  } catch (error) {
    failed++;
    const what =
      error instanceof Violation ? error.message : String(error instanceof Error ? error.stack : error);
    process.stdout.write(`seed ${seed}: ${what}\n`);
    for (const line of world.log.slice(-Number(values.steps))) process.stdout.write(`    ${line}\n`);
    if (values.first) break;
  }
  for (const [name, count] of Object.entries(world.counts)) totals[name] = (totals[name] ?? 0) + count;
  if (seed % 1_000 === 0) process.stderr.write(`seed ${seed}, ${failed} failed\n`);
}

const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
process.stdout.write(
  `${seeds} seeds from ${from} in ${seconds} s, ${failed} failed; ${JSON.stringify(totals)}\n`,
);
process.exitCode = failed === 0 ? 0 : 1;
