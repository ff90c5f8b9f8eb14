/**
 * Switch orders: a worker's side of the switch: probes, holds, lets go and changes over when it is told to.
 *
 * Decides nothing and keeps no time limit of the switch: the primary's machine does.
 */
import type {
  DrainLimits,
  FromWorker,
  PrepareOrder,
  PrepareReport,
  SnapshotOrder,
  SwitchOrder,
} from "../ipc/messages.ts";
import type { Pool } from "./backend/pool.ts";
import type { Hold } from "./hold.ts";
import type { KeepWarm } from "./keep-warm.ts";
import type { Serving } from "./serving.ts";

export interface SwitchOrderParts {
  readonly serving: Serving;
  readonly drains: { start(left: Pool, limits: DrainLimits): void; cancel(active: Pool): void };
  readonly keepWarm: Pick<KeepWarm, "start" | "stop" | "end">;
  readonly hold: Pick<Hold, "begin" | "release" | "close">;
  /** Never rejects. */
  prepare(order: PrepareOrder, signal: AbortSignal): Promise<PrepareReport>;
  answer(answer: Extract<FromWorker, { type: "prepared" | "held" | "applied" }>): void;
}

export class SwitchOrders {
  readonly #parts: SwitchOrderParts;
  readonly #preparing = new Map<number, AbortController>();
  #isEnding = false;

  constructor(parts: SwitchOrderParts) {
    this.#parts = parts;
  }

  obey(order: SwitchOrder): void {
    const { hold, answer } = this.#parts;
    switch (order.type) {
      case "prepare":
        return this.#prepare(order);
      case "abort-prepare":
        return this.#preparing.get(order.gate)?.abort();
      case "hold":
        hold.begin(order.hold, order.holdMs, () => this.#takeUp(order.next));
        return answer({ type: "held", hold: order.hold });
      case "release":
        return hold.release(order.hold);
      case "apply-snapshot":
        return this.#apply(order);
    }
  }

  /** The worker is ending within `graceMs`: what waits goes on. A switch that still comes is obeyed, but the drains are the end's by now. */
  end(graceMs: number): void {
    this.#isEnding = true;
    this.#parts.hold.close(graceMs);
    this.#parts.keepWarm.end();
  }

  #prepare(order: PrepareOrder): void {
    const { gate } = order;
    const stopper = new AbortController();
    this.#preparing.set(gate, stopper);
    void this.#parts.prepare(order, stopper.signal).then((report) => {
      this.#preparing.delete(gate);
      this.#parts.answer({ type: "prepared", gate, report });
    });
  }

  #apply({ release, ...order }: SwitchOrder & { type: "apply-snapshot" }): void {
    const { serving, hold, answer } = this.#parts;
    this.#takeUp(order);
    if (release !== null) hold.release(release);
    answer({ type: "applied", epoch: serving.current.epoch });
  }

  #takeUp(order: SnapshotOrder | null): void {
    const { serving, drains, keepWarm } = this.#parts;
    if (order === null || order.snapshot.epoch <= serving.current.epoch) return; // taken up when its hold ended
    const { snapshot, drain } = order;
    const left = serving.current.active;
    serving.apply(snapshot);
    if (this.#isEnding) return;
    if (left !== serving.current.active) {
      drains.start(left, drain);
      for (const backend of left.backends) keepWarm.start(backend);
    }
    drains.cancel(serving.current.active); // one that is switched back to is no longer drained
    for (const backend of serving.current.active.backends) keepWarm.stop(backend);
  }
}
