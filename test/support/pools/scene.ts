/** The daemon in front of pools whose backends are processes of their own. */
import type { TestEnd } from "../cleanup.ts";
import type { JsonObject } from "../http-client.ts";
import { startProxy, type TestProxy } from "../proxy.ts";
import { type PoolBackend, startBackends } from "./backends.ts";

export interface SceneOptions {
  readonly backends?: readonly string[];
  /** By name; 1 unless given. */
  readonly weights?: Readonly<Record<string, number>>;
  /** The keys of the pool beside its targets. */
  readonly pool?: JsonObject;
  readonly workers?: number;
  readonly config?: JsonObject;
  /** A second pool, on standby, of backends with these names. */
  readonly standby?: readonly string[];
}

export interface PoolScene {
  readonly proxy: TestProxy;
  /** In the order of the names. */
  readonly backends: readonly PoolBackend[];
  readonly standby: readonly PoolBackend[];
  backend(name: string): PoolBackend;
}

export async function startScene(t: TestEnd, options: SceneOptions = {}): Promise<PoolScene> {
  const { pool = {}, weights = {}, workers = 1, config = {} } = options;
  const backends = await startBackends(t, options.backends ?? ["a", "b", "c"]);
  const standby = await startBackends(t, options.standby ?? []);
  const poolOf = (members: readonly PoolBackend[]): JsonObject => ({
    ...pool,
    targets: members.map(({ name, url }) => ({ url, weight: weights[name] ?? 1 })),
  });
  const proxy = await startProxy(t, {
    v1: "",
    v2: "",
    workers,
    config: {
      ...config,
      backends: { v1: poolOf(backends), v2: poolOf(standby.length > 0 ? standby : backends) },
    },
  });
  const backend = (name: string): PoolBackend => {
    const found = [...backends, ...standby].find((each) => each.name === name);
    if (found === undefined) throw new Error(`there is no backend ${name}`);
    return found;
  };
  return { proxy, backends, standby, backend };
}
