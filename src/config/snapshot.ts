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
