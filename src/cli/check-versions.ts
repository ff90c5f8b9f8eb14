/**
 * Check versions: how the report of `check` tells the versions: one line each, and the targets of those that are pools.
 *
 * Pure. Names what is on, and shows no secret of a cookie and no field of a probe.
 */
import {
  DEFAULT_BALANCE,
  type LimitsConfig,
  NO_LIMITS,
  type TargetConfig,
  type VersionConfig,
} from "../config/pool-config.ts";
import type { Config } from "../config/schema.ts";

/** @returns lines, not ended. */
export function versionLines({
  backends,
  activeVersion,
}: Pick<Config, "backends" | "activeVersion">): string[] {
  const width = Math.max(...backends.map(({ version }) => version.length));
  return backends.flatMap((version) => {
    const active = version.version === activeVersion ? "  (active when there is no state)" : "";
    const start = `  backend  ${version.version.padEnd(width)}  `;
    const [only] = version.targets;
    if (only !== undefined && isPlain(version)) return [`${start}${only.origin}${active}`];
    const targets = targetLines(version.targets).map((line) => " ".repeat(start.length) + line);
    return [`${start}${summaryOf(version)}${active}`, ...targets];
  });
}

/** Whether its URL says it all: the long form may say no more than the short one. */
function isPlain(version: VersionConfig): boolean {
  const { targets, balance } = version;
  const isOne = targets.length === 1 && targets[0]?.weight === 1 && targets[0].resolve === "name";
  return isOne && balance.algorithm === DEFAULT_BALANCE.algorithm && whatIsOn(version).length === 0;
}

function summaryOf(version: VersionConfig): string {
  const { targets, balance } = version;
  const count = targets.length === 1 ? "1 target" : `${targets.length} targets`;
  const on = whatIsOn(version);
  return [count, balance.algorithm, on.length === 0 ? "no section is on" : `on: ${on.join(", ")}`].join("; ");
}

/** The sections that are on, and the keys beside them that are not as they are by default. */
function whatIsOn(version: VersionConfig): string[] {
  const { health, outlier, breaker, limits, sticky } = version;
  return [
    health !== null && "health",
    outlier !== null && "outlier",
    breaker !== null && "breaker",
    hasLimits(limits) && "limits",
    version.slowStartMs > 0 && "slow_start",
    version.readyRatio < 1 && "ready_ratio",
    version.whenAllUnhealthy === "refuse" && "when_all_unhealthy",
    sticky !== null && "sticky",
  ].filter((name) => name !== false);
}

function hasLimits({ maxInFlight, maxQueue, maxConnections, maxRetries }: LimitsConfig): boolean {
  const isPlainCount = maxInFlight === NO_LIMITS.maxInFlight && maxRetries === NO_LIMITS.maxRetries;
  return !isPlainCount || maxQueue !== null || maxConnections !== null;
}

function targetLines(targets: readonly TargetConfig[]): string[] {
  const width = Math.max(...targets.map(({ origin }) => origin.length));
  return targets.map(({ origin, weight, resolve }) => {
    const each = resolve === "all" ? ", each address of the name" : "";
    return `${origin.padEnd(width)}  weight ${weight}${each}`;
  });
}
