/**
 * Ledger: what was done and what was lost of each kind of load, and the judgement which is which. Pure.
 *
 * The only place that decides what counts as lost; `COLUMNS` in kinds.ts says the same to people.
 */
import type { Version } from "../core/version.ts";
import { ENDED_BY_DRAIN, KINDS, type Kind } from "./kinds.ts";
import { Latencies } from "./latencies.ts";
import type { Timeline } from "./timeline.ts";

export interface Kill {
  readonly pid: number;
  readonly atMs: number;
  /** Our ends of the connections that it held; null where the system does not say: then the time alone decides. */
  readonly ports: ReadonlySet<number> | null;
}

/** Something was expected, and its connection broke or was never made. */
export interface Cut {
  readonly why: string;
  /** Of our end; null when there was no connection. */
  readonly localPort: number | null;
  /** What it ran on; null when no answer had begun. */
  readonly version: Version | null;
}

export interface Loss {
  readonly atMs: number;
  readonly kind: Kind;
  readonly why: string;
}

class Tally {
  done = 0;
  lost = 0;
  cutByKill = 0;
  endedByDrain = 0;
  stale = 0;
  readonly overall = new Latencies();
  readonly around = new Latencies();
}

/** When a connection of the killed worker is known to be broken: as late as a busy machine may tell us, or at once. */
const KILL_SEEN_WITHIN_MS = { ofKnown: 5_000, ofAny: 500 };
const LOSSES_KEPT = 20;
const WHY_MAX_LENGTH = 200;

export class Ledger {
  readonly kinds = Object.fromEntries(KINDS.map((kind) => [kind, new Tally()])) as Record<Kind, Tally>;
  /** The first of what was lost or stale. */
  readonly losses: Loss[] = [];
  readonly #timeline: Timeline;
  readonly #nowMs: () => number;
  #kill: Kill | null = null;
  #heldPorts: Set<number> | null = null;

  constructor(timeline: Timeline, nowMs: () => number) {
    this.#timeline = timeline;
    this.#nowMs = nowMs;
  }

  /** To be called before the worker notices. */
  killed(kill: Kill): void {
    this.#kill = kill;
    this.#heldPorts = kill.ports && new Set(kill.ports);
  }

  total(count: "done" | "lost" | "stale"): number {
    return KINDS.reduce((total, kind) => total + this.kinds[kind][count], 0);
  }

  /** An answer, an event, an echo. It began at `startMs`. */
  done(kind: Kind, startMs: number): void {
    const endMs = this.#nowMs();
    const tally = this.kinds[kind];
    tally.done++;
    tally.overall.add(endMs - startMs);
    if (this.#timeline.isAroundSwitch(startMs, endMs)) tally.around.add(endMs - startMs);
  }

  /** A request, stream or WebSocket that began at `startMs` is answered by `version`. */
  routed(kind: Kind, version: Version, startMs: number): void {
    const nowMs = this.#nowMs();
    const mayAnswer = this.#timeline.mayAnswer(version, startMs, nowMs);
    this.#timeline.seen(version, startMs, nowMs);
    if (mayAnswer) return;
    this.kinds[kind].stale++;
    this.#note(kind, `stale: it began when ${version} was no longer active, and ${version} answered`);
  }

  lost(kind: Kind, why: string): void {
    this.kinds[kind].lost++;
    this.#note(kind, why);
  }

  cut(kind: Kind, cut: Cut): void {
    if (this.#isByKill(cut)) this.kinds[kind].cutByKill++;
    else this.lost(kind, cut.why);
  }

  /** A stream was ended as its protocol has it; only a drain may do that. */
  ended(kind: Kind, cut: Cut): void {
    if (this.#isByDrain(kind, cut)) this.kinds[kind].endedByDrain++;
    else this.lost(kind, `${cut.why}, although ${cut.version} is not drained`);
  }

  /** Each connection that the worker held accounts for one cut at most. */
  #isByKill({ localPort }: Cut): boolean {
    if (!this.#kill || localPort === null) return false;
    const sinceMs = this.#nowMs() - this.#kill.atMs;
    if (this.#heldPorts === null) return sinceMs <= KILL_SEEN_WITHIN_MS.ofAny;
    return sinceMs <= KILL_SEEN_WITHIN_MS.ofKnown && this.#heldPorts.delete(localPort);
  }

  #isByDrain(kind: Kind, { version }: Cut): boolean {
    if (version === null || !ENDED_BY_DRAIN.includes(kind)) return false;
    return this.#timeline.mayBeDrained(version, this.#nowMs());
  }

  #note(kind: Kind, why: string): void {
    if (this.losses.length >= LOSSES_KEPT) return;
    this.losses.push({ atMs: this.#nowMs(), kind, why: why.slice(0, WHY_MAX_LENGTH) });
  }
}
