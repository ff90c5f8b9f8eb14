/**
 * Error sums: turns any number of failures on the data path into few log lines.
 *
 * Of each kind (code and version) the first is reported at once, then a sum with every 1,000th or every 10 s.
 * Pure: the clock is handed in, and what is due is handed back for the caller to log. A failure whose sum is
 * not due costs one look-up.
 */
import type { Clock } from "../core/clock.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { Version } from "../core/version.ts";

export const REPORT_EVERY_COUNT = 1_000;
export const REPORT_EVERY_MS = 10_000;

export interface ErrorSum {
  readonly code: ErrorCode;
  /** null: the failure concerns no version. */
  readonly version: Version | null;
  /** How many since the report before. */
  readonly count: number;
  /** How many since the start. */
  readonly total: number;
  /** The message of the last one. */
  readonly last: string;
}

interface Kind {
  readonly code: ErrorCode;
  readonly version: Version | null;
  count: number;
  total: number;
  last: string;
  reportedAtMs: number;
}

export class ErrorSums {
  readonly #clock: Clock;
  readonly #versions: ReadonlySet<Version>;
  /** At most one entry for each code and configured version. */
  readonly #kinds = new Map<string, Kind>();

  constructor(clock: Clock, versions: Iterable<Version>) {
    this.#clock = clock;
    this.#versions = new Set(versions);
  }

  /** @returns the sum to log now, or null: counted, reported later. */
  add(code: ErrorCode, version: Version | null, message: string): ErrorSum | null {
    const kind = this.#kind(code, version !== null && this.#versions.has(version) ? version : null);
    kind.count++;
    kind.total++;
    kind.last = message;
    return kind.count >= REPORT_EVERY_COUNT || this.#isOld(kind) ? this.#report(kind) : null;
  }

  /** What has waited 10 s; to be called about every second, so that a burst's tail is not left unsaid. */
  due(): ErrorSum[] {
    return this.#pending()
      .filter((kind) => this.#isOld(kind))
      .map((kind) => this.#report(kind));
  }

  /** Everything not reported yet, for the end of the process. */
  flush(): ErrorSum[] {
    return this.#pending().map((kind) => this.#report(kind));
  }

  #pending(): Kind[] {
    return [...this.#kinds.values()].filter(({ count }) => count > 0);
  }

  #isOld(kind: Kind): boolean {
    return this.#clock.nowMs() - kind.reportedAtMs >= REPORT_EVERY_MS;
  }

  #report(kind: Kind): ErrorSum {
    const { code, version, count, total, last } = kind;
    kind.count = 0;
    kind.reportedAtMs = this.#clock.nowMs();
    return { code, version, count, total, last };
  }

  #kind(code: ErrorCode, version: Version | null): Kind {
    const key = `${code} ${version ?? ""}`;
    let kind = this.#kinds.get(key);
    if (kind === undefined) {
      // Never reported: the first is due at once.
      kind = { code, version, count: 0, total: 0, last: "", reportedAtMs: Number.NEGATIVE_INFINITY };
      this.#kinds.set(key, kind);
    }
    return kind;
  }
}
