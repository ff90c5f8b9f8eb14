/**
 * The usual scene of a switch: two backends that answer with their names, and the daemon in front of them.
 *
 * What a backend does can be changed while it runs; `behave.v2 = …` counts for its next request.
 */
import type { RequestListener } from "node:http";
import { startBackend, type TestBackend } from "./backend.ts";
import type { TestEnd } from "./cleanup.ts";
import { type ProxyOptions, startProxy, type TestProxy } from "./proxy.ts";

/** The probe of the gate, when the scene gives it a path of its own. */
export const PROBE_PATH = "/probe";

export interface Pair {
  readonly v1: TestBackend;
  readonly v2: TestBackend;
  readonly proxy: TestProxy;
  readonly behave: { v1: RequestListener; v2: RequestListener };
}

/** Probes go to `PROBE_PATH`, so that they can be told from traffic. */
export async function startPair(t: TestEnd, options: Partial<ProxyOptions> = {}): Promise<Pair> {
  const behave: Pair["behave"] = { v1: sayName("v1"), v2: sayName("v2") };
  const v1 = await startBackend(t, (req, res) => behave.v1(req, res));
  const v2 = await startBackend(t, (req, res) => behave.v2(req, res));
  const { config = {}, ...rest } = options;
  const proxy = await startProxy(t, {
    v1: v1.url,
    v2: v2.url,
    ...rest,
    config: withProbePath(config),
  });
  return { v1, v2, proxy, behave };
}

export function sayName(name: string): RequestListener {
  return (req, res) => {
    req.resume();
    res.end(name);
  };
}

export function probesOf(backend: TestBackend): TestBackend["requests"] {
  return backend.requests.filter(({ url }) => url === PROBE_PATH);
}

export function trafficOf(backend: TestBackend): TestBackend["requests"] {
  return backend.requests.filter(({ url }) => url !== PROBE_PATH);
}

type Section = Readonly<Record<string, unknown>>;

function withProbePath(config: Section): Section {
  const { switch: given = {} } = config as { switch?: Section };
  const { probe = {} } = given as { probe?: Section };
  return { ...config, switch: { ...given, probe: { path: PROBE_PATH, ...probe } } };
}
