/**
 * Log standings: says in the log what becomes of the backends, from every worker that sees it: each change once, and
 * of one that flaps a sum.
 */
import type { Logger } from "pino";
import type { Clock } from "../core/clock.ts";
import { type ChangeSum, ChangeSums } from "../telemetry/change-sums.ts";
import type { PoolMood, PoolWatch } from "./backend/pool.ts";
import type { StandingEvent } from "./backend/standing-events.ts";

const SENTENCES: Readonly<Record<StandingEvent, string>> = {
  degraded: "backend degraded: it takes less until fewer of its answers are bad",
  recovered: "backend recovered",
  ejected: "backend ejected: too many of its answers are bad",
  "on trial": "backend on trial: a few requests show whether it may come back",
  restored: "backend restored",
  "breaker open": "breaker open: the backend takes nothing for a while",
  "breaker half-open": "breaker half-open: a few requests show whether the backend may come back",
  "breaker closed": "breaker closed",
  unreachable: "backend unreachable: it takes nothing until a connection to it opens",
  reachable: "backend reachable again",
};
const WARNINGS: ReadonlySet<StandingEvent> = new Set(["degraded", "ejected", "breaker open", "unreachable"]);

const MOODS: Readonly<Record<PoolMood, string>> = {
  serving: "a backend is fit again",
  panicking: "no backend is fit: all are used all the same",
  shut: "no backend takes requests: they are refused",
};

export class StandingLog implements PoolWatch {
  readonly #log: Pick<Logger, "info" | "warn">;
  readonly #sums: ChangeSums<StandingEvent>;

  constructor(log: Pick<Logger, "info" | "warn">, clock: Clock) {
    this.#log = log;
    this.#sums = new ChangeSums(clock);
  }

  onStanding({ version, name }: { version: string; name: string }, event: StandingEvent): void {
    const sum = this.#sums.add(version, name, event);
    if (sum !== null) this.#tell(sum);
  }

  onMood(version: string, mood: PoolMood): void {
    this.#log[mood === "serving" ? "info" : "warn"]({ version }, MOODS[mood]);
  }

  /** To be called about every second. */
  tick(): void {
    const due = this.#sums.due();
    for (const sum of due) this.#tell(sum);
    const untold = this.#sums.takeUntold();
    if (untold > 0) this.#log.warn({ count: untold }, "more backends have changed than are told one by one");
  }

  #tell({ change, count, ...fields }: ChangeSum<StandingEvent>): void {
    this.#log[WARNINGS.has(change) ? "warn" : "info"]({ ...fields, count }, SENTENCES[change]);
  }
}
