/**
 * Ready watch: says when the daemon becomes ready and when it no longer is. Asks when told to look.
 */
import type { EventSink } from "./events.ts";

export class ReadyWatch {
  readonly #events: EventSink;
  readonly #readiness: () => { readonly ready: boolean; readonly why: string };
  #isReady = false;

  constructor(events: EventSink, readiness: () => { readonly ready: boolean; readonly why: string }) {
    this.#events = events;
    this.#readiness = readiness;
  }

  /** To be called after whatever may have changed it. */
  look(): void {
    const { ready, why } = this.#readiness();
    if (ready === this.#isReady) return;
    this.#isReady = ready;
    this.#events.publish({ type: "ready", ready, why });
  }
}
