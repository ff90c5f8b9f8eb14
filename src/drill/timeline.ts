/**
 * Timeline: which version may answer a request, by when the switches were called and answered. Pure.
 *
 * A version may answer from the call of the switch to it until the answer of the next switch. A request may be
 * answered by any version that could do so at some moment of its life; by another one it is stale.
 */
import type { Version } from "../core/version.ts";

interface Move {
  readonly to: Version;
  readonly calledAtMs: number;
  /** Infinite while the call runs. */
  answeredAtMs: number;
}

/** Around a switch: this long from its call, and at least until its answer. */
const AROUND_MS = 1_000;
/** What a drain did is seen this much later at most. */
const SEEN_WITHIN_MS = 1_000;

export class Timeline {
  readonly #moves: Move[];

  constructor(first: Version, nowMs: number) {
    this.#moves = [{ to: first, calledAtMs: nowMs, answeredAtMs: nowMs }];
  }

  /** A switch is called. It may begin at once. */
  call(to: Version, nowMs: number): void {
    this.#moves.push({ to, calledAtMs: nowMs, answeredAtMs: Number.POSITIVE_INFINITY });
  }

  answer(nowMs: number): void {
    const last = this.#moves.at(-1);
    if (last) last.answeredAtMs = nowMs;
  }

  /** The call was refused: nothing may have changed. */
  refuse(): void {
    this.#moves.pop();
  }

  mayAnswer(version: Version, startMs: number, endMs: number): boolean {
    return this.#mayServe(startMs, endMs, (to) => to === version);
  }

  /** Whether what runs on `version` may be ended now, as another one is active or was a moment ago. */
  mayBeDrained(version: Version, nowMs: number): boolean {
    return this.#mayServe(nowMs - SEEN_WITHIN_MS, nowMs, (to) => to !== version);
  }

  isAroundSwitch(startMs: number, endMs: number): boolean {
    const last = this.#moves.at(-1);
    if (this.#moves.length < 2 || !last) return false;
    return endMs >= last.calledAtMs && startMs <= Math.max(last.calledAtMs + AROUND_MS, last.answeredAtMs);
  }

  /** From the last move back: nearly always the first or second look decides. */
  #mayServe(startMs: number, endMs: number, isAsked: (to: Version) => boolean): boolean {
    let servesUntilMs = Number.POSITIVE_INFINITY;
    for (let i = this.#moves.length - 1; i >= 0 && servesUntilMs >= startMs; i--) {
      const move = this.#moves[i];
      if (!move) break;
      if (move.calledAtMs <= endMs && isAsked(move.to)) return true;
      servesUntilMs = move.answeredAtMs;
    }
    return false;
  }
}
