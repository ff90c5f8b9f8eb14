/**
 * Drain, in a worker: what runs on versions that are no longer active, or on all of them when the worker
 * ends, gets until its limit and is then cut.
 *
 * Requests run on until the deadline. Upgraded connections never end by themselves, so they are ended one
 * by one, evenly over a window: their clients do not all come back in the same moment.
 */
import type { DrainLimits } from "../../ipc/messages.ts";
import type { Backend } from "../backend/backend.ts";

/** What is being drained, to be called off when the version becomes active again. */
export class Drains {
  readonly #timers = new Map<Backend, Set<NodeJS.Timeout>>();

  /** Starts, or starts over, the drain of one backend. */
  start(backend: Backend, { deadlineMs, websocketWindowMs }: DrainLimits): void {
    this.cancel(backend);
    const timers = new Set<NodeJS.Timeout>();
    this.#timers.set(backend, timers);
    const after = (ms: number, cut: () => void): void => {
      const timer = setTimeout(() => {
        timers.delete(timer);
        cut();
      }, ms).unref();
      timers.add(timer);
    };
    const tunnels = [...backend.tunnels];
    tunnels.forEach((tunnel, i) => {
      after((websocketWindowMs * (i + 1)) / tunnels.length, () => tunnel.cutForDrain());
    });
    // A handshake that was under way when the window began has become a tunnel since.
    after(deadlineMs, () => {
      backend.requests.each((request) => request.cutForDrain());
      for (const tunnel of [...backend.tunnels]) tunnel.cutForDrain();
    });
  }

  cancel(backend: Backend): void {
    for (const timer of this.#timers.get(backend) ?? []) clearTimeout(timer);
    this.#timers.delete(backend);
  }
}
