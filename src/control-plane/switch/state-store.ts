/**
 * StateStore: what must survive a restart. Files implement it now (file-store.ts); Redis or etcd may later.
 */
import type { Version } from "../../core/version.ts";
import type { BackendAction, ChangeInForce, Changes } from "../pools/changes.ts";

/** One line of the history. `hash` covers every other field, `prev` is the hash of the line before ("" for the first). */
export type HistoryEntry = SwitchEntry | BackendsEntry;
/** `switch`: whatever changed the active version. */
export type EntryKind = "switch" | "backends";

export interface SwitchEntry {
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

export type NewSwitchEntry = Omit<SwitchEntry, "prev" | "hash">;

/** A version's backends were changed by hand. */
export interface BackendsEntry {
  /** Of the line before, 0 when there is none: no switch. */
  readonly epoch: number;
  readonly trigger: "backends";
  readonly version: Version;
  /** null: every one of the version. */
  readonly backend: string | null;
  readonly action: BackendAction;
  /** As it was asked for; null when it was not. */
  readonly weight: number | null;
  readonly forced: boolean;
  readonly reason: string | null;
  readonly actor: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly clock: { readonly boot_id: string; readonly monotonic_ms: number };
  /** What is in force for the backend from now on; null: what the config says. */
  readonly in_force: ChangeInForce | null;
  /** Nothing was in force before. */
  readonly from_nothing: boolean;
  /** Of all that is in force from now on, of every version. */
  readonly changes_sha256: string;
  readonly prev: string;
  readonly hash: string;
}

/** The store adds what follows from what was written before. */
export type NewBackendsEntry = Omit<
  BackendsEntry,
  "epoch" | "from_nothing" | "changes_sha256" | "prev" | "hash"
>;

export interface RecoveredState {
  /** What serves; null when there is no usable state and the config's active_version does. */
  readonly version: Version | null;
  readonly epoch: number;
  readonly source: "history" | "version_file" | "config";
  /** What was found broken, one sentence each; empty when nothing. */
  readonly damaged: readonly string[];
  /** The switches, newest last; at most the last 1,000. */
  readonly entries: readonly SwitchEntry[];
}

/** All changes by hand that are in force before a write and after it. */
export interface ChangesWrite {
  readonly before: Changes;
  readonly after: Changes;
}

export interface StateStore {
  /**
   * Makes the entry durable, then `.version`. On failure nothing has changed and it rejects with STATE_WRITE_FAILED.
   *
   * @param signal gives it up: it rejects at once, and what was written is taken back when the file system
   *   answers. Until then every other call is refused. Once it has resolved the signal means nothing any more.
   */
  append(entry: NewSwitchEntry, signal?: AbortSignal): Promise<SwitchEntry>;
  /** Makes the entry durable, then all that is in force from then on. Fails like `append`. */
  appendBackends(entry: NewBackendsEntry, write: ChangesWrite, signal?: AbortSignal): Promise<BackendsEntry>;
  /** What is broken now, one sentence each; a switch mends some of it. */
  readonly damaged: readonly string[];
  /** Newest first. @param kind that alone; null: all. */
  history(limit: number, kind?: EntryKind | null): readonly HistoryEntry[];
  /** Lets another daemon have the state folder. */
  release(): Promise<void>;
}
