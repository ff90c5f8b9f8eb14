/**
 * Timeline: which version may answer a request, by when the switches were called and answered. Pure.
 *
 * A version may answer from the call of the switch to it until the answer of the next switch. With `hold` no longer
 * than until the first answer of the next version, whoever got that. A request may be answered by any version that
 * could do so at some moment of its life; by another one it is stale.
 */
import type { Version } from "../core/version.ts";

interface Move {
  readonly to: Version;
  readonly isHeld: boolean;
  readonly calledAtMs: number;
  /** From then on the version before may answer nothing that begins. Infinite until it is known. */
  endsBeforeAtMs: number;
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
    this.#moves = [
      { to: first, isHeld: false, calledAtMs: nowMs, endsBeforeAtMs: nowMs, answeredAtMs: nowMs },
    ];
  }

  /** A switch is called. It may begin at once. */
  call({ to, isHeld }: { to: Version; isHeld: boolean }, nowMs: number): void {
    const never = Number.POSITIVE_INFINITY;
    this.#moves.push({ to, isHeld, calledAtMs: nowMs, endsBeforeAtMs: never, answeredAtMs: never });
  }

  /** A request that began at `startMs` is answered by `version` now. */
  seen(version: Version, startMs: number, nowMs: number): void {
    const [before, last] = this.#moves.slice(-2);
    if (!last?.isHeld || last.to !== version) return;
    // One that began before may be of the last time that this version was active.
    if (startMs > (before?.answeredAtMs ?? 0)) last.endsBeforeAtMs = Math.min(last.endsBeforeAtMs, nowMs);
  }

  answer(nowMs: number): void {
    const last = this.#moves.at(-1);
    if (!last) return;
    last.answeredAtMs = nowMs;
    last.endsBeforeAtMs = Math.min(last.endsBeforeAtMs, nowMs);
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
      servesUntilMs = move.endsBeforeAtMs;
    }
    return false;
  }
}
