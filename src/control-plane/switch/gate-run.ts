/**
 * Gate run: one round of probes by all workers that listen: who was asked, what each saw, when it is over.
 *
 * Pure; time is handed in. One refusal, one worker that is gone, or the time limit ends it: the others are told
 * to stop, and have a moment to say what they have seen so far. Judging it is gate.ts's.
 */
import type { Version } from "../../core/version.ts";
import type { PrepareReport } from "../../ipc/messages.ts";
import type { WorkerPrepared } from "../workers/fleet.ts";

/** How long a worker that was told to stop may take to say what it saw; at the time limit, as much of it as is left. */
const LAST_WORDS_MS = 500;
const LAST_WORDS_SHARE = 0.1;
/** The refusal itself takes a moment, and the caller is promised the limit. */
const TO_ANSWER_MS = 50;
const TO_ANSWER_SHARE = 0.05;

interface Asked {
  readonly pid: number;
  readonly worker: number;
  report: PrepareReport | null;
  isSettled: boolean;
}

export class GateRun {
  readonly gate: number;
  readonly version: Version;
  readonly #asked: Asked[];
  readonly #endMs: number;
  readonly #stopMs: number;
  #stoppedUntilMs: number | null = null;

  /** @param workers by process id. @param endMs when the caller has its answer in any case. */
  constructor(
    gate: number,
    version: Version,
    workers: ReadonlyMap<number, { readonly worker: number }>,
    { nowMs, endMs }: { nowMs: number; endMs: number },
  ) {
    this.gate = gate;
    this.version = version;
    this.#asked = [...workers].map(([pid, { worker }]) => ({ pid, worker, report: null, isSettled: false }));
    const limitMs = endMs - nowMs;
    this.#endMs = endMs - Math.min(TO_ANSWER_MS, limitMs * TO_ANSWER_SHARE);
    this.#stopMs = this.#endMs - Math.min(LAST_WORDS_MS, limitMs * LAST_WORDS_SHARE);
  }

  /** When `time` has something to do. */
  get wakeAtMs(): number {
    return this.#stoppedUntilMs ?? this.#stopMs;
  }

  /** @returns whom to tell to stop. */
  prepared(pid: number, report: PrepareReport, nowMs: number): readonly number[] {
    const asked = this.#asked.find((each) => each.pid === pid && !each.isSettled);
    if (asked === undefined) return [];
    asked.report = report;
    asked.isSettled = true;
    return report.passed ? [] : this.#stop(nowMs);
  }

  /** @returns whom to tell to stop. */
  gone(pid: number, nowMs: number): readonly number[] {
    const asked = this.#asked.find((each) => each.pid === pid && !each.isSettled);
    if (asked === undefined) return [];
    asked.isSettled = true;
    return this.#stop(nowMs);
  }

  /** @returns whom to tell to stop. */
  time(nowMs: number): readonly number[] {
    return nowMs >= this.#stopMs ? this.#stop(nowMs) : [];
  }

  isOver(nowMs: number): boolean {
    if (this.#asked.every(({ isSettled }) => isSettled)) return true;
    return this.#stoppedUntilMs !== null && nowMs >= this.#stoppedUntilMs;
  }

  /** By slot. */
  get result(): readonly WorkerPrepared[] {
    return this.#asked
      .map(({ pid, worker, report }) => ({ pid, worker, report }))
      .toSorted((a, b) => a.worker - b.worker);
  }

  #stop(nowMs: number): readonly number[] {
    if (this.#stoppedUntilMs !== null) return [];
    this.#stoppedUntilMs = Math.min(nowMs + LAST_WORDS_MS, this.#endMs);
    return this.#asked.filter(({ isSettled }) => !isSettled).map(({ pid }) => pid);
  }
}
