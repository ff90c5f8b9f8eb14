/**
 * Error sums: turns any number of failures on the data path into few log lines.
 *
 * Of each kind (code, version and backend) the first is reported at once, then a sum with every 1,000th or every 10 s.
 * Pure: the clock is handed in, and what is due is handed back for the caller to log. A failure whose sum is
 * not due costs one look-up.
 */
import type { Clock } from "../core/clock.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { Version } from "../core/version.ts";

export const REPORT_EVERY_COUNT = 1_000;
export const REPORT_EVERY_MS = 10_000;
/** Of backends; what fails beyond that is summed by code and version alone. */
export const MOST_KINDS = 256;

export interface ErrorSum {
  readonly code: ErrorCode;
  /** null: the failure concerns no version. */
  readonly version: Version | null;
  /** Its name; null: the failure concerns none, or there are too many kinds already. */
  readonly backend: string | null;
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
  readonly backend: string | null;
  count: number;
  total: number;
  last: string;
  reportedAtMs: number;
}

export class ErrorSums {
  readonly #clock: Clock;
  readonly #versions: ReadonlySet<Version>;
  /** Bounded: 256, and one for each code and configured version. */
  readonly #kinds = new Map<string, Kind>();

  constructor(clock: Clock, versions: Iterable<Version>) {
    this.#clock = clock;
    this.#versions = new Set(versions);
  }

  /** @returns the sum to log now, or null: counted, reported later. */
  add(
    code: ErrorCode,
    version: Version | null,
    message: string,
    backend: string | null = null,
  ): ErrorSum | null {
    const kind = this.#kind(code, version !== null && this.#versions.has(version) ? version : null, backend);
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
    const { code, version, backend, count, total, last } = kind;
    kind.count = 0;
    kind.reportedAtMs = this.#clock.nowMs();
    return { code, version, backend, count, total, last };
  }

  #kind(code: ErrorCode, version: Version | null, backend: string | null): Kind {
    const key = `${code} ${version ?? ""} ${backend ?? ""}`;
    const known = this.#kinds.get(key);
    if (known !== undefined) return known;
    if (backend !== null && this.#kinds.size >= MOST_KINDS && !this.#forgetOne())
      return this.#kind(code, version, null);
    // Never reported: the first is due at once.
    const reportedAtMs = Number.NEGATIVE_INFINITY;
    const kind: Kind = { code, version, backend, count: 0, total: 0, last: "", reportedAtMs };
    this.#kinds.set(key, kind);
    return kind;
  }

  /** Backends come and go: one that was told of, and has not failed since, makes room. */
  #forgetOne(): boolean {
    for (const [key, kind] of this.#kinds) {
      if (kind.backend !== null && kind.count === 0 && this.#isOld(kind)) return this.#kinds.delete(key);
    }
    return false;
  }
}
