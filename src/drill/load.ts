/** Load: what every client of the drill is given. */
import type { Clock } from "../core/clock.ts";
import type { Ledger } from "./ledger.ts";

export interface Load {
  /** The proxy's, on 127.0.0.1. */
  readonly port: number;
  readonly ledger: Ledger;
  readonly clock: Clock;
  /** From then on nothing new is begun; what runs may end. */
  isEnding: boolean;
}

/** Whatever takes longer is lost. */
export const ANSWER_LIMIT_MS = 10_000;

/** Clients do not come in step. */
export function upTo(ms: number): number {
  return Math.random() * ms;
}
