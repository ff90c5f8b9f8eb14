/**
 * Hold: while one is on, new requests wait, bounded; when the last has ended they go on in the order they came.
 *
 * Several may be on at once (a pause, and a switch), each with its own number and its own end in time. Those that wait
 * are let go in batches, so that the event loop still turns, and not faster than there is room where they go; what
 * comes meanwhile waits behind them, so nobody overtakes. Time is handed in. What a request does when it goes on is
 * the pipeline's to say.
 */
import type { Timers } from "../core/timers.ts";
import type { RequestHead } from "../wire/request-head.ts";
import { HeldRequest, type Room, type Way } from "./held-request.ts";
import type { ClientConnection } from "./listener/client-connection.ts";

export interface HoldLimits {
  readonly maxRequests: number;
  readonly maxBytes: number;
}

/** What those that waited find where they go. */
export interface Pace {
  /** For how many there is room now. */
  room(): number;
  /** They wait for room so long at most; then all go, and those that find none are refused there. */
  readonly limitMs: number;
}

const AT_ONCE: Pace = { room: () => Number.POSITIVE_INFINITY, limitMs: 0 };

/** A request takes some 30 µs to start. */
const FIRST_BATCH = 64;
/** Each batch is larger than the one before by a 16th: it ends also when as many come as go. 10,000 take 39 rounds. */
const GROWTH = 16;
/** Without room it is looked for again after this time. */
const LOOK_MS = 5;

export class Hold implements Room {
  /** New requests wait: a hold is on, or some still wait of one that has ended. Read once per request. */
  isOn = false;
  readonly fullMessage = "too many requests wait until a switch or a pause is over";
  readonly #limits: HoldLimits;
  readonly #timers: Timers;
  readonly #pace: Pace;
  /** By number, how each ends, and what calls off its end in time. */
  readonly #holds = new Map<number, { readonly end: () => void; readonly callOff: () => void }>();
  /** In the order they came. */
  readonly #waiting = new Set<HeldRequest>();
  #bytes = 0;
  #batch = FIRST_BATCH;
  #isBatchDue = false;
  /** How often it may still be looked for room. */
  #looks = 0;
  #isClosed = false;

  constructor(limits: HoldLimits, timers: Timers, pace: Pace = AT_ONCE) {
    this.#limits = limits;
    this.#timers = timers;
    this.#pace = pace;
  }

  /** How many wait. */
  get held(): number {
    return this.#waiting.size;
  }

  /** What of them is in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * From its return on no request starts until hold `hold` has ended. One that is on already gets a new end.
   *
   * @param atEnd when its time or the worker's end ends it, before anything goes on.
   */
  begin(hold: number, holdMs: number, atEnd: () => void = () => {}): void {
    if (this.#isClosed) return;
    this.#holds.get(hold)?.callOff();
    const end = (): void => {
      atEnd();
      this.release(hold);
    };
    this.#holds.set(hold, { end, callOff: this.#timers.after(holdMs, end) });
    this.isOn = true;
  }

  release(hold: number): void {
    const found = this.#holds.get(hold);
    if (found === undefined) return;
    found.callOff();
    this.#holds.delete(hold);
    this.#batch = FIRST_BATCH;
    this.#looks = Math.ceil(this.#pace.limitMs / LOOK_MS);
    this.#settle();
  }

  /** The worker is ending within `graceMs`: all go on, half of it is left to them, and no hold begins any more. */
  close(graceMs: number): void {
    this.#isClosed = true;
    for (const { end } of [...this.#holds.values()]) end();
    this.#looks = Math.min(this.#looks, Math.floor(graceMs / 2 / LOOK_MS));
  }

  /** Lets a request wait, or refuses it at once. */
  take(client: ClientConnection, head: RequestHead, way: Way): void {
    const { maxRequests, maxBytes } = this.#limits;
    const bytes = head.fields.text.length;
    if (this.#waiting.size >= maxRequests || this.#bytes + bytes > maxBytes) {
      return way.refuse(client, head.method, "HOLD_FULL", this.fullMessage);
    }
    const held = new HeldRequest(this, way, client, head);
    this.#waiting.add(held);
    this.#bytes += held.bytes;
    held.start();
  }

  leave(held: HeldRequest): void {
    if (this.#waiting.delete(held)) this.#bytes -= held.bytes;
  }

  resize(held: HeldRequest, bytes: number): boolean {
    this.#bytes += bytes - held.bytes;
    held.bytes = bytes;
    if (this.#bytes <= this.#limits.maxBytes) return true;
    this.leave(held);
    return false;
  }

  #settle(): void {
    if (this.#holds.size > 0 || this.#isBatchDue) return;
    this.isOn = this.#waiting.size > 0;
    if (!this.isOn) return;
    this.#isBatchDue = true;
    const run = (): void => {
      this.#isBatchDue = false;
      if (this.#holds.size === 0) this.#letSomeGo(); // else another has begun meanwhile
    };
    if (this.#looks === 0 || this.#pace.room() > 0) return this.#timers.soon(run);
    this.#looks--;
    this.#timers.after(LOOK_MS, run);
  }

  #letSomeGo(): void {
    const room = this.#looks === 0 ? Number.POSITIVE_INFINITY : this.#pace.room();
    let left = Math.min(this.#batch, room);
    if (room >= this.#batch) this.#batch += Math.ceil(this.#batch / GROWTH);
    for (const held of this.#waiting) {
      if (left-- <= 0) break;
      this.leave(held);
      held.goOn();
    }
    this.#settle();
  }
}
