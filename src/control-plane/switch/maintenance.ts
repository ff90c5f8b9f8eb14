/**
 * Maintenance: POST /pause and /resume: all workers hold their new requests for a bounded time, whatever is active.
 *
 * Pure; time is handed in, effects go to the stage. Uses the same hold as a switch, and goes on beside one. A pause
 * that not every worker has taken up in time is called off. It is not remembered over a restart.
 */
import { Acks } from "./acks.ts";
import type { Stage } from "./stage.ts";
import { type PauseAnswer, pausedAnswer, resumedAnswer } from "./switch-answer.ts";
import type { PauseCall } from "./switch-call.ts";
import { SwitchRefusal } from "./switch-refusal.ts";

interface Pause {
  readonly hold: number;
  readonly endsAtMs: number;
  readonly reason: string | null;
  readonly actor: string;
}

interface Starting extends Pause {
  readonly call: number;
  readonly acks: Acks;
}

/** Who ends a pause when its time is up. */
const LIMIT = "limit";

export class Maintenance {
  readonly #stage: Stage;
  /** What every worker holds for. */
  #pause: Pause | null = null;
  #starting: Starting | null = null;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  get current(): Pause | null {
    return this.#pause;
  }

  get wakeAtMs(): number {
    return Math.min(
      this.#pause?.endsAtMs ?? Number.POSITIVE_INFINITY,
      this.#starting?.acks.wakeAtMs ?? Number.POSITIVE_INFINITY,
    );
  }

  /** What a worker that is born now must hold. */
  get holdsLeft(): readonly { readonly hold: number; readonly holdMs: number }[] {
    const nowMs = this.#stage.clock.nowMs();
    return [this.#pause, this.#starting]
      .filter((each) => each !== null)
      .map(({ hold, endsAtMs }) => ({ hold, holdMs: Math.ceil(endsAtMs - nowMs) }))
      .filter(({ holdMs }) => holdMs > 0);
  }

  /** A pause that is on already is replaced. @throws SwitchRefusal */
  pause(call: number, { forMs, reason }: PauseCall, actor: string): void {
    if (this.#starting !== null) {
      throw new SwitchRefusal(
        "SWITCH_IN_PROGRESS",
        "another call to pause is running; try again when it has ended",
      );
    }
    const { clock, workers } = this.#stage;
    const nowMs = clock.nowMs();
    const hold = this.#stage.nextNumber();
    const acks = new Acks(workers, { nowMs, limitMs: this.#stage.holdLimitMs(forMs) });
    this.#starting = { hold, endsAtMs: nowMs + forMs, reason, actor, call, acks };
    this.#stage.tell(workers.keys(), { type: "hold", hold, holdMs: forMs, next: null });
    this.#look();
  }

  resume(actor: string): PauseAnswer {
    if (this.#starting !== null) this.#callOff(this.#starting, "was called off by POST /resume");
    const wasPaused = this.#pause !== null;
    this.#end(actor);
    return resumedAnswer(wasPaused);
  }

  held(pid: number, hold: number): void {
    if (this.#starting?.hold !== hold) return;
    this.#starting.acks.settle(pid, true, this.#stage.clock.nowMs());
    this.#look();
  }

  /** Its replacement is born holding. */
  gone(pid: number): void {
    this.#starting?.acks.settle(pid, true, this.#stage.clock.nowMs());
    this.#look();
  }

  time(): void {
    const nowMs = this.#stage.clock.nowMs();
    const starting = this.#starting;
    if (starting?.acks.takeOverdue(nowMs) === true) {
      const silent = [...starting.acks.silent.values()].join(", ");
      this.#callOff(starting, `was not taken up in time by worker ${silent}`);
    }
    if (this.#pause !== null && nowMs >= this.#pause.endsAtMs) this.#end(LIMIT);
  }

  #look(): void {
    const starting = this.#starting;
    if (starting === null || !starting.acks.isComplete) return;
    this.#starting = null;
    const before = this.#pause;
    const { call, endsAtMs, reason, actor } = starting;
    this.#pause = starting;
    if (before !== null) this.#release(before);
    this.#stage.emit({ type: "paused", untilMs: endsAtMs, reason, actor });
    const leftMs = endsAtMs - this.#stage.clock.nowMs();
    const until = new Date(this.#stage.clock.wallMs() + leftMs).toISOString();
    this.#stage.emit({ type: "answer", call, answer: pausedAnswer(until, reason) });
  }

  #callOff(starting: Starting, why: string): void {
    this.#starting = null;
    this.#release(starting);
    const error = new SwitchRefusal("NOT_READY", `the pause ${why}; nothing is paused by this call`);
    this.#stage.emit({ type: "refuse", call: starting.call, error });
  }

  #end(actor: string): void {
    if (this.#pause === null) return;
    this.#release(this.#pause);
    this.#pause = null;
    this.#stage.emit({ type: "resumed", actor });
  }

  #release({ hold }: Pause): void {
    this.#stage.tell(this.#stage.workers.keys(), { type: "release", hold });
  }
}
