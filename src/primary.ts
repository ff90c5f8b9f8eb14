/**
 * Primary: wires the control plane together: state, workers, switch, admin API, signals. No logic of its own.
 *
 * Opens in the order in which a failure should be told: state folder, port, admin port, workers.
 * It never touches a client's request.
 */
import { describeTargets } from "./config/pool-config.ts";
import type { Config } from "./config/schema.ts";
import { withoutSecrets } from "./config/to-config.ts";
import { startAdminListener } from "./control-plane/admin/admin-listener.ts";
import { createAdminRouter } from "./control-plane/admin/router.ts";
import { createEvents } from "./control-plane/events/create-events.ts";
import { createPoolHealth, type PoolHealth } from "./control-plane/health/pool-health.ts";
import { BackendDesk } from "./control-plane/pools/backend-desk.ts";
import { MAX_BACKENDS } from "./control-plane/pools/members.ts";
import { Names } from "./control-plane/pools/names.ts";
import { Pools } from "./control-plane/pools/pools.ts";
import { type DaemonPhase, readiness } from "./control-plane/readiness.ts";
import { readBootId } from "./control-plane/switch/boot-id.ts";
import { openFileStore } from "./control-plane/switch/file-store.ts";
import { SafeStart } from "./control-plane/switch/safe-start.ts";
import { Switcher } from "./control-plane/switch/switcher.ts";
import type { ForkSource } from "./control-plane/workers/forks.ts";
import { bindListeningSocket } from "./control-plane/workers/listening-socket.ts";
import { Supervisor } from "./control-plane/workers/supervisor.ts";
import { systemClock } from "./core/clock.ts";
import { hostAndPort } from "./core/host-and-port.ts";
import { afterInBackground } from "./core/timers.ts";
import type { Version } from "./core/version.ts";
import { readBuild } from "./telemetry/build.ts";
import { LateMetrics } from "./telemetry/late-metrics.ts";
import { createLogger, type Logger } from "./telemetry/logger.ts";

/** Orphaned workers of a primary that was killed let go of the port within this time. */
const PORT_PATIENCE_MS = 2_000;
/** From when every worker listens until the metrics are loaded, if nobody asks for them before. */
const METRICS_AFTER_MS = 1_000;

