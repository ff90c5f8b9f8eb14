/**
 * Worker: wires the data plane of one process together and obeys the primary. No logic of its own.
 *
 * Says hello, is given the config, the snapshot and the listening socket, and only then listens. Without
 * its primary it would go on serving a version that may no longer be the active one: it ends itself.
 */
import cluster from "node:cluster";
import type { Config } from "./config/schema.ts";
import { systemClock } from "./core/clock.ts";
import { type ForwardErrorCode, StartError } from "./core/errors.ts";
import { looseShareOf } from "./core/share.ts";
import { afterInBackground, systemTimers } from "./core/timers.ts";
import type { Version } from "./core/version.ts";
import { Backend, type OfVersion } from "./data-plane/backend/backend.ts";
import { loadPools } from "./data-plane/create-pool.ts";
import { ask } from "./data-plane/forward/ask.ts";
import { ConnectionPools } from "./data-plane/forward/connection-pools.ts";
import { isUpstreamFailure, reasonOf } from "./data-plane/forward/failures.ts";
import type { HeaderPolicy } from "./data-plane/forward/headers.ts";
import { Reach } from "./data-plane/forward/reach.ts";
import { RetryBudget } from "./data-plane/forward/retry-budget.ts";
import { RetryPolicy } from "./data-plane/forward/retry-policy.ts";
import { startSweeper } from "./data-plane/forward/sweeper.ts";
import { Hold } from "./data-plane/hold.ts";
import { KeepWarm } from "./data-plane/keep-warm.ts";
import { createAdminRelay } from "./data-plane/listener/admin-relay.ts";
import { keepAliveLines } from "./data-plane/listener/client-connection.ts";
import { createTrust } from "./data-plane/listener/client-side.ts";
import { connectionGate } from "./data-plane/listener/connection-gate.ts";
import { Drains } from "./data-plane/listener/drain.ts";
import { HttpListener } from "./data-plane/listener/http-listener.ts";
import { stopListener } from "./data-plane/listener/stop.ts";
import { StandingLog } from "./data-plane/log-standings.ts";
import { createPipeline } from "./data-plane/pipeline.ts";
import { PoolOrders } from "./data-plane/pool-orders.ts";
import { prepare } from "./data-plane/prepare.ts";
import { preparePool } from "./data-plane/prepare-pool.ts";
import { Recorder } from "./data-plane/record/record.ts";
import { Serving } from "./data-plane/serving.ts";
import { SwitchOrders } from "./data-plane/switch-orders.ts";
import { warming } from "./data-plane/warm-up.ts";
import { createWorkerReport } from "./data-plane/worker-report.ts";
import type { Ask } from "./health/probe.ts";
import { Channel, type IpcEnd } from "./ipc/channel.ts";
import type { FromWorker, ToWorker } from "./ipc/messages.ts";
import { type ErrorSum, ErrorSums } from "./telemetry/error-sums.ts";
import { createLogger } from "./telemetry/logger.ts";
import { RETRIED_STATUS } from "./telemetry/worker-stats.ts";

/** A call may wait for a gate that takes minutes; the primary answers or dies. */
const ADMIN_CALL_LIMIT_MS = 15 * 60_000;
const REPORT_EVERY_MS = 1_000;
/** What an orphan may still take to finish what it runs. */
const ORPHAN_GRACE_MS = 5_000;
/** The kernel cuts it to net.core.somaxconn. */
const BACKLOG = 65_535;

type Start = ToWorker & { type: "start" };

export function runWorker(): void {
  process.on("SIGTERM", () => {}); // the primary says when; a signal to the whole group is not for us
  process.on("SIGINT", () => {});
  process.on("SIGHUP", () => {});

  // Otherwise node:cluster exits at once when the primary is gone, and cuts what runs.
  if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true;
  let running: RunningWorker | null = null;
  const early: ToWorker[] = []; // what comes while the balancers are loaded, in its order
  const channel = new Channel<FromWorker, ToWorker>(process as IpcEnd, "worker", (message, handle) => {
    if (message.type === "start") {
      void startWorker(message, handle, channel).then((worker) => {
        running = worker;
        for (const each of early) worker.obey(each);
      });
    } else if (running === null) early.push(message);
    else running.obey(message);
  });
  process.on("disconnect", () => {
    if (running === null) process.exit(1);
    else running.obey({ type: "stop", graceMs: ORPHAN_GRACE_MS });
  });
  channel.send({ type: "hello" });
}

interface RunningWorker {
  obey(message: ToWorker): void;
}

