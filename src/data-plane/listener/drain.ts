/**
 * Drain, in a worker: what runs on versions that are no longer active, or on all of them when the worker
 * ends, gets until its limit and is then cut.
 *
 * Requests run on until the deadline. Tunnels and streams of events do not end by themselves, so each is ended at a
 * moment of its own within a window: their clients do not all come back at once. One timer per drain looks who is due.
 */
import type { Clock } from "../../core/clock.ts";
import type { DrainLimits } from "../../ipc/messages.ts";
import type { Backend } from "../backend/backend.ts";
import type { LongRunning } from "../backend/running.ts";

const SHORTEST_TICK_MS = 10;
const LONGEST_TICK_MS = 100;
/** So many looks make a window. */
const TICKS = 500;
/** The last to be told of the end get this long to answer before the deadline, where there is so much. */
const LAST_ANSWER_MS = 1_000;

/** What is being drained, to be called off when the version becomes active again. */
export class Drains {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #drains = new Map<Drained, Drain>();

  /** @param random from 0 up to, but not, 1. */
  constructor(clock: Clock, random: () => number = Math.random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Starts, or starts over, the drain of what these backends run now. */
  start(drained: Drained, limits: DrainLimits): void {
    this.cancel(drained);
    this.#drains.set(drained, new Drain(drained, limits, this.#clock, this.#random));
  }

  /** What was not told to end goes on. */
  cancel(drained: Drained): void {
    this.#drains.get(drained)?.cancel();
    this.#drains.delete(drained);
  }
}

/** A version's pool, a single backend, or all there are. */
export interface Drained {
  readonly backends: readonly Backend[];
}

class Drain {
  readonly #drained: Drained;
  /** Those of the beginning: one that leaves meanwhile is drained to the end. */
  readonly #first: readonly Backend[];
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #windowEndMs: number;
  readonly #deadlineMs: number;
  readonly #timer: NodeJS.Timeout;

  constructor(drained: Drained, limits: DrainLimits, clock: Clock, random: () => number) {
    this.#drained = drained;
    this.#first = [...drained.backends];
    this.#clock = clock;
    this.#random = random;
    const nowMs = clock.nowMs();
    const lastAnswerMs = Math.min(LAST_ANSWER_MS, limits.deadlineMs / 4);
    const windowMs = Math.min(limits.websocketWindowMs, limits.deadlineMs - lastAnswerMs);
    this.#windowEndMs = nowMs + windowMs;
    this.#deadlineMs = nowMs + limits.deadlineMs;
    this.#plan(
      this.#first.flatMap(({ tunnels }) => [...tunnels]),
      nowMs,
      windowMs,
    );
    this.#plan(
      this.#first.flatMap(({ streams }) => [...streams]),
      nowMs,
      windowMs,
    );
    const tickMs = Math.max(SHORTEST_TICK_MS, Math.min(LONGEST_TICK_MS, windowMs / TICKS));
    this.#timer = setInterval(() => this.#look(), tickMs).unref();
  }

  /** One slot of the window for each, and in it a moment by chance: evenly spread, and in step with nobody. */
  #plan(members: readonly LongRunning[], nowMs: number, windowMs: number): void {
    const slotMs = windowMs / members.length;
    let slot = 0;
    for (const member of members) member.turnAtMs = nowMs + slotMs * (slot++ + this.#random());
  }

  /** With those that came meanwhile: a retry may have gone to one of them. */
  #backends(): ReadonlySet<Backend> {
    return new Set([...this.#first, ...this.#drained.backends]);
  }

  #look(): void {
    const nowMs = this.#clock.nowMs();
    for (const { tunnels, streams } of this.#backends()) {
      this.#endDue(tunnels, nowMs);
      this.#endDue(streams, nowMs);
    }
    if (nowMs < this.#deadlineMs) return;
    clearInterval(this.#timer);
    for (const { requests, tunnels } of this.#backends()) {
      requests.each((request) => request.cutForDrain());
      for (const tunnel of tunnels) tunnel.cutForDrain();
    }
  }

  #endDue(members: ReadonlySet<LongRunning>, nowMs: number): void {
    for (const member of members) {
      // Not here yet when the drain began: a handshake under way, an answer that had no head.
      if (member.turnAtMs === 0) {
        member.turnAtMs = nowMs + Math.max(0, this.#windowEndMs - nowMs) * this.#random();
      }
      if (nowMs >= member.turnAtMs) member.endForDrain();
    }
  }

  cancel(): void {
    clearInterval(this.#timer);
    for (const members of [...this.#backends()].flatMap(({ tunnels, streams }) => [tunnels, streams])) {
      for (const member of members) {
        member.turnAtMs = 0;
        member.keep();
      }
    }
  }
}
