/**
 * Reach: a backend that takes no connection, or has broken one off under a request, is left out at once, and asked for a
 * connection in the background until it takes one: for the first time within milliseconds, so that one that lives is back
 * as if nothing had been.
 *
 * So a dead backend costs no request but those that ran on it. Only where there is another one to go to: a pool of one
 * is tried each time.
 */
import type { After } from "../../core/timers.ts";
import type { Backend } from "../backend/backend.ts";
import type { ConnectionPool } from "./connection-pool.ts";

/**
 * A process that is killed loses its connections one by one, and its listener may be the last that goes: the first look
 * is taken after so long, and what it finds is believed when it is still so after as long again.
 */
const LOOK_MS = 10;
/** From the second time on; each wait is twice the one before. */
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 1_000;
/** Workers must not knock in step. */
const JITTER = 0.2;

export interface ReachParts {
  connections(backend: Backend): ConnectionPool;
  readonly after: After;
  /** From 0 up to, but not, 1. */
  readonly random: () => number;
}

export class Reach {
  readonly #parts: ReachParts;
  readonly #lost = new Set<Backend>();
  /** Those of the lost ones that have lost a connection again since the look that runs began. */
  readonly #lostAgain = new Set<Backend>();
  #isClosed = false;

  constructor(parts: ReachParts) {
    this.#parts = parts;
  }

  /** No connection to it could be made, or one broke off under a request: it may be dead. */
  doubt(backend: Backend): void {
    if (this.#isClosed || !backend.hasOthers) return;
    if (this.#lost.has(backend)) return void this.#lostAgain.add(backend);
    this.#lost.add(backend);
    backend.doubt();
    this.#parts.after(LOOK_MS, () => this.#knock(backend, 0));
  }

  /** The worker ends. */
  close(): void {
    this.#isClosed = true;
  }

  #wait(backend: Backend, waitMs: number): void {
    const jitteredMs = waitMs * (1 + JITTER * (this.#parts.random() - 0.5));
    this.#parts.after(jitteredMs, () => this.#knock(backend, waitMs));
  }

  /** @param waitMs what was waited before; 0: it is the first time. */
  #knock(backend: Backend, waitMs: number): void {
    if (this.#isNobodys(backend)) return;
    this.#lostAgain.delete(backend);
    const lookAgain = (): void => void this.#parts.after(LOOK_MS, () => this.#believe(backend, waitMs));
    const knocking = this.#parts.connections(backend).openSpare((error) => {
      if (error === null) lookAgain();
      else this.#giveUp(backend, waitMs);
    });
    // No room: others open connections to it now, and will tell if they cannot.
    if (knocking === null) lookAgain();
  }

  /** It took a connection a moment ago. */
  #believe(backend: Backend, waitMs: number): void {
    if (this.#isNobodys(backend)) return;
    const { active, idle } = this.#parts.connections(backend).load;
    if (active + idle === 0) return this.#giveUp(backend, waitMs);
    // It takes nothing meanwhile, so what can still break off under a request is soon gone.
    if (this.#lostAgain.has(backend))
      return void this.#parts.after(LOOK_MS, () => this.#knock(backend, waitMs));
    this.#lost.delete(backend);
    backend.setReachable(true);
  }

  #giveUp(backend: Backend, waitMs: number): void {
    if (waitMs === 0) backend.setReachable(false);
    this.#wait(backend, waitMs === 0 ? FIRST_WAIT_MS : Math.min(waitMs * 2, LONGEST_WAIT_MS));
  }

  /** It has left, or the worker ends. */
  #isNobodys(backend: Backend): boolean {
    const isNobodys = this.#isClosed || backend.row === -1;
    if (isNobodys) {
      this.#lost.delete(backend);
      this.#lostAgain.delete(backend);
    }
    return isNobodys;
  }
}
