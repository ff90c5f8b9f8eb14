/** A backend of the data plane in no pool: nobody picks it, and nobody wants to know of its changes. */
import { initialPools } from "../../src/config/initial-pools.ts";
import { versionOfOne } from "../../src/config/pool-config.ts";
import type { BackendSnapshot } from "../../src/config/snapshot.ts";
import { Backend, type BackendOwner } from "../../src/data-plane/backend/backend.ts";

const UNJUDGED: BackendOwner["judging"] = { outlier: null, breaker: null, slowStartMs: 0 };

export function backendOf(
  version: string,
  origin: string,
  versionIndex = 0,
  more: Partial<BackendSnapshot> = {},
  judging = UNJUDGED,
): Backend {
  const snapshot = initialPools([versionOfOne(version, origin)]).pools[0]?.backends[0];
  if (snapshot === undefined) throw new Error("a version in the short form has a backend");
  const owner = {
    version,
    versionIndex,
    backends: [],
    judging,
    nowMs: () => 0,
    mayEject: () => false,
    loadChanged: () => {},
    standingChanged: () => {},
    onStanding: () => {},
  };
  return new Backend({ ...snapshot, ...more }, owner);
}
