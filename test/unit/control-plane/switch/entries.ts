/** History entries for tests. */
import type { NewHistoryEntry } from "../../../../src/control-plane/switch/state-store.ts";

export function newEntry(epoch: number, change: Partial<NewHistoryEntry> = {}): NewHistoryEntry {
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
