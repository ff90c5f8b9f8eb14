/**
 * The data plane of one worker in the test's own process, without primary and processes: listener, pipeline, hold,
 * pools and record over real sockets, in front of two backends. The test is the primary.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type VersionConfig, versionOfOne } from "../../src/config/pool-config.ts";
import type { Config } from "../../src/config/schema.ts";
import type { AdminCall } from "../../src/core/admin-call.ts";
import type { ForwardErrorCode } from "../../src/core/errors.ts";
import { systemTimers } from "../../src/core/timers.ts";
import type { Backend } from "../../src/data-plane/backend/backend.ts";
import type { ConnectionPool } from "../../src/data-plane/forward/connection-pool.ts";
import { ConnectionPools } from "../../src/data-plane/forward/connection-pools.ts";
import { RetryBudget } from "../../src/data-plane/forward/retry-budget.ts";
import { RetryPolicy } from "../../src/data-plane/forward/retry-policy.ts";
import { Hold, type HoldLimits } from "../../src/data-plane/hold.ts";
import { createAdminRelay } from "../../src/data-plane/listener/admin-relay.ts";
import { keepAliveLines } from "../../src/data-plane/listener/client-connection.ts";
import { HttpListener } from "../../src/data-plane/listener/http-listener.ts";
import { createPipeline } from "../../src/data-plane/pipeline.ts";
import { Recorder } from "../../src/data-plane/record/record.ts";
import type { Serving, ServingOptions } from "../../src/data-plane/serving.ts";
import type { RawBackend } from "./backend.ts";
import { onTestEnd, type TestEnd } from "./cleanup.ts";
import { ManualTimers } from "./manual-timers.ts";
import { servingOf } from "./pools-of.ts";
import { openRaw, type RawClient } from "./raw-client.ts";
import { waitUntil } from "./wait.ts";

const MANY = 1_000_000;
const LONG_MS = 60_000;
/** A thousand clients in one process take their time. */
const WAIT_LIMIT_MS = 20_000;
const UPSTREAM: Partial<Config["upstream"]> = {
  connectTimeoutMs: 5_000,
  tlsHandshakeTimeoutMs: 5_000,
  keepAliveTimeoutMs: LONG_MS,
  maxConnections: 50,
  maxIdleConnections: 50,
  maxTotalConnections: 1_000,
  maxQueue: MANY,
  maxHeaderBytes: 16_384,
  maxHeaderCount: 100,
  resolvers: [],
};

type Origin = Pick<RawBackend, "url">;

export interface HoldScene {
  readonly serving: Serving;
  readonly pool: (backend: Backend) => ConnectionPool;
  readonly pools: ConnectionPools;
  /** Of clients, open ones. */
  readonly connections: () => number;
  readonly hold: Hold;
  /** The ends in time of the holds; the rounds of the event loop are real. */
  readonly timers: ManualTimers;
  readonly port: number;
  /** The targets of all requests, in the order in which their heads were read. */
  readonly arrived: string[];
  readonly failures: (readonly [version: string, code: ForwardErrorCode])[];
  readonly adminCalls: AdminCall[];
  readonly recorder: Recorder;
  readonly load: { readonly inFlight: number };
  /** The time as requests know it; stands still until the test moves it. */
  readonly coarse: { nowMs: number };
  readonly ending: { isEnding: boolean };
  open(): Promise<RawClient>;
  /** As a worker obeys `apply-snapshot`: the next version is in force, then the hold ends. */
  flipTo(version: "v1" | "v2", release?: number): void;
  /** Resolves when exactly so many wait. */
  waiting(count: number): Promise<void>;
}

export interface HoldSceneOptions {
  readonly limits?: Partial<HoldLimits>;
  readonly maxInFlight?: number;
  readonly upstream?: Partial<Config["upstream"]>;
  /** How long those that were held wait for room. */
  readonly paceMs?: number;
  /** Of v1 and v2; when left out, one backend each, and nothing switched on. */
  readonly versions?: readonly VersionConfig[];
  readonly createPool?: ServingOptions["createPool"];
  readonly retryPolicy?: RetryPolicy;
  readonly onUnreachable?: (backend: Backend) => void;
}

