/**
 * Snapshot: what a worker serves by, frozen and numbered. The only thing both planes share besides the
 * messages; a request reads it once and ends on it.
 */
import type { Version } from "../core/version.ts";

export interface Snapshot {
  readonly activeVersion: Version;
  /** The number of the switch in force: 0 before the first, grows by one with each. */
  readonly epoch: number;
}

/**
 * The backends of every version as they are now: the config's, changed by hand, by names that resolve anew, and by
 * what the probes say. Replaced whole; a backend whose name stays keeps its state.
 */
export interface PoolsSnapshot {
  /** Grows by one with each change. */
  readonly revision: number;
  /** Every configured version, in the order of the config. */
  readonly pools: readonly PoolSnapshot[];
}

export interface PoolSnapshot {
  readonly version: Version;
  readonly backends: readonly BackendSnapshot[];
}

export interface BackendSnapshot {
  /** Its name in the API, in metrics and logs, unlike any other of its version: `http://10.0.0.1:9000`. */
  readonly name: string;
  /** `http://host:port` or `https://host:port`: what `Host` and TLS go by. */
  readonly origin: string;
  /** IP addresses to connect to; empty: the name is looked up when connecting. */
  readonly addresses: readonly string[];
  /** 0 takes no traffic. */
  readonly weight: number;
  /** Drained by hand: takes nothing new. */
  readonly isDrained: boolean;
  readonly health: HealthVerdict;
}

/** What the probes in the background say; `unknown` before enough of them, or when there are none. */
export type HealthVerdict = "unknown" | "healthy" | "degraded" | "unhealthy";
