/**
 * Watched: what the monitor knows of one backend: where it stands, when it is probed, and when that was last done.
 */
import type { HealthConfig } from "../../config/pool-config.ts";
import type { BackendSnapshot, HealthVerdict } from "../../config/snapshot.ts";
import type { Version } from "../../core/version.ts";
import type { ProbeReport } from "../../health/probe.ts";
import { afterProbe, type Standing, UNPROBED } from "../../health/thresholds.ts";
import { nextTurn } from "./turns.ts";

/** A backend that is probed in the background. */
export interface ProbedBackend extends Pick<BackendSnapshot, "name" | "origin" | "addresses"> {
  readonly version: Version;
  readonly health: HealthConfig;
}

/** What there is to tell of one. */
export interface BackendHealth extends Standing {
  readonly version: Version;
  readonly name: string;
  /** Of the last probe that ended; null: none has. */
  readonly report: ProbeReport | null;
  /** Since a probe of it last began, or, before the first, since it is watched. Past 2 intervals the prober is late. */
  readonly ageMs: number;
}

/** So many intervals without a probe are too many. */
const LATE_AFTER_INTERVALS = 2;

export class Watched {
  /** Its addresses may change while it stays. */
  backend: ProbedBackend;
  /** Infinity: it waits for its probe, or that runs. */
  dueMs: number;
  /** Of the probe that runs. */
  stop: AbortController | null = null;
  /** It was told that it is late; it is not told again until its probes come in time. */
  isToldLate = false;
  #standing: Standing = UNPROBED;
  #report: ProbeReport | null = null;
  readonly #startMs: number;
  #turn = 0;
  #probedAtMs: number;

  constructor(backend: ProbedBackend, nowMs: number, startMs: number) {
    this.backend = backend;
    this.dueMs = startMs;
    this.#startMs = startMs;
    this.#probedAtMs = nowMs;
  }

  get verdict(): HealthVerdict {
    return this.#standing.verdict;
  }

  /** The prober is late with it, and that has not been told. */
  isLate(nowMs: number): boolean {
    return !this.isToldLate && !this.#isInTime(nowMs);
  }

  #isInTime(nowMs: number): boolean {
    return nowMs - this.#probedAtMs <= LATE_AFTER_INTERVALS * this.backend.health.intervalMs;
  }

  begin(nowMs: number): AbortSignal {
    if (this.#isInTime(nowMs)) this.isToldLate = false;
    this.#probedAtMs = nowMs;
    this.stop = new AbortController();
    return this.stop.signal;
  }

  /** @returns whether the verdict is another one now. */
  end(report: ProbeReport, random: number): boolean {
    const { verdict } = this.#standing;
    this.#report = report;
    this.#standing = afterProbe(this.#standing, report.ok, this.backend.health);
    this.rest(random);
    return this.#standing.verdict !== verdict;
  }

  /** Until its next turn. */
  rest(random: number): void {
    this.stop = null;
    const { intervalMs } = this.backend.health;
    const next = nextTurn(this.#startMs, intervalMs, this.#turn, this.#probedAtMs, random);
    this.#turn = next.number;
    this.dueMs = next.dueMs;
  }

  tell(nowMs: number): BackendHealth {
    const { version, name } = this.backend;
    return { version, name, ...this.#standing, report: this.#report, ageMs: nowMs - this.#probedAtMs };
  }
}
