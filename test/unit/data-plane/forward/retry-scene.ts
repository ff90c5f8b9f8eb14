/**
 * Exchanges in front of a pool of raw backends, of which the first available one is always picked, and a client that
 * is a stub. Time stands still until a test moves it.
 */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { type BreakerConfig, versionOfOne } from "../../../../src/config/pool-config.ts";
import type { BackendSnapshot } from "../../../../src/config/snapshot.ts";
import type { ForwardErrorCode } from "../../../../src/core/errors.ts";
import type { RetryCondition } from "../../../../src/core/retry-conditions.ts";
import type { Backend } from "../../../../src/data-plane/backend/backend.ts";
import { ConnectionPool } from "../../../../src/data-plane/forward/connection-pool.ts";
import { Exchange } from "../../../../src/data-plane/forward/exchange.ts";
import type { Ended, ForwardContext } from "../../../../src/data-plane/forward/forward-context.ts";
import { forwardedRequest } from "../../../../src/data-plane/forward/headers.ts";
import { RetryBudget } from "../../../../src/data-plane/forward/retry-budget.ts";
import { RetryPolicy } from "../../../../src/data-plane/forward/retry-policy.ts";
import { startRawBackend } from "../../../support/backend.ts";
import { onTestEnd } from "../../../support/cleanup.ts";
import { FakeClient } from "../../../support/fake-client.ts";
import { freePort } from "../../../support/free-port.ts";
import { requestHead } from "../../../support/heads.ts";
import { memberOf, poolOf } from "../../../support/pools-of.ts";
import { RawClient } from "../../../support/raw-client.ts";
import { waitUntil } from "../../../support/wait.ts";

const POOL_LIMITS = {
  maxConnections: 8,
  maxIdleConnections: 8,
  maxQueue: 8,
  connectTimeoutMs: 1_000,
  tlsHandshakeTimeoutMs: 1_000,
  keepAliveTimeoutMs: 60_000,
  maxHeaderBytes: 16_384,
  maxHeaderCount: 100,
  engine: "auto" as const,
};
const POLICY = {
  via: null,
  ownName: "ours-1",
  hasXForwarded: false,
  hasForwarded: false,
  isTrusted: () => false,
  streamTypes: [],
};

export interface Setting {
  readonly backends?: number;
  /** At these nobody listens. */
  readonly gone?: readonly number[];
  readonly retries?: number;
  readonly retryOn?: readonly RetryCondition[];
  readonly hasAttemptCount?: boolean;
  readonly perTryTimeoutMs?: number;
  readonly maxRetries?: number;
  /** Of the budget. */
  readonly share?: number;
  readonly maxConnections?: number;
  readonly maxQueue?: number;
  readonly breaker?: BreakerConfig;
}

export type Running = { readonly client: FakeClient; readonly exchange: Exchange };

