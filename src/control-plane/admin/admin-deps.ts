/**
 * What the admin API calls: the parts of the control plane and the telemetry, as narrow as it needs them.
 */
import type { Config } from "../../config/schema.ts";
import type { Clock } from "../../core/clock.ts";
import type { Version } from "../../core/version.ts";
import type { Build } from "../../telemetry/build.ts";
import type { PoolSource } from "../../telemetry/pool-sights.ts";
import type { Metrics } from "../../telemetry/scrape.ts";
import type { EventSubscribers } from "../events/event-subscribers.ts";
import type { BackendDesk } from "../pools/backend-desk.ts";
import type { Readiness } from "../readiness.ts";
import type { StartCheck } from "../switch/safe-start.ts";
import type { StateStore } from "../switch/state-store.ts";
import type { Switcher } from "../switch/switcher.ts";
import type { Fleet } from "../workers/fleet.ts";

export interface AdminDeps {
  readonly switcher: Pick<Switcher, "switchTo" | "rollback" | "pause" | "resume" | "status">;
  readonly backends: Pick<BackendDesk, "change" | "pools" | "beforeSwitch">;
  readonly store: Pick<StateStore, "history">;
  readonly fleet: Pick<Fleet, "workers" | "collect">;
  readonly pools: () => PoolSource;
  /** A version's backends in a few words, as they are now. */
  readonly describe: (version: Version) => string;
  readonly metrics: Pick<Metrics, "text" | "summary">;
  readonly events: Pick<EventSubscribers, "open" | "isFull" | "isClosed">;
  readonly config: Pick<Config, "admin" | "backends">;
  readonly build: Build;
  readonly readiness: () => Readiness;
  readonly startCheck: () => StartCheck;
  readonly clock: Clock;
  readonly log: AdminLog;
}

/** A pino logger is one. */
export interface AdminLog {
  error(fields: object, sentence: string): void;
}
