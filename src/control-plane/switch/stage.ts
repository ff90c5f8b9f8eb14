/**
 * Stage: what the parts of the machine share: the workers there are, the time, the limits, and where effects go.
 */
import type { Config } from "../../config/schema.ts";
import type { Clock } from "../../core/clock.ts";
import type { Version } from "../../core/version.ts";
import type { SwitchOrder } from "../../ipc/messages.ts";
import type { SwitchEffect } from "./switch-event.ts";

/** What of a hold may go by until every worker holds: the rest is for what it is good for. */
const HOLD_ACK_SHARE = 0.5;

export interface WorkerView {
  /** Its slot, 1 to N. */
  readonly worker: number;
  isListening: boolean;
}

export class Stage {
  readonly clock: Clock;
  readonly limits: Config["switch"];
  /** Those that have been given a snapshot, by process id. */
  readonly workers = new Map<number, WorkerView>();
  #effects: SwitchEffect[] = [];
  #lastNumber = 0;

  constructor(clock: Clock, limits: Config["switch"]) {
    this.clock = clock;
    this.limits = limits;
  }

  get listening(): ReadonlyMap<number, WorkerView> {
    return new Map([...this.workers].filter(([, { isListening }]) => isListening));
  }

  /** How long the workers may take to say that they hold. */
  holdLimitMs(holdMs: number): number {
    return Math.min(holdMs * HOLD_ACK_SHARE, this.limits.commitTimeoutMs);
  }

  /** For gates and holds; none is used twice. */
  nextNumber(): number {
    this.#lastNumber++;
    return this.#lastNumber;
  }

  emit(effect: SwitchEffect): void {
    this.#effects.push(effect);
  }

  tell(pids: Iterable<number>, order: SwitchOrder): void {
    for (const pid of pids) this.emit({ type: "tell", pid, order });
  }

  /** What was emitted since the last time, in order. */
  takeEffects(): readonly SwitchEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
}

/** Names and origins of the configured versions. */
export type Origins = ReadonlyMap<Version, string>;
