/** A backend of the data plane in no pool: nobody picks it, and nobody wants to know of its changes. */
import type { BackendSnapshot } from "../../src/config/snapshot.ts";
import { Backend, type BackendOwner } from "../../src/data-plane/backend/backend.ts";
import { memberOf } from "./pools-of.ts";

const UNJUDGED: BackendOwner["judging"] = { outlier: null, breaker: null, slowStartMs: 0 };

export function backendOf(
  version: string,
  origin: string,
  versionIndex = 0,
  more: Partial<BackendSnapshot> = {},
  judging = UNJUDGED,
): Backend {
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
  return new Backend(memberOf(origin, more), owner);
}
