/**
 * Standing: all that is known of one backend in one worker, joined: how much of its weight counts now, and what it is
 * called. Pure: told what happens and the time.
 *
 *   probes, drain, reachability ─► facts ───┐
 *   outcomes ─► outlier, breaker ───────────┼─► factor, name
 *   coming back ─► slow start ──────────────┘
 */
import type { VersionConfig } from "../../config/pool-config.ts";
import type { HealthVerdict } from "../../config/snapshot.ts";
import type { Outcome } from "../../core/outcome.ts";
import { Breaker, type BreakerState } from "./breaker.ts";
import { Outlier } from "./outlier.ts";
import { SlowStart } from "./slow-start.ts";
import { eventsBetween, type StandingEvent, type Told, UNREMARKABLE } from "./standing-events.ts";
import type { TrialPlace } from "./trial.ts";

/** What others have found out, or ordered. */
export interface Facts {
  readonly health: HealthVerdict;
  readonly isDrained: boolean;
  readonly isReachable: boolean;
}

export type StandingName =
  | "unknown"
  | "healthy"
  | "warming"
  | "degraded"
  | "unhealthy"
  | "ejected"
  | "breaker-open";

export interface StandingOptions {
  readonly config: Pick<VersionConfig, "outlier" | "breaker" | "slowStartMs">;
  /** Whether the pool can spare one more. */
  mayEject(): boolean;
  /** The factor may have changed. */
  onChange(): void;
  /** Told after `onChange`. */
  onEvent(event: StandingEvent): void;
}

/** What an attempt holds that shows whether the backend may be used again; most hold none. */
export interface Pass {
  readonly trial: TrialPlace | null;
  readonly halfOpen: TrialPlace | null;
}

/** By what the probes call degraded. */
const DEGRADED_FACTOR = 0.5;

export class Standing {
  readonly #options: StandingOptions;
  readonly #outlier: Outlier | null;
  readonly #breaker: Breaker | null;
  readonly #slowStart: SlowStart;
  #facts: Facts;
  #isWarming = false;
  #told = UNREMARKABLE;

  constructor(options: StandingOptions, facts: Facts) {
    const { outlier, breaker, slowStartMs } = options.config;
    this.#options = options;
    this.#outlier = outlier === null ? null : new Outlier(outlier, () => options.mayEject());
    this.#breaker = breaker === null ? null : new Breaker(breaker);
    this.#slowStart = new SlowStart(slowStartMs);
    this.#facts = copy(facts);
  }