async function startWorker(
  start: Start,
  handle: unknown,
  channel: Channel<FromWorker, ToWorker>,
): Promise<RunningWorker> {
  const { config, snapshot } = start;
  const share = { index: start.index, workers: start.workers };
  const log = createLogger({ level: config.log.level, role: "worker", worker: start.index + 1 });
  process.on("uncaughtException", (error) => {
    log.fatal({ err: error }, "worker failed; it is replaced");
    process.exit(1);
  });

  const standings = new StandingLog(log, systemClock);
  const createPool = await loadPools(config.backends, {
    share,
    watch: standings,
    onBalancerFault: ({ version, balance }, what, cause) =>
      log.error(
        { version, algorithm: balance.algorithm, fault: what, err: cause },
        "a balancer failed; another backend is taken, here and whenever it does so again",
      ),
  }).catch(async (error: unknown) => {
    if (!(error instanceof StartError)) throw error;
    await channel.write({ type: "start-failed", message: error.message });
    process.exit(1);
  });
  const serving = new Serving({ versions: config.backends, snapshot, pools: start.pools, createPool });
  const connections = new ConnectionPools(config, share, serving.backends, (backend) => reach.doubt(backend));
  const pool = connections.of;
  const reach: Reach = new Reach({ connections: pool, after: afterInBackground, random: Math.random });
  const recorder = new Recorder(serving.pools);
  const errors = new ErrorSums(
    systemClock,
    config.backends.map(({ version }) => version),
  );
  const logSum = (sum: ErrorSum): void =>
    log.warn({ ...sum }, sum.count === 1 ? "request failed" : "requests failed");
  const noteFailure = (
    version: Version | null,
    code: ForwardErrorCode,
    message: string,
    backend: string | null = null,
  ): void => {
    const sum = errors.add(code, version, message, backend);
    if (sum !== null) logSum(sum);
  };
  const countFailure = (of: OfVersion, code: ForwardErrorCode): void => {
    if (isUpstreamFailure(code)) recorder.upstreamError(of, reasonOf(code));
  };
  const onFailure = (of: OfVersion, code: ForwardErrorCode, message: string): void => {
    countFailure(of, code);
    recorder.refusal(code);
    noteFailure(of.version, code, message, of instanceof Backend ? of.name : null);
  };

  const timeLimits = {
    queueTimeoutMs: config.upstream.queueTimeoutMs,
    responseTimeoutMs: config.upstream.responseTimeoutMs,
    perTryTimeoutMs: config.upstream.perTryTimeoutMs ?? Number.POSITIVE_INFINITY,
    upstreamBodyIdleMs: config.upstream.bodyIdleTimeoutMs,
    clientBodyIdleMs: config.server.bodyIdleTimeoutMs,
    minBodyRateGraceMs: config.server.minBodyRateGraceMs,
  };
  const { retries, retryOn, retryBudget, attemptHeader } = config.upstream;
  const { headerTimeoutMs, keepAliveTimeoutMs } = config.server;
  const sweeper = startSweeper(
    systemClock,
    [...Object.values(timeLimits), headerTimeoutMs, keepAliveTimeoutMs],
    (nowMs) => {
      listener.checkTimeLimits(nowMs);
      for (const { requests } of serving.backends) requests.each((each) => each.checkTimeLimits(nowMs));
    },
  );
  const ending = { isEnding: false };
  const policy = headerPolicy(config);
  const { maxRequests, maxBytes } = config.switch.hold;
  const hold = new Hold(
    { maxRequests: looseShareOf(maxRequests, share), maxBytes: looseShareOf(maxBytes, share) },
    systemTimers,
    {
      room: () => {
        const { active } = serving.current;
        return active.backends.reduce((sum, each) => sum + Math.min(pool(each).room, active.roomOf(each)), 0);
      },
      limitMs: config.upstream.queueTimeoutMs,
    },
  );
  for (const each of start.holds) hold.begin(each.hold, each.holdMs);
  const onRequest = createPipeline({
    serving,
    maxInFlight: looseShareOf(config.server.maxInFlight, share),
    hold,
    adminRelay: createAdminRelay(config.admin.onTrafficPort, async (call) => {
      const answer = await channel.ask<ToWorker & { type: "admin-answer" }>(
        (id) => ({ type: "admin-call", id, call }),
        ADMIN_CALL_LIMIT_MS,
      );
      return answer?.answer ?? null;
    }),
    forward: {
      pool,
      limits: {
        ...timeLimits,
        maxBodyBytes: config.server.maxBodyBytes,
        minBodyRateBytes: config.server.minBodyRateBytes,
      },
      policy,
      retryPolicy: new RetryPolicy(retries, retryOn, attemptHeader),
      retryBudget: new RetryBudget(retryBudget),
      coarse: sweeper.coarse,
      load: { inFlight: 0 },
      ending,
      onFailure,
      onRetry: (backend, code) => {
        if (code === null) recorder.upstreamError(backend, RETRIED_STATUS);
        else countFailure(backend, code);
        recorder.retry(backend);
      },
      onUnreachable: (backend) => reach.doubt(backend),
    },
    recorder,
  });
  const listener = new HttpListener({
    engine: config.server.engine,
    context: {
      limits: config.server,
      keepAliveLines: keepAliveLines(keepAliveTimeoutMs),
      coarse: sweeper.coarse,
      ending,
      onRequest,
      onRefusal: (code, message) => {
        recorder.refusal(code);
        noteFailure(null, code, message);
      },
    },
    gate: connectionGate(start, channel),
    isTrusted: policy.isTrusted,
    onRefusedConnection: (limit) => {
      recorder.refusedConnection(limit);
      noteFailure(null, "TOO_MANY_CONNECTIONS", `a connection was refused: server.${limit} is reached`);
    },
  });

  const drains = new Drains(systemClock);
  const keepWarm = new KeepWarm({
    windowMs: config.switch.rollbackWindowMs,
    request: config.switch.probe,
    nowMs: () => performance.now(),
    pool,
  });
  const switchOrders = new SwitchOrders({
    serving,
    drains,
    keepWarm,
    hold,
    prepare: async ({ version, waitMs, isBrief }, signal) => {
      const target = serving.pool(version);
      const { probe, prepareTimeoutMs, warmConnections } = config.switch;
      const wanted = isBrief ? 0 : warmConnections;
      const asked = isBrief ? { ...probe, successes: 1 } : probe;
      const readyRatio = config.backends[target.versionIndex]?.readyRatio ?? 1;
      const terms = { pool: target, readyRatio, isBrief, waitMs };
      const prepareOne: Parameters<typeof preparePool>[1] = async (backend, part) => {
        const own = pool(backend); // also when the backend leaves meanwhile
        const askBackend: Ask = (request, handler) => ask(own, backend, request, handler);
        const inUse = () => serving.current.active.backends.map(pool);
        const warm = warming(wanted, share, inUse, own, target.backends.length);
        const limits = { ...part, totalMs: part.waitMs + prepareTimeoutMs };
        const seen = await prepare(askBackend, warm, asked, limits, systemClock, part.signal);
        if (seen.passed) keepWarm.rest(backend);
        return seen;
      };
      return preparePool(terms, prepareOne, systemClock, signal);
    },
    answer: (answer) => channel.send(answer),
  });
  const { drain } = config.switch;
  const poolOrders = new PoolOrders({ serving, connections, drains, keepWarm, drain });
  const report = createWorkerReport({
    serving,
    recorder,
    connections: pool,
    clientConnections: () => listener.connections,
    held: () => hold.held,
  });
  setInterval(() => {
    channel.send({ type: "stats", id: 0, stats: report(false) });
    for (const sum of errors.due()) logSum(sum);
    standings.tick();
    for (const each of serving.pools) each.tick(systemClock.nowMs());
    poolOrders.tidy();
  }, REPORT_EVERY_MS).unref();

  listener.server.on("error", (error: NodeJS.ErrnoException) => {
    channel.send({ type: "listen-failed", code: error.code ?? "", message: error.message });
  });
  listener.server.listen(handle, BACKLOG, () => {
    channel.send({ type: "listening" });
    if (config.server.engine === "auto" && !listener.isOnHandles) {
      log.warn(
        { node: process.version },
        "this Node.js is not as server.engine: auto expects it; connections cost more",
      );
    }
  });

  const obey = (message: ToWorker): void => {
    switch (message.type) {
      case "prepare":
      case "abort-prepare":
      case "hold":
      case "release":
      case "apply-snapshot":
        return switchOrders.obey(message);
      case "pools":
        return poolOrders.obey(message.pools);
      case "collect-stats":
        channel.send({ type: "stats", id: message.id, stats: report(true) });
        return;
      case "stop":
        if (ending.isEnding) return;
        ending.isEnding = true;
        switchOrders.end(message.graceMs);
        reach.close();
        void stopListener({
          listener,
          all: serving,
          drains,
          graceMs: message.graceMs,
          websocketWindowMs: config.switch.drain.websocketWindowMs,
        }).then(async (outcome) => {
          for (const sum of errors.flush()) logSum(sum);
          log.info({ outcome }, "worker ends");
          await channel.write({ type: "stats", id: 0, stats: report(false) });
          process.exit(0);
        });
        return;
      case "entered": // after its time limit
        if (message.limit === null) channel.send({ type: "leave", address: message.address });
        return;
      case "start":
      case "admin-answer":
        return; // the first message only; an answer after its time limit
    }
  };
  return { obey };
}

function headerPolicy({ server, upstream }: Config): HeaderPolicy {
  const { forwardedHeaders } = server;
  return {
    via: server.via,
    ownName: server.ownName,
    hasXForwarded: forwardedHeaders === "both" || forwardedHeaders === "x-forwarded",
    hasForwarded: forwardedHeaders === "both" || forwardedHeaders === "forwarded",
    isTrusted: createTrust(server.trustedProxies),
    streamTypes: upstream.streamTypes,
  };
}
