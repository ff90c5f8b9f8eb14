/** History entries for tests. */
import type { ChangeInForce } from "../../../../src/control-plane/pools/changes.ts";
import type { NewBackendsEntry, NewSwitchEntry } from "../../../../src/control-plane/switch/state-store.ts";

export function newEntry(epoch: number, change: Partial<NewSwitchEntry> = {}): NewSwitchEntry {
  const [from, to] = epoch % 2 === 1 ? ["v1", "v2"] : ["v2", "v1"];
  return {
    epoch,
    from,
    to,
    at: new Date(Date.UTC(2030, 0, 1)).toISOString(),
    trigger: "switch",
    forced: false,
    reason: null,
    actor: "loopback",
    duration_ms: 12.3,
    gate: { outcome: "passed", workers: [{ worker: 1, pid: 7, passed: true, probes: [] }] },
    clock: { boot_id: "boot-1", monotonic_ms: 1_000_000 },
    idempotency: null,
    ...change,
  };
}

/** `backend` of v1 is drained from now on, or with `inForce` something else. */
export function newBackendsEntry(
  backend: string,
  inForce: ChangeInForce | null = drained(backend),
): NewBackendsEntry {
  return {
    trigger: "backends",
    version: "v1",
    backend,
    action: inForce === null ? "reset" : "drain",
    weight: null,
    forced: false,
    reason: null,
    actor: "loopback",
    at: new Date(Date.UTC(2030, 0, 1)).toISOString(),
    clock: { boot_id: "boot-1", monotonic_ms: 1_000_000 },
    in_force: inForce,
  };
}

export function drained(backend: string): ChangeInForce {
  return { version: "v1", backend, presence: "kept", weight: null, drained: true };
}