  /** From 0, it takes nothing now, to 1, its whole weight. */
  factor(nowMs: number): number {
    if (!isServing(this.#facts) || !this.#isPassable) return 0;
    const told = this.#facts.health === "degraded" ? DEGRADED_FACTOR : 1;
    // Both may speak of the same fault: the worse counts, not their product.
    return Math.min(told, this.#outlier?.factor ?? 1) * this.#slowStart.factor(nowMs);
  }

  /** Whether it is used when no backend of the pool is fit: whatever is said of its health. */
  get isLastResort(): boolean {
    return !this.#facts.isDrained && this.#isPassable;
  }

  /** For people; a drain is said apart. */
  name(nowMs: number): StandingName {
    if (!this.#facts.isReachable || this.#facts.health === "unhealthy") return "unhealthy";
    if (this.isEjected) return "ejected";
    if (this.breakerState === "open") return "breaker-open";
    if (this.#facts.health === "degraded" || this.#outlier?.isDegraded === true) return "degraded";
    if (!this.#slowStart.isOver(nowMs)) return "warming";
    return this.#facts.health;
  }

  /** On trial too. */
  get isEjected(): boolean {
    return this.#outlier !== null && this.#outlier.state !== "in";
  }

  /** When its trial begins, in ms of the clock; means nothing unless it is ejected. */
  get ejectedUntilMs(): number {
    return this.#outlier?.ejectedUntilMs ?? 0;
  }

  /** Without a breaker: closed. */
  get breakerState(): BreakerState {
    return this.#breaker?.state ?? "closed";
  }

  /** An attempt begins. @returns to be handed to `end`, exactly once. */
  begin(nowMs: number): Pass | null {
    const trial = this.#outlier?.enter(nowMs) ?? null;
    const halfOpen = this.#breaker?.enter(nowMs) ?? null;
    if (trial === null && halfOpen === null) return null;
    this.#options.onChange();
    return { trial, halfOpen };
  }

  /** An attempt has ended. Allocates nothing while all is well. */
  end(pass: Pass | null, outcome: Outcome, nowMs: number): void {
    const isJudgedAnew = this.#tellOutlier(pass, outcome, nowMs);
    const isBreakerChanged = this.#tellBreaker(pass, outcome, nowMs);
    if (isJudgedAnew || isBreakerChanged) this.#changed(nowMs);
  }

  /** What has been found out anew. One that comes back climbs. */
  learn(facts: Facts, nowMs: number): void {
    const before = this.#facts;
    this.#facts = copy(facts);
    if (!isServing(before) && isServing(facts)) {
      this.#slowStart.begin(nowMs);
      // A connection that opens again says less: it is tried at once, but nothing is forgiven.
      if (before.isDrained || before.health === "unhealthy") this.#forgive(nowMs);
    }
    if (!before.isReachable && facts.isReachable) {
      this.#outlier?.tryNow();
      this.#breaker?.tryNow();
    }
    this.#changed(nowMs);
  }

  /** It is new where others serve: it climbs like one that comes back. */
  warm(nowMs: number): void {
    this.#slowStart.begin(nowMs);
    this.#changed(nowMs);
  }

  /** It cannot be spared: back as if it had passed its trial. */
  restore(nowMs: number): void {
    this.#outlier?.restore(nowMs);
    this.#changed(nowMs);
  }

  /** Once a second. */
  tick(nowMs: number): void {
    const isJudgedAnew = this.#outlier?.tick(nowMs) === true;
    const isBreakerChanged = this.#breaker?.tick(nowMs) === true;
    if (isJudgedAnew || isBreakerChanged || this.#isWarming) this.#changed(nowMs);
  }

  #tellOutlier(pass: Pass | null, outcome: Outcome, nowMs: number): boolean {
    if (this.#outlier === null) return false;
    if (pass !== null && pass.trial !== null) return this.#outlier.leave(pass.trial, outcome, nowMs);
    return outcome !== "none" && this.#outlier.note(outcome === "failed", nowMs);
  }

  #tellBreaker(pass: Pass | null, outcome: Outcome, nowMs: number): boolean {
    if (this.#breaker === null) return false;
    if (pass !== null && pass.halfOpen !== null) return this.#breaker.leave(pass.halfOpen, outcome, nowMs);
    return outcome !== "none" && this.#breaker.note(outcome === "failed", nowMs);
  }

  get #isPassable(): boolean {
    return this.#breaker === null || this.#breaker.isPassable;
  }

  #forgive(nowMs: number): void {
    this.#outlier?.restore(nowMs);
    this.#breaker?.close();
  }

  #changed(nowMs: number): void {
    const before = this.#told;
    this.#told = this.#whatIsTold;
    const events = eventsBetween(before, this.#told);
    if (events.includes("restored") || events.includes("breaker closed")) this.#slowStart.begin(nowMs);
    this.#isWarming = !this.#slowStart.isOver(nowMs);
    this.#options.onChange();
    for (const event of events) this.#options.onEvent(event);
  }

  get #whatIsTold(): Told {
    return {
      outlier: this.#outlier?.state ?? "in",
      isDegraded: this.#outlier?.isDegraded === true,
      breaker: this.breakerState,
      isReachable: this.#facts.isReachable,
    };
  }
}

/** They may be told by somebody who goes on changing. */
function copy({ health, isDrained, isReachable }: Facts): Facts {
  return { health, isDrained, isReachable };
}

/** As far as others say. */
function isServing({ health, isDrained, isReachable }: Facts): boolean {
  return !isDrained && isReachable && health !== "unhealthy";
}
