/**
 * Backend: the live state that one worker keeps of one backend: what runs on it now.
 *
 * Lives as long as the worker, whatever is switched, so a version that is switched back to finds its
 * connections and its counts. Knows no sockets.
 */
import type { Version } from "../../core/version.ts";
import { RunningRequests } from "./running-requests.ts";

/** A request or tunnel that runs on a backend and can be ended from outside. */
export interface Running {
  /** The version was switched away from and its drain deadline passed. */
  cutForDrain(): void;
}

/** A request, which also has time limits. */
export interface RunningRequest extends Running {
  /** Where it stands among those that run; RunningRequests sets it. */
  place: number;
  /** Ends the request when one of its time limits has passed. */
  checkTimeLimits(nowMs: number): void;
}

export class Backend {
  readonly version: Version;
  /** `http://host:port` */
  readonly origin: string;
  /** The name for TLS: the backend's own, never one that a client sends. */
  readonly servername: string;
  /** `x-forwarded-…` aside, the same for every request: which slot of the statistics is ours. */
  readonly index: number;
  readonly requests = new RunningRequests();
  readonly tunnels = new Set<Running>();
  retries = 0;

  constructor(version: Version, origin: string, index: number) {
    this.version = version;
    this.origin = origin;
    this.servername = new URL(origin).hostname;
    this.index = index;
  }
}
