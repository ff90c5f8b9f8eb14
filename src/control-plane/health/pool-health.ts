/**
 * Pool health: the prober at work for the pools: it follows their membership, and they have its verdicts.
 *
 * Wires; decides nothing. Backends of versions without a `health` section are not probed.
 */
import type { VersionConfig } from "../../config/pool-config.ts";
import type { PoolsSnapshot } from "../../config/snapshot.ts";
import type { Clock } from "../../core/clock.ts";
import type { Version } from "../../core/version.ts";
import type { AskLimits } from "../../health/http-ask.ts";
import type { ProbeSight } from "../../telemetry/pool-sights.ts";
import type { EventSink } from "../events/events.ts";
import type { Pools } from "../pools/pools.ts";
import { Monitor, type MonitorLog, type ProbedBackend } from "./monitor.ts";
import { probeBackend } from "./probe-backend.ts";

/** An answer can be long. */
const WHY_MAX_LENGTH = 200;

export interface PoolHealthParts {
  readonly versions: readonly VersionConfig[];
  readonly pools: Pick<Pools, "snapshot" | "setVerdict">;
  /** Is told of every other verdict. */
  readonly events: EventSink;
  /** Of the answers. */
  readonly limits: AskLimits;
  readonly clock: Clock;
  readonly log: MonitorLog;
}

export interface PoolHealth {
  /** Ask it what is known of a backend. */
  readonly monitor: Pick<Monitor, "healthOf" | "all">;
  /** The same in a few words; null: it is not probed. */
  probeOf(version: Version, backend: string): ProbeSight | null;
  /** Probes from now on. */
  start(): void;
  /** To be called after each revision of the pools. */
  follow(): void;
  /** Resolves when no probe is left. */
  close(): Promise<void>;
}

export function createPoolHealth({
  versions,
  pools,
  events,
  limits,
  clock,
  log,
}: PoolHealthParts): PoolHealth {
  const monitor = new Monitor({
    probe: (backend, signal) => probeBackend(backend, limits, clock, signal),
    onVerdict: ({ version, name }, verdict, { saw }) => {
      pools.setVerdict(version, name, verdict);
      events.publish({
        type: "backend",
        version,
        backend: name,
        state: verdict,
        why: saw.slice(0, WHY_MAX_LENGTH),
      });
    },
    clock,
    random: Math.random,
    log,
  });
  let isStarted = false;
  const follow = (): void => {
    if (!isStarted) return;
    const { snapshot } = pools;
    monitor.update(probedOf(versions, snapshot));
    // A backend that left and came back between two revisions: the pools have forgotten it, the monitor has not.
    for (const { version, backends } of snapshot.pools) {
      for (const { name, health } of backends) {
        const verdict = monitor.healthOf(version, name)?.verdict ?? health;
        if (verdict !== health) pools.setVerdict(version, name, verdict);
      }
    }
  };
  const start = (): void => {
    isStarted = true;
    follow();
  };
  const probeOf = (version: Version, backend: string): ProbeSight | null => {
    const seen = monitor.healthOf(version, backend);
    return seen === null ? null : { verdict: seen.verdict, saw: seen.report?.saw ?? null, ageMs: seen.ageMs };
  };
  return { monitor, probeOf, start, follow, close: () => monitor.close() };
}

function probedOf(versions: readonly VersionConfig[], { pools }: PoolsSnapshot): readonly ProbedBackend[] {
  return pools.flatMap(({ version, backends }) => {
    const health = versions.find((each) => each.version === version)?.health ?? null;
    return health === null
      ? []
      : backends.map(({ name, origin, addresses }) => ({ version, name, origin, addresses, health }));
  });
}
