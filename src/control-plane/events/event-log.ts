/**
 * Event log: numbers the events, keeps the last 256, and hands each to whoever listens.
 *
 * Runs in the primary. Holds values only: no socket, no timer, no clock of its own. It is forgotten with the
 * daemon; what must survive is the history's.
 */
import type { Clock } from "../../core/clock.ts";
import type { DaemonEvent, EventSink } from "./events.ts";

export const RING_SIZE = 256;
/** Of those at most so many of backends: a large pool that comes and goes must not push the switches out. */
export const MOST_OF_BACKENDS = 64;

/** What we write ourselves; anything else in Last-Event-ID is of no start that we know. */
const EVENT_ID = /^([0-9a-f]{1,32})-(0|[1-9][0-9]{0,14})$/;

export interface LoggedEvent {
  readonly number: number;
  /** `<start>-<number>`, for Last-Event-ID. */
  readonly id: string;
  /** ISO 8601. */
  readonly at: string;
  readonly event: DaemonEvent;
}

export type EventListener = (logged: LoggedEvent) => void;

export interface Subscription {
  /** The id after which `replay`, and then the live events, go on. */
  readonly positionId: string;
  /** `afterId` was given, and not everything after it is known any more. */
  readonly isMissed: boolean;
  /** Oldest first. */
  readonly replay: readonly LoggedEvent[];
  readonly unsubscribe: () => void;
}

export interface EventLogOptions {
  /** Differs with every start of the daemon, in hex: numbers begin at 1 again. */
  readonly startId: string;
  /** A listener threw; it is not called again. */
  readonly onFault: (error: unknown) => void;
}

export class EventLog implements EventSink {
  readonly #clock: Clock;
  readonly #options: EventLogOptions;
  readonly #listeners = new Set<EventListener>();
  #ring: LoggedEvent[] = [];
  #lastNumber = 0;
  /** The newest one that the ring had no room for. */
  #lostNumber = 0;

  constructor(clock: Clock, options: EventLogOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  publish(event: DaemonEvent): void {
    const number = ++this.#lastNumber;
    const at = new Date(this.#clock.wallMs()).toISOString();
    const logged: LoggedEvent = { number, id: this.#idOf(number), at, event };
    this.#keep(logged);
    for (const listener of [...this.#listeners]) {
      try {
        listener(logged);
      } catch (error) {
        // Whoever publishes may be in the middle of a switch: a reader's fault is not to become its own.
        this.#listeners.delete(listener);
        this.#options.onFault(error);
      }
    }
  }

  /** @param afterId what the reader saw last, as it came; null: it wants only what is new. */
  subscribe(listener: EventListener, afterId: string | null): Subscription {
    const after = afterId === null ? this.#lastNumber : this.#numberOf(afterId);
    const from = after === null ? this.#lastNumber : Math.max(after, this.#lostNumber);
    this.#listeners.add(listener);
    return {
      positionId: this.#idOf(from),
      isMissed: after === null || after < from,
      replay: this.#ring.filter(({ number }) => number > from),
      unsubscribe: () => void this.#listeners.delete(listener),
    };
  }

  #keep(logged: LoggedEvent): void {
    const { event } = logged;
    if (event.type === "drain") {
      // Once a second: only the newest figures of a drain, or a long one would push the rest out.
      this.#ring = this.#ring.filter(
        (old) => old.event.type !== "drain" || old.event.version !== event.version,
      );
    }
    if (event.type === "backend") this.#makeRoomForBackend();
    this.#ring.push(logged);
    if (this.#ring.length > RING_SIZE) this.#lostNumber = this.#ring.shift()?.number ?? this.#lostNumber;
  }

  #makeRoomForBackend(): void {
    const ofBackends = this.#ring.filter((old) => old.event.type === "backend");
    const [oldest] = ofBackends;
    if (ofBackends.length >= MOST_OF_BACKENDS) this.#ring = this.#ring.filter((old) => old !== oldest);
  }

  #idOf(number: number): string {
    return `${this.#options.startId}-${number}`;
  }

  /** @returns null for an id that this start of the daemon has not given. */
  #numberOf(id: string): number | null {
    const [, startId, digits] = EVENT_ID.exec(id) ?? [];
    const number = Number(digits);
    return startId === this.#options.startId && number <= this.#lastNumber ? number : null;
  }
}
