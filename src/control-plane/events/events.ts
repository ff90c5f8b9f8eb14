/**
 * Events: everything that GET /events can tell, as one union; field names as they stand on the wire. Types only.
 *
 * README.md lists the same. Nothing in an event is a secret, and every text in it has a bound of its own
 * (a `reason` 500 characters), so that 256 of them stay small.
 */
import type { HealthVerdict } from "../../config/snapshot.ts";
import type { Version } from "../../core/version.ts";
import type { BackendAction } from "../pools/changes.ts";
import type { SwitchEntry } from "../switch/state-store.ts";

type Trigger = SwitchEntry["trigger"];

export type DaemonEvent =
  /** A switch entered this phase; `idle` ends it, however it ended. */
  | {
      readonly type: "phase";
      readonly phase: "prepare" | "persist" | "hold" | "commit" | "idle";
      readonly from: Version;
      readonly to: Version;
      /** In force when the phase began. */
      readonly epoch: number;
      readonly trigger: Trigger;
    }
  | {
      readonly type: "switched";
      readonly from: Version;
      readonly to: Version;
      readonly epoch: number;
      readonly trigger: Trigger;
      readonly forced: boolean;
      readonly reason: string | null;
      readonly actor: string;
      readonly duration_ms: number;
    }
  | {
      readonly type: "refused";
      readonly from: Version;
      readonly to: Version;
      readonly trigger: Trigger;
      /** Of the table of admin errors. */
      readonly code: string;
      readonly message: string;
      readonly actor: string;
    }
  /** A version's backends were changed by hand; `backend` null: every one. */
  | {
      readonly type: "backends";
      readonly version: Version;
      readonly backend: string | null;
      readonly action: BackendAction;
      readonly weight: number | null;
      readonly forced: boolean;
      readonly reason: string | null;
      readonly actor: string;
    }
  /** What still runs on a version that was left. */
  | ({ readonly type: "drain"; readonly version: Version; readonly deadline_at: string } & DrainFigures)
  | { readonly type: "drained"; readonly version: Version }
  /** The probes in the background say something else of a backend than before, and why. */
  | {
      readonly type: "backend";
      readonly version: Version;
      readonly backend: string;
      readonly state: HealthVerdict;
      readonly why: string;
    }
  | {
      readonly type: "worker";
      readonly worker: number;
      readonly pid: number;
      readonly state: "starting" | "listening" | "stopping" | "gone";
    }
  | {
      readonly type: "paused";
      readonly until: string;
      readonly reason: string | null;
      readonly actor: string;
    }
  /** By whom; `limit`: the time was up. */
  | { readonly type: "resumed"; readonly actor: string }
  | { readonly type: "ready"; readonly ready: boolean; readonly why: string };

export interface DrainFigures {
  readonly in_flight: number;
  /** Of those: streams of events. */
  readonly streams: number;
  readonly upgraded: number;
}

/** The first event of every stream: what is, so that the others need only say what changes. */
export interface StatusEvent {
  readonly active_version: Version;
  readonly epoch: number;
  readonly phase: string;
  readonly ready: boolean;
  readonly why: string;
  readonly workers: readonly { readonly worker: number; readonly pid: number; readonly state: string }[];
}

/** Where the parts of the control plane say what happened. Never throws and never waits. */
export interface EventSink {
  publish(event: DaemonEvent): void;
}
