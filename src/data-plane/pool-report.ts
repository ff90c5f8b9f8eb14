/**
 * Pool report: how one worker sees and uses the backends of its pools, in columns: with 1,000 backends the names of
 * the fields would be more than what they say.
 */
import type { PoolStats } from "../telemetry/worker-stats.ts";
import type { Backend } from "./backend/backend.ts";
import type { Pool } from "./backend/pool.ts";
import type { ConnectionPool } from "./forward/connection-pool.ts";

/** @param connections of a backend. */
export function poolReport(
  pool: Pool,
  connections: (backend: Backend) => ConnectionPool,
  nowMs: number,
): PoolStats {
  const { backends } = pool;
  const loads = backends.map((backend) => connections(backend).load);
  return {
    version: pool.version,
    isPanicking: pool.isPanicking,
    names: backends.map(({ name }) => name),
    weights: backends.map((backend) => Math.round(pool.weightOf(backend) * 1_000) / 1_000),
    inFlight: backends.map(({ inFlight }) => inFlight),
    active: loads.map(({ active }) => active),
    idle: loads.map(({ idle }) => idle),
    isEjected: backends.map(({ standing }) => (standing.isEjected ? 1 : 0)),
    isReachable: backends.map(({ isReachable }) => (isReachable ? 1 : 0)),
    states: backends.map(({ standing }) => standing.name(nowMs)),
    breakers: pool.judging.breaker === null ? null : backends.map(({ standing }) => standing.breakerState),
  };
}
