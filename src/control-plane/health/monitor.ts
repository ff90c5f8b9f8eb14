/**
 * Monitor: when which backend is probed in the background, and who is told what came of it.
 *
 * Runs in the primary: one prober for the machine, for the backends of every version, standby ones too. One timer for
 * all of them; a bound on the probes at once, behind which each backend waits at most once. Time, chance and the probe
 * itself are handed in; what probes mean together, health/thresholds.ts knows.
 */
import type { HealthVerdict } from "../../config/snapshot.ts";
import type { Clock } from "../../core/clock.ts";
import { type After, afterInBackground } from "../../core/timers.ts";
import type { Version } from "../../core/version.ts";
import type { ProbeReport } from "../../health/probe.ts";
import { firstTurnMs, mostAtOnce } from "./turns.ts";
import { type BackendHealth, type ProbedBackend, Watched } from "./watched.ts";

export type { BackendHealth, ProbedBackend };

export interface MonitorLog {
  info(fields: object, sentence: string): void;
  warn(fields: object, sentence: string): void;
  error(fields: object, sentence: string): void;
}

export interface MonitorParts {
  /** Never rejects; ends soon after the signal, and at its own time limit at the latest. */
  readonly probe: (backend: ProbedBackend, signal: AbortSignal) => Promise<ProbeReport>;
  /** At each change of a verdict. May not throw. */
  readonly onVerdict: (backend: ProbedBackend, verdict: HealthVerdict, report: ProbeReport) => void;
  readonly clock: Clock;
  readonly after?: After;
  /** From 0 to below 1. */
  readonly random: () => number;
  readonly log: MonitorLog;
}

/** With thousands of backends one is always due: the timer takes those together that are within so much. */
const SHORTEST_WAIT_MS = 10;
/** How often it is looked whether the prober itself is late. */
const LATE_LOOK_MS = 1_000;

/** A verdict is never taken back to `unknown`. */
const SENTENCES: Readonly<Record<HealthVerdict, string>> = {
  unknown: "backend unknown: it has not been probed enough",
  healthy: "backend healthy, as its probes say",
  degraded: "backend degraded: a probe was bad",
  unhealthy: "backend unhealthy: too many probes in a row were bad",
};

export class Monitor {
  readonly #parts: MonitorParts;
  readonly #after: After;
  #watched: ReadonlyMap<string, Watched> = new Map();
  /** Due, in the order they came. */
  readonly #queue = new Set<Watched>();
  readonly #running = new Set<Promise<void>>();
  #stopTimer = (): void => {};
  /** What the timer is set for; Infinity: it is not set. */
  #timerForMs = Number.POSITIVE_INFINITY;
  #lateLookMs = 0;
  #isClosed = false;

  constructor(parts: MonitorParts) {
    this.#parts = parts;
    this.#after = parts.after ?? afterInBackground;
  }

