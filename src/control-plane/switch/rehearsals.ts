/**
 * Rehearsals: gates without a switch: dry runs, and looks at whether a version lives.
 *
 * Part of the machine, and pure like it. They take no lock, change nothing and leave no trace but what was seen.
 */
import type { Version } from "../../core/version.ts";
import { type GateResult, judgeGate } from "./gate.ts";
import type { GateRun } from "./gate-run.ts";
import type { Move } from "./move.ts";
import type { Stage } from "./stage.ts";
import { type SwitchAnswer, wouldRefuse, wouldSwitch } from "./switch-answer.ts";
import { SwitchRefusal } from "./switch-refusal.ts";
import { openGate, stopProbing } from "./switch-run.ts";

export interface RehearsalParts {
  readonly stage: Stage;
  /** The checks that need no probe. @throws SwitchRefusal */
  check(move: Move): void;
  /** What an answer says of the version beside the verdict. */
  about(version: Version): Parameters<typeof wouldSwitch>[0];
  noteProbes(run: GateRun): void;
  answer(call: number, answer: SwitchAnswer): void;
  refuse(call: number, error: unknown): void;
}

interface Rehearsal {
  readonly call: number;
  readonly run: GateRun;
}

/** At once. */
const MOST = 8;
const RETRY_AFTER_SECONDS = 1;

export class Rehearsals {
  readonly #parts: RehearsalParts;
  #running: Rehearsal[] = [];

  constructor(parts: RehearsalParts) {
    this.#parts = parts;
  }

  /** The gates that are open. */
  get gates(): readonly GateRun[] {
    return this.#running.map(({ run }) => run);
  }

  /** All checks and the gate. @throws SwitchRefusal when too many run already. */
  rehearse(call: number, move: Move): void {
    const { stage, check } = this.#parts;
    if (this.#running.length >= MOST) throw tooManyCalls("dry runs probe");
    try {
      check(move);
      if (!move.force) return this.probe(call, move.to, move.waitMs, false);
      if (stage.listening.size === 0) judgeGate(move.to, []);
      this.#answerGood(call, move.to, { outcome: "skipped", workers: [] });
    } catch (error) {
      this.#answerBad(call, move.to, error);
    }
  }

  /** The gate alone. @param isBrief whether the version lives is all that is asked. */
  probe(call: number, version: Version, waitMs: number, isBrief: boolean): void {
    this.#running.push({ call, run: openGate(this.#parts.stage, version, waitMs, isBrief) });
    this.look();
  }

  time(nowMs: number): void {
    for (const run of this.gates) stopProbing(this.#parts.stage, run, run.time(nowMs));
  }

  /** Answers those that are over. */
  look(): void {
    const nowMs = this.#parts.stage.clock.nowMs();
    const over = this.#running.filter(({ run }) => run.isOver(nowMs));
    this.#running = this.#running.filter((each) => !over.includes(each));
    for (const { call, run } of over) {
      this.#parts.noteProbes(run);
      try {
        this.#answerGood(call, run.version, judgeGate(run.version, run.result));
      } catch (error) {
        this.#answerBad(call, run.version, error);
      }
    }
  }

  #answerGood(call: number, version: Version, gate: GateResult): void {
    this.#parts.answer(call, wouldSwitch(this.#parts.about(version), gate));
  }

  #answerBad(call: number, version: Version, error: unknown): void {
    const { about, answer, refuse } = this.#parts;
    if (error instanceof SwitchRefusal) answer(call, wouldRefuse(about(version), error));
    else refuse(call, error);
  }
}

export function tooManyCalls(which: string): SwitchRefusal {
  const message = `too many ${which} already; try again when some have been answered`;
  return new SwitchRefusal("TOO_MANY_CALLS", message, { retryAfterSeconds: RETRY_AFTER_SECONDS });
}
