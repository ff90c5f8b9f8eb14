/**
 * Names: which names the targets have, and that their addresses reach the pools.
 *
 * Runs in the primary, between the pools and the resolver, which know nothing of each other.
 */
import { isIP } from "node:net";
import type { TargetConfig } from "../../config/pool-config.ts";
import { hostOf } from "../../core/host-of.ts";
import type { After } from "../../core/timers.ts";
import { namesFrom, systemNames } from "./name-source.ts";
import type { Pools } from "./pools.ts";
import { LOOK_UP_LIMIT_MS, Resolver, type ResolverParts } from "./resolver.ts";

export interface NamesParts {
  readonly pools: Pick<Pools, "targets" | "setAddresses">;
  /** DNS servers, `IP` or `IP:port`; empty: the system's way. */
  readonly resolvers: readonly string[];
  readonly after: After;
  readonly random: () => number;
  readonly log: ResolverParts["log"];
}

export class Names {
  readonly #parts: NamesParts;
  readonly #resolver: Resolver;

  constructor(parts: NamesParts) {
    const { pools, resolvers, after, random, log } = parts;
    this.#parts = parts;
    this.#resolver = new Resolver({
      source: resolvers.length === 0 ? systemNames : namesFrom(resolvers),
      after,
      random,
      log,
      onChange: () => pools.setAddresses((name) => this.#resolver.addressesOf(name)),
    });
  }

  /**
   * Looks up the names for the first time. Waits, for a few seconds at most, for those that a worker cannot do
   * without: of `resolve: all`, or when it would look elsewhere than at the servers that were named.
   */
  async start(): Promise<void> {
    this.follow();
    const { pools, resolvers } = this.#parts;
    const needed = pools.targets.filter(({ resolve }) => resolve === "all" || resolvers.length > 0);
    if (needed.length > 0) await this.#resolver.whenTried(namesOf(needed).keys(), LOOK_UP_LIMIT_MS);
  }

  /** The targets may have changed. */
  follow(): void {
    this.#resolver.watch(namesOf(this.#parts.pools.targets));
  }

  close(): void {
    this.#resolver.close();
  }
}

/** @returns each name with how often it is looked up, ms: as often as the target that wants it most often. */
export function namesOf(targets: readonly TargetConfig[]): ReadonlyMap<string, number> {
  const names = new Map<string, number>();
  for (const { origin, resolveEveryMs } of targets) {
    const host = hostOf(origin);
    if (isIP(host) !== 0) continue;
    names.set(host, Math.min(resolveEveryMs, names.get(host) ?? Number.POSITIVE_INFINITY));
  }
  return names;
}
