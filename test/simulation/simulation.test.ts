/**
 * The invariants of the switch over 2,000 seeds; `npm run simulate` runs more of them, or one again.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "./world.ts";

const SEEDS = 2_000;
const SLICES = 4;

for (let slice = 0; slice < SLICES; slice++) {
  const from = 1 + (slice * SEEDS) / SLICES;
  const to = ((slice + 1) * SEEDS) / SLICES;
  test(`no schedule of processes, pipes, disks and clocks breaks a promise of the switch: seeds ${from} to ${to}`, async () => {
    let switched = 0;
    for (let seed = from; seed <= to; seed++) {
      const world = new World({ seed, calls: 10, faults: seed % 6 });
      await world.run().catch((cause: unknown) => {
        const lastSteps = world.log.slice(-60).join("\n");
        throw new Error(`seed ${seed}: ${cause instanceof Error ? cause.message : cause}\n${lastSteps}`, {
          cause,
        });
      });
      switched += world.counts.switched;
    }
    assert.ok(switched > SEEDS / SLICES / 5, `only ${switched} switches: nothing was tried`);
  });
}

test("the same seed is the same run", async () => {
  const runs = [new World({ seed: 7, calls: 10, faults: 5 }), new World({ seed: 7, calls: 10, faults: 5 })];
  for (const world of runs) await world.run();
  assert.ok((runs[0]?.log.length ?? 0) > 20);
  assert.deepEqual(runs[0]?.log, runs[1]?.log);
});
