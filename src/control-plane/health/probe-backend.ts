/**
 * Probe backend: one probe in the background, on a connection of its own that takes no slot from the traffic.
 */
import type { Clock } from "../../core/clock.ts";
import { type AskLimits, httpAsk } from "../../health/http-ask.ts";
import { type ProbeReport, probe } from "../../health/probe.ts";
import type { ProbedBackend } from "./watched.ts";

/** Never rejects, and ends at the probe's time limit at the latest. */
export function probeBackend(
  backend: ProbedBackend,
  limits: AskLimits,
  clock: Clock,
  signal: AbortSignal,
): Promise<ProbeReport> {
  return probe(httpAsk(backend, limits), backend.health, clock, signal);
}
