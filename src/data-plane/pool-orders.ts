/**
 * Pool orders: a worker's side of a change of the backends: takes up those that come, drains those that leave.
 *
 * Decides nothing: the primary names the backends. What runs on one that left goes on until it ends or its drain does.
 */
import type { PoolsSnapshot } from "../config/snapshot.ts";
import type { DrainLimits } from "../ipc/messages.ts";
import type { Backend } from "./backend/backend.ts";
import type { ConnectionPools } from "./forward/connection-pools.ts";
import type { KeepWarm } from "./keep-warm.ts";
import type { Drains } from "./listener/drain.ts";
import type { Serving } from "./serving.ts";

export interface PoolOrderParts {
  readonly serving: Serving;
  readonly connections: ConnectionPools;
  readonly drains: Pick<Drains, "start" | "cancel">;
  readonly keepWarm: Pick<KeepWarm, "stop">;
  readonly drain: DrainLimits;
}

export class PoolOrders {
  readonly #parts: PoolOrderParts;

  constructor(parts: PoolOrderParts) {
    this.#parts = parts;
  }

  obey(pools: PoolsSnapshot): void {
    const { serving, connections, drains, drain } = this.#parts;
    const change = serving.applyPools(pools);
    if (change === null) return;
    connections.update(serving.backends);
    for (const backend of change.enabled) drains.cancel(backend);
    for (const backend of change.drained) drains.start(backend, drain);
    for (const backend of change.left) this.#leave(backend);
  }

  /** To be called about every second: what has left and runs nothing any more is forgotten. */
  tidy(): void {
    const { serving, connections, drains } = this.#parts;
    const { leaving } = serving;
    for (const backend of leaving) {
      if (backend.inFlight > 0 || !connections.of(backend).isEmpty) continue;
      drains.cancel(backend);
      connections.close(backend);
      serving.forget(backend);
    }
    if (serving.leaving.length < leaving.length) connections.update(serving.backends); // fewer share the total
  }

  #leave(backend: Backend): void {
    const { connections, drains, keepWarm, drain } = this.#parts;
    keepWarm.stop(backend);
    connections.of(backend).retire();
    drains.start(backend, drain);
  }
}
