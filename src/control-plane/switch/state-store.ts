/**
 * StateStore: what must survive a restart. Files implement it now (file-store.ts); Redis or etcd may later.
 */
import type { Version } from "../../core/version.ts";

/** One line of the history. `hash` covers every other field, `prev` is the hash of the line before ("" for the first). */
export interface HistoryEntry {
  readonly epoch: number;
  readonly from: Version;
  readonly to: Version;
  /** ISO 8601, UTC. */
  readonly at: string;
  /** `fail-over`: at start the version of the state was dead and another lived. */
  readonly trigger: "switch" | "rollback" | "fail-over";
  readonly forced: boolean;
  readonly reason: string | null;
  /** Who did it: `loopback`, `token`, … never a secret. */
  readonly actor: string;
  /** From the call to the moment of writing, ms. */
  readonly duration_ms: number;
  /** `passed` or `skipped` (forced), and what each worker's probes saw. */
  readonly gate: { readonly outcome: "passed" | "skipped"; readonly workers: readonly unknown[] };
  /** The cool-down in a form that wall-clock jumps do not change: boot id and its monotonic clock. */
  readonly clock: { readonly boot_id: string; readonly monotonic_ms: number };
  /** SHA-256 of the Idempotency-Key and of the call's canonical body, when a key was given. */
  readonly idempotency: { readonly key_sha256: string; readonly body_sha256: string } | null;
  readonly prev: string;
  readonly hash: string;
}

export type NewHistoryEntry = Omit<HistoryEntry, "prev" | "hash">;

export interface RecoveredState {
  /** What serves; null when there is no usable state and the config's active_version does. */
  readonly version: Version | null;
  readonly epoch: number;
  readonly source: "history" | "version_file" | "config";
  /** What was found broken, one sentence each; empty when nothing. */
  readonly damaged: readonly string[];
  /** Newest last; at most the last 1,000. */
  readonly entries: readonly HistoryEntry[];
}

export interface StateStore {
  /**
   * Makes the entry durable, then `.version`. On failure nothing has changed and it rejects with STATE_WRITE_FAILED.
   *
   * @param signal gives it up: it rejects at once, and what was written is taken back when the file system
   *   answers. Until then every other call is refused. Once it has resolved the signal means nothing any more.
   */
  append(entry: NewHistoryEntry, signal?: AbortSignal): Promise<HistoryEntry>;
  /** What is broken now, one sentence each; a switch mends some of it. */
  readonly damaged: readonly string[];
  /** Newest first. */
  history(limit: number): readonly HistoryEntry[];
  /** Lets another daemon have the state folder. */
  release(): Promise<void>;
}
