/**
 * Forward context: what all exchanges of a worker share, and where a request's attempts go. Interfaces only.
 */
import type { ForwardErrorCode } from "../../core/errors.ts";
import type { Backend, OfVersion } from "../backend/backend.ts";
import type { ConnectionPool } from "./connection-pool.ts";
import type { HeaderPolicy } from "./headers.ts";
import type { RetryBudget } from "./retry-budget.ts";
import type { RetryPolicy } from "./retry-policy.ts";

/** What all exchanges of a worker share. */
export interface ForwardContext {
  pool(backend: Backend): ConnectionPool;
  readonly limits: ForwardLimits;
  readonly policy: HeaderPolicy;
  readonly retryPolicy: RetryPolicy;
  readonly retryBudget: RetryBudget;
  /** The time as of the next sweep, ms: exact enough for time limits, never early, and free per request. */
  readonly coarse: { nowMs: number };
  /** Requests of this worker that run, over all versions. */
  readonly load: { inFlight: number };
  /** The worker is ending: answers ask the client to close. */
  readonly ending: { isEnding: boolean };
  /** Told once when the exchange has ended. */
  onEnd(exchange: Ended): void;
  /** Told of the failure that a request ends with. */
  onFailure(of: OfVersion, code: ForwardErrorCode, message: string): void;
  /** Told of an attempt's failure that another one may mend. @param code null: its answer had a status that is retried. */
  onRetry(backend: Backend, code: ForwardErrorCode | null): void;
  /** Told that no connection to it could be made, or that one broke off under a request. */
  onUnreachable(backend: Backend): void;
}

/** A request that is over, for the record. */
export interface Ended {
  /** Of its last attempt. */
  readonly backend: Backend;
  readonly method: string;
  /** What was answered; 499 when the client left first. */
  readonly status: number;
  readonly startedAtMs: number;
}

/** Where a request's attempts go: a version's pool. */
export interface Targets {
  /** null: no cookie ties a client to a backend. */
  readonly sticky: { lineFor(backend: Backend): string } | null;
  /** Answers are timed for its balancer. */
  readonly needsLatency: boolean;
  /** Retries that may run on one backend at a time; Infinity: no limit. */
  readonly maxRetries: number;
  /** Another backend that takes a retry; null: there is none. */
  pickOther(tried: readonly Backend[], keyHash: number): Backend | null;
  noteLatency(backend: Backend, ms: number): void;
}

export interface ForwardLimits {
  readonly queueTimeoutMs: number;
  /** To the head of an answer, for all attempts together. */
  readonly responseTimeoutMs: number;
  /** For one attempt that may be followed by another; Infinity: none. */
  readonly perTryTimeoutMs: number;
  readonly upstreamBodyIdleMs: number;
  readonly clientBodyIdleMs: number;
  readonly maxBodyBytes: number;
  /** Bytes per second; 0: none. */
  readonly minBodyRateBytes: number;
  readonly minBodyRateGraceMs: number;
}
