/**
 * Mixed traffic over everything the proxy does, with clients that leave and backends that break amid it, and switches
 * under way. Nothing that was not broken on purpose fails, and afterwards the daemon is as it was.
 *
 * TEST_LOAD_SEED repeats the choices of a run, though not its timing.
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { residentBytes } from "../support/memory.ts";
import { startProxy } from "../support/proxy.ts";
import { startChild } from "./child.ts";
import { figures, notZero, waitQuiet } from "./metrics.ts";
import { openFiles } from "./open-files.ts";
import { SIZE } from "./size.ts";
import { type Active, SoakClients } from "./soak-clients.ts";

const WORKERS = 2;
const CLIENTS = 64;
const SWITCH_EVERY_MS = 3_000;
const PROGRESS_EVERY_MS = 10_000;
const AROUND_MS = 240_000;
const QUIET_LIMIT_MS = 60_000;
/** Time for the garbage collections that idle workers still make. */
const SETTLE_MS = 3_000;
/**
 * How much the memory of one process may be above what it was after the warm-up. V8 gives back what it frees when
 * it likes, so that two equal states differ by some MiB, after a short warm-up by 20. A worker that kept 200 bytes of
 * each request would pass this in a full run, of some 180,000 requests for each.
 */
const MAX_GROWTH_BYTES = 32 * 2 ** 20;

const seed = Number(process.env.TEST_LOAD_SEED ?? Math.floor(Math.random() * 2 ** 31));
const { warmUpMs, durationMs } = SIZE.soak;

const [v1, v2] = await Promise.all(
  ["v1", "v2"].map(async (version) => {
    const { first } = await startChild<never, { port: number }>({ after }, "soak-backend-child", [version]);
    return `http://127.0.0.1:${first.port}`;
  }),
);
assert.ok(v1 !== undefined && v2 !== undefined);
// Idle connections to the backends go soon, also those that are kept for a way back, so that every descriptor that is
// left at the end is one too many.
// A switch cuts nothing in our time: upgraded connections would go one by one, from the start of the window on.
const config = {
  upstream: { keep_alive_timeout: "2s" },
  switch: { drain: { deadline: "10m", websocket_window: "10m" }, rollback_window: "5s" },
};
const proxy = await startProxy({ after }, { v1, v2, workers: WORKERS, config });
const active: Active = { version: "v1", moves: 0 };
const clients = new SoakClients(proxy.port, active);
const { tally } = clients;
let switches = 0;

interface Footprint {
  readonly pid: number;
  readonly files: number;
  readonly bytes: number;
}

/** Of the primary, then of the workers. */
async function footprints(): Promise<Footprint[]> {
  await waitQuiet(proxy, QUIET_LIMIT_MS);
  await delay(SETTLE_MS);
  const pids = [proxy.pid, ...(await proxy.workerPids())];
  await delay(100); // the call just made is over
  return pids.map((pid) => ({ pid, files: openFiles(pid), bytes: residentBytes(pid) }));
}

async function switchOver(): Promise<void> {
  const to = (switches + 1) % 2 === 1 ? "v2" : "v1";
  active.version = undefined;
  active.moves++;
  await proxy.switchTo(to);
  active.version = to;
  active.moves++;
  switches++;
}

const inMiB = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);

async function sayProgress(startedAtMs: number): Promise<void> {
  const seconds = ((performance.now() - startedAtMs) / 1_000).toFixed(0);
  const inFlight = (await figures(proxy, "http_requests_in_flight")).reduce(
    (sum, { value }) => sum + value,
    0,
  );
  const memory = (await proxy.workerPids()).map((pid) => inMiB(residentBytes(pid)));
  console.log(
    `soak ${seconds} s: ${tally.answers} answers, ${tally.aborted} aborted, ${tally.marked} broken on purpose, ` +
      `${switches} switches, ${tally.failures.length} failures; ${inFlight} in flight, ` +
      `workers of ${memory.join(" and ")} MiB`,
  );
}

/** Clients at work for so long, while the versions are switched. */
async function traffic(lastsMs: number, fromSeed: number): Promise<void> {
  const startedAtMs = performance.now();
  let saidAtMs = startedAtMs;
  clients.start(CLIENTS, fromSeed);
  while (performance.now() - startedAtMs < lastsMs && !clients.isFailed) {
    await delay(Math.min(SWITCH_EVERY_MS, lastsMs));
    await switchOver();
    if (performance.now() - saidAtMs < PROGRESS_EVERY_MS) continue;
    saidAtMs = performance.now();
    await sayProgress(startedAtMs);
  }
  await clients.stop();
  await sayProgress(startedAtMs);
}

test(`${durationMs / 1_000} s of mixed traffic break nothing and leave nothing behind (TEST_LOAD_SEED=${seed})`, {
  timeout: warmUpMs + durationMs + AROUND_MS,
}, async (t) => {
  console.log(`TEST_LOAD_SEED=${seed}`);
  await traffic(warmUpMs, seed + CLIENTS);
  assert.deepEqual(tally.failures, [], "in the warm-up");
  const before = await footprints();

  await traffic(durationMs, seed);
  assert.deepEqual(tally.failures, []);
  assert.ok(tally.aborted > 0 && tally.marked > 0 && switches > 2, "it was the traffic it should be");

  const left = await footprints();
  const pids = (all: readonly Footprint[]): number[] => all.map(({ pid }) => pid);
  const files = (all: readonly Footprint[]): number[] => all.map((each) => each.files);
  assert.deepEqual(pids(left), pids(before), "no worker was replaced");
  assert.deepEqual(files(left), files(before), "descriptors of the primary and the workers");
  const grown = left.map(({ bytes }, i) => bytes - (before[i]?.bytes ?? 0));
  const change = left.map(({ bytes }, i) => `${inMiB(before[i]?.bytes ?? 0)} to ${inMiB(bytes)}`);
  t.diagnostic(`memory of the primary and the workers, MiB: ${change.join(", ")}`);
  for (const bytes of grown) assert.ok(bytes <= MAX_GROWTH_BYTES, `memory has grown by ${inMiB(bytes)} MiB`);

  // What is counted of requests that were aborted or broken; anything else would be the daemon's own doing.
  const unexpected = (await notZero(proxy, ["upstream_errors_total", "http_refusals_total"])).filter(
    (text) => !text.includes('reason="backend_closed"'),
  );
  assert.deepEqual(unexpected, []);
  const severe = proxy.logs().filter(({ level }) => level === "error" || level === "fatal");
  assert.deepEqual(severe, []);
});
