/**
 * Event subscribers: whoever reads GET /events now. Each is sent the state, what it missed, then every event.
 *
 * Runs in the primary. Nobody is waited for: a reader that falls behind is dropped, so that neither its
 * memory nor its pace become ours. Sockets are the sink's.
 */
import { randomBytes } from "node:crypto";
import type { AdminSink } from "../../core/admin-call.ts";
import type { Clock } from "../../core/clock.ts";
import type { SubscriberDropReason } from "../../telemetry/families.ts";
import type { EventLog, LoggedEvent, Subscription } from "./event-log.ts";
import type { StatusEvent } from "./events.ts";
import { eventText, HEARTBEAT, RETRY_MS } from "./sse.ts";

export const MAX_SUBSCRIBERS = 32;
/** What may wait for one that reads slowly, besides what it asked to have repeated. */
export const MAX_WAITING_BYTES = 64 * 1_024;
export const HEARTBEAT_MS = 15_000;

/** @returns what tells this start of the daemon from every other one. */
export function newStartId(): string {
  return randomBytes(4).toString("hex");
}

export interface SubscribersOptions {
  readonly log: Pick<EventLog, "subscribe">;
  readonly clock: Clock;
  readonly status: () => StatusEvent;
  readonly heartbeatMs?: number;
}

interface Subscriber {
  readonly sink: AdminSink;
  readonly unsubscribe: () => void;
  /** Bytes of the replay that may wait on top; 0 once they have been taken. */
  allowanceBytes: number;
}

export class EventSubscribers {
  readonly #options: SubscribersOptions;
  readonly #open = new Set<Subscriber>();
  readonly #dropped: Record<SubscriberDropReason, number> = { slow: 0, full: 0 };
  #heartbeat: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: SubscribersOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#open.size;
  }

  get isFull(): boolean {
    return this.#open.size >= MAX_SUBSCRIBERS;
  }

  /** The daemon ends: nobody is taken any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  get dropped(): Readonly<Record<SubscriberDropReason, number>> {
    return this.#dropped;
  }

  /**
   * Takes one in, or drops it at once when there is no room.
   *
   * @param afterId its Last-Event-ID, as it came.
   * @returns to be called when its connection is gone.
   */
  open(sink: AdminSink, afterId: string | null): () => void {
    if (this.#isClosed || this.isFull) {
      if (!this.#isClosed) this.#dropped.full++; // two calls saw the last place: the second one loses
      sink.destroy();
      return () => {};
    }
    const subscription = this.#options.log.subscribe(
      (logged) => this.#send(subscriber, textOf(logged)),
      afterId,
    );
    const replay = subscription.replay.map(textOf).join("");
    const { unsubscribe } = subscription;
    const subscriber: Subscriber = { sink, unsubscribe, allowanceBytes: Buffer.byteLength(replay) };
    this.#open.add(subscriber);
    this.#heartbeat ??= setInterval(() => this.#beat(), this.#options.heartbeatMs ?? HEARTBEAT_MS);
    sink.write(`retry: ${RETRY_MS}\n${this.#statusText(subscription)}${replay}`);
    return () => this.#forget(subscriber);
  }

  /** Ends every stream now. */
  close(): void {
    this.#isClosed = true;
    for (const subscriber of [...this.#open]) {
      this.#forget(subscriber);
      subscriber.sink.end();
    }
  }

  #statusText({ positionId, isMissed }: Subscription): string {
    const at = new Date(this.#options.clock.wallMs()).toISOString();
    return eventText(positionId, "status", { at, ...this.#options.status(), missed: isMissed });
  }

  #beat(): void {
    for (const subscriber of [...this.#open]) this.#send(subscriber, HEARTBEAT);
  }

  #send(subscriber: Subscriber, text: string): void {
    const waitingBytes = subscriber.sink.waitingBytes();
    if (waitingBytes <= MAX_WAITING_BYTES) subscriber.allowanceBytes = 0;
    if (waitingBytes <= MAX_WAITING_BYTES + subscriber.allowanceBytes) return subscriber.sink.write(text);
    this.#dropped.slow++;
    this.#forget(subscriber);
    subscriber.sink.destroy();
  }

  #forget(subscriber: Subscriber): void {
    subscriber.unsubscribe();
    this.#open.delete(subscriber);
    if (this.#open.size > 0) return;
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
  }
}

function textOf({ id, at, event: { type, ...fields } }: LoggedEvent): string {
  return eventText(id, type, { at, ...fields });
}
