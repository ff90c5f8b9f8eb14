/**
 * GET /status: what serves, how it is doing, and what still runs on versions that were switched away from.
 *
 * Shows no secret: the config refuses backend URLs with userinfo, and the token is never looked at.
 */
import type { AdminAnswer } from "../../core/admin-call.ts";
import type { Clock } from "../../core/clock.ts";
import { poolSights } from "../../telemetry/pool-sights.ts";
import type { WorkerStats } from "../../telemetry/worker-stats.ts";
import type { SwitcherStatus } from "../switch/switcher.ts";
import type { AdminDeps } from "./admin-deps.ts";
import { jsonAnswer } from "./answers.ts";
import { poolStatus, versionHealth } from "./pool-status.ts";

/** A worker that stays silent longer counts with what it last said. */
const COLLECT_TIMEOUT_MS = 300;

export async function getStatus(deps: AdminDeps): Promise<AdminAnswer> {
  const { config, switcher, fleet, build, readiness, startCheck } = deps;
  const { stats } = await fleet.collect(COLLECT_TIMEOUT_MS);
  const told = [...stats.values()];
  const status = switcher.status(); // read after the wait, so that the answer is of one moment
  const pools = poolSights(
    deps.pools(),
    told.map((each) => each.pools ?? []),
  );
  const backends = Object.fromEntries(
    config.backends.map(({ version }) => [version, deps.describe(version)]),
  );
  return jsonAnswer({
    current_version: status.activeVersion,
    current_backend: backends[status.activeVersion] ?? null,
    backends,
    epoch: status.epoch,
    phase: status.phase,
    workers: fleet.workers().map(({ id, pid, state, epoch }) => ({ id, pid, state, epoch })),
    health: Object.fromEntries(
      pools.map((pool) => [pool.version, versionHealth(pool, status.lastProbes, deps.clock.wallMs())]),
    ),
    pools: poolStatus(pools, status.lastProbes),
    drain: runningDrains(status, told, deps.clock),
    cooldown_remaining_seconds: Math.ceil(status.cooldownRemainingMs / 1_000),
    rollback_to: status.rollbackTo,
    paused: paused(status.pause, deps.clock),
    state: {
      source: status.state.source,
      damaged: status.state.damaged.length > 0,
      problems: status.state.damaged,
    },
    ready: readiness().ready,
    start_check: startCheck(),
    uptime_seconds: Math.floor(process.uptime()),
    build,
  });
}

function paused(pause: SwitcherStatus["pause"], clock: Clock) {
  if (pause === null) return null;
  const until = new Date(clock.wallMs() + pause.endsAtMs - clock.nowMs()).toISOString();
  return { until, reason: pause.reason, actor: pause.actor };
}

/** Only what still runs something. */
function runningDrains(
  { drains, activeVersion }: SwitcherStatus,
  told: readonly WorkerStats[],
  clock: Clock,
) {
  const versions = told.flatMap((each) => each.versions);
  return drains
    .filter(({ version }) => version !== activeVersion)
    .map(({ version, deadlineAtMs }) => {
      const running = versions.filter((each) => each.version === version);
      return {
        version,
        in_flight: running.reduce((total, { inFlight }) => total + inFlight, 0),
        streams: running.reduce((total, { streams }) => total + streams, 0),
        upgraded: running.reduce((total, { upgraded }) => total + upgraded, 0),
        deadline_at: new Date(clock.wallMs() + deadlineAtMs - clock.nowMs()).toISOString(),
      };
    })
    .filter(({ in_flight, upgraded }) => in_flight + upgraded > 0);
}
