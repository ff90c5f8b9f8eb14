/**
 * Backend: the live state that one worker keeps of one backend: what runs on it now.
 *
 * Lives as long as the worker, whatever is switched, so a version that is switched back to finds its
 * connections and its counts. Knows no sockets.
 */

import { Roster } from "../../core/roster.ts";
import type { Version } from "../../core/version.ts";
import type { LongRunning, RunningRequest } from "./running.ts";

export class Backend {
  readonly version: Version;
  /** `http://host:port` */
  readonly origin: string;
  /** `host:port`, as `Host` names it. */
  readonly authority: string;
  /** Its place in the config and in the statistics, see record.ts. */
  readonly index: number;
  readonly requests = new Roster<RunningRequest>();
  readonly tunnels = new Set<LongRunning>();
  /** Of the requests, those whose answer is a stream of events that can end between two of them. */
  readonly streams = new Set<LongRunning>();
  retries = 0;

  constructor(version: Version, origin: string, index: number) {
    this.version = version;
    this.origin = origin;
    this.authority = new URL(origin).host;
    this.index = index;
  }
}
