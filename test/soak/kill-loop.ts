/**
 * The kill loop: a real daemon under a client that switches back and forth as fast as it can, killed -9 at random
 * moments and started again. Each start must serve what was acknowledged, or what was in flight.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Random } from "../load/random.ts";
import type { TestEnd } from "../support/cleanup.ts";
import { request } from "../support/http-client.ts";
import { startPair } from "../support/pair.ts";
import { runDaemon, type TestProxy } from "../support/proxy.ts";

export interface KillLoopOptions {
  readonly rounds: number;
  /** Repeats the moments and the victims of a run, though not its timing. */
  readonly seed: number;
  /** Called after each round. */
  readonly onRound?: (figures: Readonly<Figures>) => void;
}

export interface Figures {
  /** Starts after a kill of the primary; each served what it should. */
  rounds: number;
  workersKilled: number;
  /** Switches that were answered 200. */
  acknowledged: number;
  /** Kills that met a call without its answer. */
  cutInFlight: number;
  /** Of those, how many the next start served. */
  inFlightServed: number;
  /** Calls that were refused because a worker was gone. */
  refused: number;
  epoch: number;
}

interface Known {
  epoch: number;
  version: string;
  /** What a call without an answer asked for. */
  asked: string | null;
}

/** About what a switch takes: many kills meet one. */
const KILL_WITHIN_MS = 60;
const MAX_SWITCHES_BEFORE = 3;
const WORKER_KILLS = 0.2;
const GONE_LIMIT_MS = 15_000;

/** @throws AssertionError with the round and what was known, at the first start that is wrong. */
export async function killLoop(
  t: TestEnd,
  { rounds, seed, onRound }: KillLoopOptions,
): Promise<{ figures: Figures; proxy: TestProxy }> {
  const random = new Random(seed);
  const { proxy } = await startPair(t, { workers: 2, config: { switch: { probe: { interval: "0s" } } } });
  const figures: Figures = {
    rounds: 0,
    workersKilled: 0,
    acknowledged: 0,
    cutInFlight: 0,
    inFlightServed: 0,
    refused: 0,
    epoch: 0,
  };
  while (figures.rounds < rounds) {
    const known = await switchUntilKilled(proxy, random, figures);
    await proxy.allGone(GONE_LIMIT_MS);
    proxy.start();
    await proxy.waitReady();
    await assertServes(proxy, known, figures, `seed ${seed}, round ${figures.rounds + 1}`);
    figures.rounds += 1;
    onRound?.(figures);
  }
  return { figures, proxy };
}

async function switchUntilKilled(proxy: TestProxy, random: Random, figures: Figures): Promise<Known> {
  const { epoch, current_version: version } = await proxy.status();
  const known: Known = { epoch, version, asked: null };
  let isOver = false;
  let switchesLeft = random.between(0, MAX_SWITCHES_BEFORE);
  const enough = Promise.withResolvers<void>();
  const switching = (async () => {
    while (!isOver) {
      if (switchesLeft-- <= 0) enough.resolve();
      known.asked = known.version === "v1" ? "v2" : "v1";
      const reply = await proxy
        .admin("POST", "/switch", { body: { version: known.asked }, limitMs: 30_000 })
        .catch(() => null);
      if (reply === null) return; // the answer was lost
      if (reply.status === 200) {
        known.epoch = Number(reply.json().epoch);
        known.version = known.asked;
        figures.acknowledged += 1;
      } else {
        assert.ok([422, 503].includes(reply.status), reply.body); // a worker is gone: nothing has changed
        figures.refused += 1;
      }
      known.asked = null;
    }
  })();
  if (random.chance(WORKER_KILLS)) await killWorker(proxy, random, figures);
  await Promise.race([enough.promise, switching]);
  // Any moment will do: the promise holds at every one of them.
  await delay(random.next() * KILL_WITHIN_MS);
  await proxy.kill();
  isOver = true;
  await switching;
  if (known.asked !== null) figures.cutInFlight += 1;
  return known;
}

async function killWorker(proxy: TestProxy, random: Random, figures: Figures): Promise<void> {
  await delay(random.next() * KILL_WITHIN_MS);
  const workers = proxy.processPids().filter((pid) => pid !== proxy.child.pid);
  const victim = workers[random.between(0, workers.length - 1)];
  if (victim === undefined) return;
  process.kill(victim, "SIGKILL");
  figures.workersKilled += 1;
}

async function assertServes(proxy: TestProxy, known: Known, figures: Figures, round: string): Promise<void> {
  const { epoch, current_version: serving, state } = await proxy.status();
  const place = `${round}: ${JSON.stringify({ known, epoch, serving })}`;
  if (epoch === known.epoch) assert.equal(serving, known.version, place);
  else {
    assert.equal(epoch, known.epoch + 1, place);
    assert.notEqual(known.asked, null, place);
    assert.equal(serving, known.asked, place);
    figures.inFlightServed += 1;
  }
  assert.equal((await request(proxy.port)).body, serving, place);
  assert.equal((state as { damaged: boolean }).damaged, false, place);
  await assertVerified(proxy.stateDir, epoch, place);
  figures.epoch = epoch;
}

/** By the command that an operator uses, and once more without our code: no epoch is skipped or used twice. */
async function assertVerified(stateDir: string, epoch: number, place: string): Promise<void> {
  const { code, stdout, stderr } = await runDaemon(["history", "verify", "--state-dir", stateDir]);
  const entries =
    epoch === 0 ? "no entries" : `${epoch} ${epoch === 1 ? "entry" : "entries"}, epoch ${epoch}, `;
  assert.ok(stdout.includes(`.history.jsonl: ok, ${entries}`), `${place}\n${stdout}${stderr}`);
  assert.equal(code, 0, `${place}\n${stdout}`);
  const text = await readFile(join(stateDir, ".history.jsonl"), "utf8").catch(() => "");
  const lines = text.split("\n").slice(0, -1);
  let hash = "";
  for (const [index, line] of lines.entries()) {
    const entry = JSON.parse(line) as { epoch: number; prev: string; hash: string };
    assert.deepEqual([entry.epoch, entry.prev], [index + 1, hash], place);
    hash = entry.hash;
  }
  assert.equal(lines.length, epoch, place);
}