export async function startHoldScene(
  t: TestEnd,
  backends: { readonly v1: Origin; readonly v2: Origin },
  { limits = {}, maxInFlight = MANY, upstream = {}, paceMs = LONG_MS, ...options }: HoldSceneOptions = {},
): Promise<HoldScene> {
  const ofOne = () => (["v1", "v2"] as const).map((version) => versionOfOne(version, backends[version].url));
  const config = {
    server: { engine: "auto" },
    backends: options.versions ?? ofOne(),
    upstream: { ...UPSTREAM, ...upstream },
  } as unknown as Config;
  const snapshot = { activeVersion: "v1", epoch: 0 };
  const { createPool } = options;
  const serving = servingOf(config.backends, snapshot, { ...(createPool && { createPool }) });
  const pools = new ConnectionPools(config, { index: 0, workers: 1 }, serving.backends);
  const pool = pools.of;
  const recorder = new Recorder(serving.pools);
  const timers = new ManualTimers();
  const hold = new Hold(
    { maxRequests: MANY, maxBytes: 1_024 * MANY, ...limits },
    { after: (ms, run) => timers.after(ms, run), soon: systemTimers.soon },
    {
      room: () => serving.current.active.backends.reduce((room, each) => room + pool(each).room, 0),
      limitMs: paceMs,
    },
  );
  const coarse = { nowMs: 1_000_000 };
  const ending = { isEnding: false };
  const load = { inFlight: 0 };
  const arrived: string[] = [];
  const failures: [string, ForwardErrorCode][] = [];
  const adminCalls: AdminCall[] = [];
  const pipeline = createPipeline({
    serving,
    maxInFlight,
    hold,
    recorder,
    adminRelay: createAdminRelay(true, async (call) => {
      adminCalls.push(call);
      return { status: 200, headers: {}, body: "admin" };
    }),
    forward: {
      pool,
      limits: {
        queueTimeoutMs: LONG_MS,
        responseTimeoutMs: LONG_MS,
        perTryTimeoutMs: Number.POSITIVE_INFINITY,
        upstreamBodyIdleMs: LONG_MS,
        clientBodyIdleMs: LONG_MS,
        maxBodyBytes: Number.POSITIVE_INFINITY,
        minBodyRateBytes: 0,
        minBodyRateGraceMs: 0,
      },
      policy: {
        via: null,
        ownName: "ours-1",
        hasXForwarded: false,
        hasForwarded: false,
        isTrusted: () => false,
        streamTypes: [],
      },
      retryPolicy: options.retryPolicy ?? new RetryPolicy(1, ["connect-failure", "dead-connection"], true),
      retryBudget: new RetryBudget(1),
      coarse,
      load,
      ending,
      onFailure: ({ version }, code) => {
        recorder.refusal(code);
        failures.push([version, code]);
      },
      onRetry: () => {},
      onUnreachable: options.onUnreachable ?? (() => {}),
    },
  });
  const listener = new HttpListener({
    engine: "auto",
    context: {
      limits: {
        headerTimeoutMs: LONG_MS,
        keepAliveTimeoutMs: LONG_MS,
        maxHeaderBytes: 16_384,
        maxHeaderCount: 100,
        maxTargetBytes: 8_192,
        maxRequestsPerConnection: MANY,
      },
      keepAliveLines: keepAliveLines(LONG_MS),
      coarse,
      ending,
      onRequest: (client, head) => {
        arrived.push(head.target);
        pipeline(client, head);
      },
      onRefusal: () => {},
    },
    gate: { enter: () => null, leave: () => {} },
    isTrusted: () => false,
    onRefusedConnection: () => {},
  });
  listener.server.listen(0, "127.0.0.1");
  await once(listener.server, "listening");
  const { port } = listener.server.address() as AddressInfo;
  onTestEnd(t, () => {
    listener.server.close();
    listener.closeAll();
    for (const backend of serving.backends) pool(backend).destroy();
  });
  let epoch = 0;
  return {
    serving,
    pool,
    pools,
    coarse,
    connections: () => listener.connections,
    hold,
    timers,
    port,
    arrived,
    failures,
    adminCalls,
    recorder,
    load,
    ending,
    open: () => openRaw(port, { t, waitLimitMs: WAIT_LIMIT_MS }),
    flipTo: (activeVersion, release) => {
      serving.apply({ activeVersion, epoch: ++epoch });
      if (release !== undefined) hold.release(release);
    },
    waiting: async (count) => {
      await waitUntil(`${count} requests wait`, () => hold.held === count, {
        limitMs: WAIT_LIMIT_MS,
        details: () => `${hold.held} wait, ${arrived.length} have come`,
      });
    },
  };
}
