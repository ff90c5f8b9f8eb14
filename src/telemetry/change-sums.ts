/**
 * Change sums: turns any number of changes of backends into few log lines.
 *
 * Of each backend and change the first is told at once, and what follows within 10 s as one sum at its end: one that
 * flaps is no flood. Of all backends together at most 64 lines in that time; what is more is only counted. Pure: the
 * clock is handed in, and what is due is handed back for the caller to log.
 */
import type { Clock } from "../core/clock.ts";
import type { Version } from "../core/version.ts";

export const TELL_EVERY_MS = 10_000;
export const MOST_CHANGES = 64;

export interface ChangeSum<C extends string> {
  readonly version: Version;
  readonly backend: string;
  readonly change: C;
  /** How many since it was told last. */
  readonly count: number;
}

interface Kind<C extends string> extends ChangeSum<C> {
  count: number;
  toldAtMs: number;
}

export class ChangeSums<C extends string> {
  readonly #clock: Clock;
  readonly #kinds = new Map<string, Kind<C>>();
  #untold = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns what to log now, or null: counted, told later. */
  add(version: Version, backend: string, change: C): ChangeSum<C> | null {
    const key = `${version} ${change} ${backend}`;
    const known = this.#kinds.get(key);
    if (known !== undefined) {
      known.count++;
      return null;
    }
    if (this.#kinds.size >= MOST_CHANGES) {
      this.#untold++;
      return null;
    }
    this.#kinds.set(key, { version, backend, change, count: 0, toldAtMs: this.#clock.nowMs() });
    return { version, backend, change, count: 1 };
  }

  /** What has waited 10 s; to be called about every second. Kinds that have come to rest are forgotten. */
  due(): ChangeSum<C>[] {
    const nowMs = this.#clock.nowMs();
    const sums: ChangeSum<C>[] = [];
    for (const [key, kind] of this.#kinds) {
      if (nowMs - kind.toldAtMs < TELL_EVERY_MS) continue;
      const { version, backend, change, count } = kind;
      if (count === 0) this.#kinds.delete(key);
      else sums.push({ version, backend, change, count });
      kind.count = 0;
      kind.toldAtMs = nowMs;
    }
    return sums;
  }

  /** How many were not told of at all since the last time this was asked. */
  takeUntold(): number {
    const untold = this.#untold;
    this.#untold = 0;
    return untold;
  }
}
