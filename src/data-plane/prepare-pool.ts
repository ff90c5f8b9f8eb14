/**
 * Prepare pool: a worker's side of the gate for a whole version: probes each backend that takes traffic, and judges
 * by how many of them passed.
 *
 * Once that is decided the others have a moment to end what they are at: what passes then is warm too, and what does
 * not is told. Probing one backend is prepare.ts's. Ends when every backend's part has; never rejects.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../core/clock.ts";
import type { PrepareReport } from "../ipc/messages.ts";
import { mostTelling } from "../ipc/most-telling.ts";
import type { Backend } from "./backend/backend.ts";
import type { BackendReport } from "./prepare.ts";
import { Turns } from "./turns.ts";

/** Probes and warm-ups of a pool that run at once, per worker: a pool of 1,000 is no burst of 1,000 connections. */
const MOST_AT_ONCE = 32;
/** What the others have when it is decided. */
const AFTERWARDS_MS = 500;
/** What a report tells at most. */
const MOST_PROBES_TOLD = 20;
/** How often a pool that has no backends is looked at again while there is time to wait. */
const LOOK_AGAIN_MS = 100;

export interface PoolTerms {
  /** Changes meanwhile: names resolve anew, backends are added by hand. */
  readonly pool: { readonly backends: readonly Backend[] };
  /** The share that must pass. */
  readonly readyRatio: number;
  /** Whether it lives is all that is asked: one good backend is enough. */
  readonly isBrief: boolean;
  readonly waitMs: number;
}

export interface OneOfPool {
  /** What is left of the time to wait. */
  readonly waitMs: number;
  readonly turns: Turns;
  readonly signal: AbortSignal;
  /** False once it has left its pool. */
  isWanted(): boolean;
}

/** @param prepareOne never rejects. */
export async function preparePool(
  terms: PoolTerms,
  prepareOne: (backend: Backend, part: OneOfPool) => Promise<BackendReport>,
  clock: Clock,
  signal: AbortSignal,
): Promise<PrepareReport> {
  const startedMs = clock.nowMs();
  const waitLeftMs = (): number => Math.max(0, terms.waitMs - (clock.nowMs() - startedMs));
  while (!hasAny(terms.pool.backends) && waitLeftMs() > 0 && !signal.aborted)
    await sleep(Math.min(LOOK_AGAIN_MS, waitLeftMs()), undefined, { signal }).catch(() => {});

  const asked = terms.pool.backends.filter(takesTraffic);
  const judgement = new PoolJudgement(asked, terms);
  const decided = new AbortController();
  const shared = {
    waitMs: waitLeftMs(),
    turns: new Turns(MOST_AT_ONCE),
    signal: AbortSignal.any([signal, decided.signal]),
  };
  let afterwards: NodeJS.Timeout | undefined;
  await Promise.all(
    asked.map(async (backend) => {
      const part = { ...shared, isWanted: () => takesTraffic(backend) };
      judgement.note(backend, await prepareOne(backend, part));
      if (!judgement.isDecided) return;
      if (terms.isBrief) decided.abort();
      afterwards ??= setTimeout(() => decided.abort(), AFTERWARDS_MS);
    }),
  );
  clearTimeout(afterwards);
  return judgement.report();
}

class PoolJudgement {
  readonly #asked: readonly Backend[];
  readonly #terms: PoolTerms;
  readonly #reports = new Map<Backend, BackendReport>();

  constructor(asked: readonly Backend[], terms: PoolTerms) {
    this.#asked = asked;
    this.#terms = terms;
  }

  note(backend: Backend, report: BackendReport): void {
    this.#reports.set(backend, report);
  }

  /** Enough have passed, or no longer can. */
  get isDecided(): boolean {
    const { asked, needed, good, bad } = this.#counts;
    return good.length >= needed || asked - bad.length < needed;
  }

  report(): PrepareReport {
    const { asked, needed, good, bad } = this.#counts;
    const told = [...this.#reports];
    return {
      passed: asked > 0 && good.length >= needed,
      probes: mostTelling(
        told.map(([{ name }, { probes }]) => probes.map((probe) => ({ ...probe, backend: name }))),
        MOST_PROBES_TOLD,
      ),
      warm: told.reduce((sum, [, { warm }]) => sum + warm, 0),
      backends: {
        asked,
        needed,
        good: good.map(({ name }) => name),
        bad: bad.map(({ name }) => name),
      },
    };
  }

  /** One that has left meanwhile is not asked for any more; had it passed before, it still speaks for the version. */
  get #counts() {
    const counted = this.#asked.filter((backend) => this.#hasPassed(backend) || takesTraffic(backend));
    return {
      asked: counted.length,
      needed: this.#needed(counted.length),
      good: counted.filter((backend) => this.#hasPassed(backend)),
      bad: counted.filter((backend) => this.#hasFailed(backend)),
    };
  }

  #needed(asked: number): number {
    const { isBrief, readyRatio } = this.#terms;
    if (isBrief || asked === 0) return 1;
    return Math.max(1, Math.ceil(Number((readyRatio * asked).toFixed(6)))); // 0.07 × 100 is a little more than 7
  }

  #hasPassed(backend: Backend): boolean {
    return this.#reports.get(backend)?.passed === true;
  }

  /** A probe that was given up says nothing of its backend. */
  #hasFailed(backend: Backend): boolean {
    const report = this.#reports.get(backend);
    return report !== undefined && !report.passed && isTold(report);
  }
}

/** Not one that has left its pool meanwhile. */
function takesTraffic({ isDrained, weight, row }: Backend): boolean {
  return !isDrained && weight > 0 && row !== -1;
}

function hasAny(backends: readonly Backend[]): boolean {
  return backends.some(takesTraffic);
}

/** It came to an end by itself. */
function isTold({ probes }: BackendReport): boolean {
  return probes.at(-1)?.isCutShort !== true;
}
