/**
 * How long does the daemon take to be ready, to replace a worker that was killed, and to end? Two workers, fresh
 * state each time; with a compile cache that earlier rounds have filled, and with none. See start/measure.ts.
 *
 * `npm run bench:start -- [--rounds N] [--against DIR]`: DIR is another checkout that is built; its daemon takes its
 * turns among ours. What is measured has the machine to itself, but for this process. Loopback only.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { loadavg } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { environment } from "./environment.ts";
import { programPath } from "./place.ts";
import { alignColumns, withRange, writeReport } from "./report.ts";
import { IDLE_CONNECTIONS, type Life, measureLife, type Subject, WORKERS } from "./start/measure.ts";
import { spreadOf } from "./statistics.ts";

const FIGURES = ["answeredMs", "readyMs", "readyCpuMs", "respawnMs", "stopMs"] as const;

function subjects(against: string | undefined): Subject[] {
  const own = programPath("src/main");
  const other = against === undefined ? [] : [join(resolve(against), "dist/src/main.js")];
  return [
    { name: "compile cache", entry: own, env: {} },
    { name: "no compile cache", entry: own, env: { NODE_DISABLE_COMPILE_CACHE: "1" } },
    ...other.map((entry): Subject => ({ name: "other", entry, env: {} })),
  ];
}

/** In turns, so that what else the machine does falls on all alike. The first round warms up and does not count. */
async function measure(all: readonly Subject[], rounds: number, backendPort: number): Promise<Life[]> {
  const lives: Life[] = [];
  for (let round = 0; round <= rounds; round++) {
    process.stderr.write(`round ${round} of ${rounds}\n`);
    for (const subject of all) {
      const life = await measureLife(subject, backendPort);
      if (round > 0) lives.push(life);
    }
  }
  return lives;
}

function table(all: readonly Subject[], lives: readonly Life[]): string {
  const head = ["", ...FIGURES.map((figure) => figure.replace("Ms", " ms"))];
  const rows = all.map(({ name }) => {
    const own = lives.filter(({ subject }) => subject === name);
    return [name, ...FIGURES.map((figure) => withRange(spreadOf(own.map((life) => life[figure])), 0))];
  });
  return alignColumns([head, ...rows]);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { rounds: { type: "string", default: "15" }, against: { type: "string" } },
  });
  const rounds = Number(values.rounds);
  if (!(rounds >= 1)) throw new RangeError("--rounds 1 or more");
  const backend = createServer((_req, res) => res.end("ok"));
  await new Promise<void>((listening) => backend.listen(0, "127.0.0.1", listening));
  try {
    const all = subjects(values.against);
    const before = loadavg()[0];
    const lives = await measure(all, rounds, (backend.address() as AddressInfo).port);
    const env = environment();
    const content = { workers: WORKERS, idleConnections: IDLE_CONNECTIONS, rounds };
    const path = await writeReport("start-", env, {
      ...content,
      loadAverages: [before, loadavg()[0]],
      lives,
    });
    process.stdout.write(`${table(all, lives)}\nmedian (least..most) of ${rounds}\nsamples: ${path}\n`);
  } finally {
    backend.close();
    backend.closeAllConnections();
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`bench:start: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
