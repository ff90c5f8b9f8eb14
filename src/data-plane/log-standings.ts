/**
 * Log standings: says in the log what becomes of the backends, each change once, from every worker that sees it.
 */
import type { Logger } from "pino";
import type { PoolWatch } from "./backend/pool.ts";
import type { StandingEvent } from "./backend/standing.ts";

const SENTENCES: Readonly<Record<StandingEvent, string>> = {
  degraded: "backend degraded: it takes less until fewer of its answers are bad",
  recovered: "backend recovered",
  ejected: "backend ejected: too many of its answers are bad",
  "on trial": "backend on trial: a few requests show whether it may come back",
  restored: "backend restored",
  "breaker open": "breaker open: the backend takes nothing for a while",
  "breaker half-open": "breaker half-open: a few requests show whether the backend may come back",
  "breaker closed": "breaker closed",
};
const WARNINGS: ReadonlySet<StandingEvent> = new Set(["degraded", "ejected", "breaker open"]);

export function logStandings(log: Logger): PoolWatch {
  return {
    onStanding: ({ version, name }, event) => {
      log[WARNINGS.has(event) ? "warn" : "info"]({ version, backend: name }, SENTENCES[event]);
    },
    onPanic: (version, isPanicking) => {
      if (isPanicking) log.warn({ version }, "no backend is fit: all are used all the same");
      else log.info({ version }, "not all backends are used all the same any more");
    },
  };
}