/** Requests that are sent again, and what was told of it: the number of the backend, and why. */
export async function startRetryScene(t: TestContext, setting: Setting = {}) {
  const { backends: count = 2, gone = [], maxRetries = Number.POSITIVE_INFINITY } = setting;
  const accepted: RawClient[][] = [];
  const members: BackendSnapshot[] = [];
  for (let index = 0; index < count; index++) {
    const here: RawClient[] = [];
    accepted.push(here);
    const { url } = gone.includes(index)
      ? { url: `http://127.0.0.1:${await freePort()}` }
      : await startRawBackend(t, (socket) => void here.push(new RawClient(socket)), { allowHalfOpen: true });
    members.push(memberOf(url));
  }
  const pool = poolOf(
    { ...versionOfOne("v1", "http://a"), breaker: setting.breaker ?? null },
    {
      balancer: { reset: () => {}, pick: ({ weights }) => weights.findIndex((weight) => weight > 0) },
      needsLatency: true,
      maxRetries,
    },
  );
  pool.apply({ version: "v1", backends: members });
  const limits = {
    ...POOL_LIMITS,
    maxConnections: setting.maxConnections ?? POOL_LIMITS.maxConnections,
    maxQueue: setting.maxQueue ?? POOL_LIMITS.maxQueue,
  };
  const connections = new Map(
    pool.backends.map((backend) => [backend, new ConnectionPool(new URL(backend.origin), limits)]),
  );
  for (const each of connections.values()) onTestEnd(t, () => each.destroy());
  const retried: [backend: number, code: ForwardErrorCode | null][] = [];
  const failures: [backend: number, code: ForwardErrorCode][] = [];
  const ended: Ended[] = [];
  const context: ForwardContext = {
    pool: (backend) => connections.get(backend) as ConnectionPool,
    limits: {
      queueTimeoutMs: 1_500,
      responseTimeoutMs: 2_000,
      perTryTimeoutMs: setting.perTryTimeoutMs ?? Number.POSITIVE_INFINITY,
      upstreamBodyIdleMs: 3_000,
      clientBodyIdleMs: 4_000,
      maxBodyBytes: 1_000_000,
      minBodyRateBytes: 0,
      minBodyRateGraceMs: 0,
    },
    policy: POLICY,
    retryPolicy: new RetryPolicy(
      setting.retries ?? 1,
      setting.retryOn ?? ["connect-failure", "dead-connection"],
      setting.hasAttemptCount ?? true,
    ),
    retryBudget: new RetryBudget(setting.share ?? 1),
    coarse: { nowMs: 1_000_000 },
    load: { inFlight: 0 },
    ending: { isEnding: false },
    onEnd: (exchange) => ended.push(exchange),
    onFailure: (of, code) => failures.push([pool.backends.indexOf(of as Backend), code]),
    onRetry: (backend, code) => retried.push([pool.backends.indexOf(backend), code]),
    onUnreachable: (backend) => {
      if (gone.includes(pool.backends.indexOf(backend))) backend.setReachable(false); // the others are found again at once
    },
  };
  /** The connection of that number that a backend has accepted. */
  const connection = async (backend: number, index = 0): Promise<RawClient> =>
    await waitUntil(`connection ${index} of backend ${backend}`, () => accepted[backend]?.[index]);
  return {
    context,
    pool,
    accepted,
    connections,
    retried,
    failures,
    ended,
    connection,
    /** The head of the next request on that connection. */
    head: async (backend: number, index = 0): Promise<string> =>
      await (await connection(backend, index)).readUntil("\r\n\r\n"),
    /** Time passes, and everything that runs is looked at. */
    pass: (ms: number): void => {
      context.coarse.nowMs += ms;
      for (const { requests } of pool.backends) {
        requests.each((each) => each.checkTimeLimits(context.coarse.nowMs));
      }
    },
    /** Starts a request, at the first available backend. @param host null: the client names none. */
    send: (
      start = "GET / HTTP/1.1",
      fields: readonly string[] = [],
      host: string | null = "h",
      of = {},
    ): Running => {
      const backend = pool.pick(0);
      assert.ok(backend);
      const side = {
        address: "",
        isTrusted: false,
        protocol: "http" as const,
        lastHost: null,
        lastLines: "",
      };
      const head = requestHead(start, host === null ? fields : [`Host: ${host}`, ...fields]);
      const target = { target: "/", authority: null, host };
      const request = forwardedRequest(head, target, side, backend.authority, POLICY);
      assert.ok(!("code" in request));
      const client = Object.assign(new FakeClient(), of);
      const exchange = new Exchange(context, client, pool, backend, request, performance.now());
      exchange.start();
      return { client, exchange };
    },
    /** Requests that run, by backend, and retries among them. */
    load: () => pool.backends.map(({ requests, retries }) => [requests.size, retries]),
  };
}

export type RetryScene = Awaited<ReturnType<typeof startRetryScene>>;

export async function over({ client }: Pick<Running, "client">): Promise<(string | number)[]> {
  const isOver = () => client.ends.some((end) => end === "finished");
  await waitUntil("the exchange is over", isOver, { details: () => `sent: ${client.sent}` });
  return client.ends;
}