/** @param forks processes for the workers, some of them started already. @throws StartError. */
export async function startPrimary(config: Config, forks: ForkSource): Promise<void> {
  const log = createLogger({ level: config.log.level, role: "primary" });
  const build = readBuild();
  const { store, recovered, changes } = await openFileStore({
    stateDir: config.stateDir,
    versions: config.backends.map(({ version }) => version),
    clock: systemClock,
    log,
  });
  let phase: DaemonPhase = "starting";
  const socket = await bindListeningSocket(config.server.host, config.server.port, PORT_PATIENCE_MS);

  const events = createEvents({
    clock: systemClock,
    log,
    switchView: () => switcher.status(),
    workers: () => supervisor.workers(),
    collect: (timeoutMs) => supervisor.collect(timeoutMs),
    readiness: () => readiness(phase, supervisor, safeStart),
  });
  const pools = new Pools({
    versions: config.backends,
    after: afterInBackground,
    onChange: (snapshot) => {
      names.follow();
      supervisor.tellPools(snapshot);
      health.follow();
    },
    onCut: (version) =>
      log.warn({ version, used: MAX_BACKENDS }, "a version has more backends than are used"),
  });
  const names: Names = new Names({
    pools,
    resolvers: config.upstream.resolvers,
    after: afterInBackground,
    random: Math.random,
    log,
  });
  const health: PoolHealth = createPoolHealth({
    versions: config.backends,
    pools,
    events: events.sink,
    limits: config.upstream,
    clock: systemClock,
    log,
  });
  const supervisor: Supervisor = new Supervisor({
    pools: () => pools.snapshot,
    config: withoutSecrets(config),
    socket,
    watcher: {
      workerBorn: (pid, worker) => switcher.workerBorn(pid, worker),
      onWorker: (report) => switcher.onWorker(report),
    },
    clock: systemClock,
    log,
    forks,
    onAdminCall: (call) => route(call),
    onWorkerState: events.onWorkerState,
    onListenFailed: (message) => {
      log.fatal({ host: config.server.host, port: socket.port }, `a worker cannot listen: ${message}`);
      supervisor.killAll();
      process.exit(1);
    },
    onStartFailed: (message) => {
      log.fatal(`a worker cannot start: ${message}`);
      supervisor.killAll();
      process.exit(1);
    },
  });
  const bootId = readBootId();
  const describe = (version: Version): string => describeTargets(pools.sourceOf(version).targets);
  const switcher: Switcher = new Switcher({
    describe,
    config,
    fleet: supervisor,
    store,
    recovered,
    clock: systemClock,
    bootId,
    log,
    observe: {
      switchEnded: (end) => {
        metrics.switches.switchEnded(end);
        events.observe.switchEnded(end);
        if (end.outcome === "done") safeStart.switched(end);
      },
      changed: (change) => events.observe.changed(change),
    },
  });
  const backends = new BackendDesk({
    versions: config.backends,
    changes,
    pools,
    store,
    // Messages keep their order: who answers has read what was sent before.
    takenUp: async () => (await supervisor.collect(config.switch.commitTimeoutMs)).silent,
    switchPhase: () => switcher.status().phase,
    isEnding: () => phase === "ending",
    clock: systemClock,
    bootId,
    writeLimitMs: config.switch.persistTimeoutMs,
    after: afterInBackground,
    events: events.sink,
    log,
  });
  const safeStart = new SafeStart({
    config,
    recovered,
    switcher: {
      probe: (version) => switcher.probe(version),
      failOver: (to, reason) => backends.beforeSwitch(() => switcher.failOver(to, reason)),
      status: () => switcher.status(),
    },
    log,
    onChange: () => events.lookAtReadiness(),
  });
  const poolSource = () => ({ pools: pools.snapshot, probeOf: health.probeOf });
  const metrics = new LateMetrics({
    config,
    workers: supervisor,
    switchView: () => switcher.status(),
    pools: poolSource,
    subscribers: events.subscribers,
    build,
    clock: systemClock,
  });
  const route = createAdminRouter({
    switcher,
    backends,
    store,
    fleet: supervisor,
    pools: poolSource,
    describe,
    metrics,
    events: events.subscribers,
    config,
    build,
    clock: systemClock,
    readiness: () => readiness(phase, supervisor, safeStart),
    startCheck: () => safeStart.check,
    log,
  });
  const admin = await startAdminListener({ ...config.admin, handle: route, log });

  const end = async (): Promise<void> => {
    phase = "ending";
    safeStart.close();
    names.close();
    const lastProbes = health.close();
    events.close(); // at once: a stream has no end of its own to wait for
    const lastSwitch = switcher.close(); // no new one; one that runs ends with its workers at the latest
    await supervisor.stop(config.server.shutdownGraceMs);
    await Promise.all([lastSwitch, lastProbes]);
    await admin.close(); // last, so that /readyz says why until the end
    await store.release();
  };
  endOnSignals(log, supervisor, end);

  log.info(
    {
      version: build.version,
      node: build.node,
      listen: `http://${hostAndPort(config.server.host, socket.port)}`,
      admin: admin.url,
      workers: config.server.workers,
      backends: Object.fromEntries(
        config.backends.map(({ version, targets }) => [version, describeTargets(targets)]),
      ),
      active_version: switcher.snapshot().activeVersion,
      epoch: switcher.snapshot().epoch,
      state_dir: config.stateDir,
      state_source: recovered.source,
    },
    "starting",
  );
  for (const problem of recovered.damaged)
    log.error({ state_dir: config.stateDir }, `state is damaged: ${problem}`);
  events.start();
  await names.start();
  if (phase !== "starting") return;
  health.start();
  await supervisor.start();
  if (phase !== "starting") return;
  phase = "running";
  afterInBackground(METRICS_AFTER_MS, () => void metrics.load());
  if (await safeStart.begin())
    log.info({ active_version: switcher.snapshot().activeVersion }, "ready: every worker listens");
}

/** The first SIGTERM or SIGINT ends in order, the second at once. */
function endOnSignals(log: Logger, supervisor: Supervisor, end: () => Promise<void>): void {
  let isEnding = false;
  const onSignal = (signal: "SIGTERM" | "SIGINT"): void => {
    if (isEnding) {
      log.warn({ signal }, "second signal: ending now");
      supervisor.killAll();
      process.exit(1);
    }
    isEnding = true;
    log.info({ signal }, "ending: no new connections; what runs may finish");
    void end().then(() => {
      log.info("ended");
      process.exit(0);
    });
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  process.on("SIGHUP", () => log.info("SIGHUP ignored: there is no reload; restart to read a new config"));
}
