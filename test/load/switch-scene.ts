/**
 * Switches under load: two fast backends, the daemon with two workers, and 64 kept-alive clients, each in a process
 * of its own, so that none of them waits for another's event loop.
 */
import type { TestEnd } from "../support/cleanup.ts";
import type { JsonObject } from "../support/http-client.ts";
import { startProxy, type TestProxy } from "../support/proxy.ts";
import { type Child, startChild } from "./child.ts";
import { WORKERS } from "./fast-pair.ts";
import type { Judgement, ToJudge, ToSwitchClients } from "./judgement.ts";
import type { SeenSwitch } from "./seen-requests.ts";

export const CLIENTS = 64;
const LIMIT_MS = 30_000;
const QUICK = { min_interval: "0s", probe: { successes: 3, interval: "0s" } };

/** One call that was answered 200, and what the answer said of itself. */
export interface MadeSwitch extends SeenSwitch {
  readonly callMs: number;
  readonly answer: JsonObject;
}

export type SceneVersion = "v1" | "v2";

export interface SwitchScene {
  readonly proxy: TestProxy;
  readonly clients: SwitchClients;
  /** The version that is not active. */
  readonly standby: SceneVersion;
  /** Connections that a backend has taken so far. */
  connectionsOf(version: SceneVersion): Promise<number>;
  /** To the version that is not active. @throws Error when it is refused. */
  switchOver(extra?: JsonObject): Promise<MadeSwitch>;
  rollBack(): Promise<MadeSwitch>;
}

export interface SwitchClients {
  begin(paceMs: number): Promise<void>;
  more(count: number): Promise<void>;
  stop(): Promise<void>;
  judge(about: ToJudge): Promise<Judgement>;
}

/** The clock of seen-requests.ts. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** @param config laid over no cool-down and three probes without a pause. */
export async function startSwitchScene(t: TestEnd, config: JsonObject = {}): Promise<SwitchScene> {
  const start = (body: string) =>
    startChild<object, { port: number; connections: number }>(t, "fast-backend-child", [body]);
  const backends = { v1: await start("v1"), v2: await start("v2") };
  const proxy = await startProxy(t, {
    v1: `http://127.0.0.1:${backends.v1.first.port}`,
    v2: `http://127.0.0.1:${backends.v2.first.port}`,
    workers: WORKERS,
    config: { ...config, switch: { ...QUICK, ...(config.switch as JsonObject | undefined) } },
  });
  const child = await startChild<ToSwitchClients, object>(t, "switch-clients-child", [proxy.port, CLIENTS]);
  let [active, standby]: [SceneVersion, SceneVersion] = ["v1", "v2"];
  const call = async (path: string, body: JsonObject): Promise<MadeSwitch> => {
    const [from, to] = [active, standby];
    const calledMs = monotonicMs();
    const reply = await proxy.admin("POST", path, { body, limitMs: LIMIT_MS });
    const answeredMs = monotonicMs();
    const answer = reply.json();
    if (reply.status !== 200 || answer.version !== to)
      throw new Error(`${path}: ${reply.status} ${reply.body}`);
    [active, standby] = [to, from];
    return { from, to, calledMs, answeredMs, callMs: answeredMs - calledMs, answer };
  };
  return {
    proxy,
    clients: clientsOf(child),
    get standby() {
      return standby;
    },
    connectionsOf: async (version) => (await backends[version].ask({}, LIMIT_MS)).connections,
    switchOver: (extra = {}) => call("/switch", { version: standby, ...extra }),
    rollBack: () => call("/rollback", {}),
  };
}

function clientsOf(child: Child<ToSwitchClients, object>): SwitchClients {
  const tell = async (message: ToSwitchClients): Promise<void> => void (await child.ask(message, LIMIT_MS));
  return {
    begin: (paceMs) => tell({ do: "begin", paceMs }),
    more: (count) => tell({ do: "more", count }),
    stop: () => tell({ do: "stop" }),
    judge: async (about) => (await child.ask({ do: "judge", ...about }, LIMIT_MS)) as Judgement,
  };
}