  /**
   * From now on these are probed. One that stays keeps its counts and its place in time; those that are new begin
   * spread over their interval; a probe of one that left is given up.
   */
  update(backends: readonly ProbedBackend[]): void {
    if (this.#isClosed) return;
    const nowMs = this.#parts.clock.nowMs();
    const left = new Map(this.#watched);
    const watched = new Map<string, Watched>();
    const fresh = new Map<string, ProbedBackend>();
    for (const backend of backends) {
      const key = keyOf(backend.version, backend.name);
      const known = left.get(key);
      left.delete(key);
      if (known === undefined) fresh.set(key, backend);
      else {
        known.backend = backend;
        watched.set(key, known);
      }
    }
    let index = 0;
    for (const [key, backend] of fresh) {
      const startMs = firstTurnMs(nowMs, index++, fresh.size, backend.health.intervalMs);
      watched.set(key, new Watched(backend, nowMs, startMs));
    }
    this.#watched = watched;
    for (const each of left.values()) this.#leave(each);
    this.#look();
  }

  /** What is known of a backend; null: it is not probed. */
  healthOf(version: Version, name: string): BackendHealth | null {
    return this.#watched.get(keyOf(version, name))?.tell(this.#parts.clock.nowMs()) ?? null;
  }

  /** In the order of the last `update`. */
  all(): readonly BackendHealth[] {
    const nowMs = this.#parts.clock.nowMs();
    return [...this.#watched.values()].map((each) => each.tell(nowMs));
  }

  /** Gives up what runs; resolves when nothing of it is left. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopTimer();
    for (const each of this.#watched.values()) this.#leave(each);
    await Promise.all(this.#running);
  }

  #leave(watched: Watched): void {
    this.#queue.delete(watched);
    watched.stop?.abort();
  }

  /** Takes who is due, notes who is late, and waits for the next. */
  #look(): void {
    const nowMs = this.#parts.clock.nowMs();
    if (nowMs >= this.#lateLookMs) {
      this.#lateLookMs = nowMs + LATE_LOOK_MS;
      this.#tellLate(
        [...this.#watched.values()].filter((each) => each.isLate(nowMs)),
        nowMs,
      );
    }
    let nextMs = this.#watched.size === 0 ? Number.POSITIVE_INFINITY : this.#lateLookMs;
    for (const each of this.#watched.values()) {
      if (each.dueMs <= nowMs) {
        each.dueMs = Number.POSITIVE_INFINITY;
        this.#queue.add(each);
      } else if (each.dueMs < nextMs) nextMs = each.dueMs;
    }
    this.#startNext();
    this.#wakeAt(nextMs);
  }

  #startNext(): void {
    const most = mostAtOnce(this.#watched.size);
    for (const next of this.#queue) {
      if (this.#running.size >= most) return;
      this.#queue.delete(next);
      const running = this.#run(next).finally(() => {
        this.#running.delete(running);
        if (!this.#isClosed) this.#startNext();
      });
      this.#running.add(running);
    }
  }

  async #run(watched: Watched): Promise<void> {
    const { clock, random, probe, log } = this.#parts;
    const { backend } = watched;
    const signal = watched.begin(clock.nowMs());
    try {
      const report = await probe(backend, signal);
      if (signal.aborted) return; // it has left, or the daemon ends
      if (watched.end(report, random())) this.#tellVerdict(watched, report);
    } catch (error) {
      log.error(
        { version: backend.version, backend: backend.name, err: error },
        "a probe failed in itself; it is tried again at its next turn",
      );
      watched.rest(random());
    }
    this.#wakeAt(watched.dueMs);
  }

  #wakeAt(atMs: number): void {
    if (this.#isClosed || atMs >= this.#timerForMs) return;
    this.#stopTimer();
    this.#timerForMs = atMs;
    const waitMs = atMs - this.#parts.clock.nowMs();
    this.#stopTimer = this.#after(Math.max(SHORTEST_WAIT_MS, Math.ceil(waitMs)), () => {
      this.#timerForMs = Number.POSITIVE_INFINITY;
      this.#look();
    });
  }

  #tellVerdict({ backend, verdict }: Watched, report: ProbeReport): void {
    const { log, onVerdict } = this.#parts;
    const fields = { version: backend.version, backend: backend.name, verdict, saw: report.saw };
    log[verdict === "healthy" ? "info" : "warn"](fields, SENTENCES[verdict]);
    onVerdict(backend, verdict, report);
  }

  /** In one line: when the prober stands still, all are late at once. */
  #tellLate(late: readonly Watched[], nowMs: number): void {
    const [first] = late;
    if (first === undefined) return;
    for (const each of late) each.isToldLate = true;
    const { version, name, ageMs } = first.tell(nowMs);
    this.#parts.log.warn(
      { version, backend: name, age_ms: Math.round(ageMs), late: late.length },
      "backends were not probed for more than twice their interval",
    );
  }
}

/** A version's name has no blank. */
function keyOf(version: Version, name: string): string {
  return `${version} ${name}`;
}
