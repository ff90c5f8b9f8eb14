/**
 * Backend desk: takes the changes by hand of versions' backends: checks, writes, and only then puts them in force.
 *
 * Runs in the primary. One change after the other; none while a switch is on its way, so that its gate judges what is
 * switched to. The rules are in plan-change.ts, the files in the store's. Who may call is judged before.
 */
import type { VersionConfig } from "../../config/pool-config.ts";
import type { Clock } from "../../core/clock.ts";
import type { After } from "../../core/timers.ts";
import type { Version } from "../../core/version.ts";
import type { EventSink } from "../events/events.ts";
import { refuseUnknown } from "../switch/move.ts";
import type { Phase } from "../switch/phase.ts";
import type { NewBackendsEntry, StateStore } from "../switch/state-store.ts";
import { SwitchRefusal } from "../switch/switch-refusal.ts";
import type { BackendsCall } from "./backends-call.ts";
import { type ChangeInForce, type Changes, sourceOf, withStep } from "./changes.ts";
import { type PoolView, planChange, refuseLast, refuseRemovalOfAddress } from "./plan-change.ts";
import type { Pools } from "./pools.ts";
import { type ToldBackend, type ToldPool, toldPool } from "./told-pool.ts";

export interface BackendsAnswer {
  readonly success: true;
  readonly changed: boolean;
  readonly message: string;
  readonly version: Version;
  readonly backends: readonly ToldBackend[];
  /** Workers that have not said in time that they go by it: they do as soon as they hear of it. */
  readonly silent_workers: readonly number[];
}

export interface BackendDeskParts {
  readonly versions: readonly VersionConfig[];
  /** In force at start. */
  readonly changes: Changes;
  readonly pools: Pick<Pools, "backendsOf" | "backendsFrom" | "setSource" | "tellNow">;
  readonly store: Pick<StateStore, "appendBackends" | "history">;
  /** Resolves when every worker goes by the pools that it was told last, or the time for it is over; those that do not. */
  readonly takenUp: () => Promise<readonly number[]>;
  readonly switchPhase: () => Phase;
  readonly isEnding: () => boolean;
  readonly clock: Clock;
  readonly bootId: string;
  readonly writeLimitMs: number;
  readonly after: After;
  readonly events: EventSink;
  readonly log: { info(fields: object, sentence: string): void };
}

const MAX_WAITING = 100;
const ENTRIES_LOOKED_AT = 1_000;

export class BackendDesk {
  readonly #parts: BackendDeskParts;
  readonly #versions: ReadonlyMap<Version, VersionConfig>;
  #changes: Changes;
  /** Ends with the last call that was taken; never rejects. */
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #switchesWaiting = 0;

  constructor(parts: BackendDeskParts) {
    this.#parts = parts;
    this.#changes = parts.changes;
    this.#versions = new Map(parts.versions.map((config) => [config.version, config]));
    const changed = new Set([...parts.changes.values()].map(({ version }) => version));
    for (const version of this.#versions.keys()) if (changed.has(version)) this.#putInForce(version);
  }

  get pools(): readonly ToldPool[] {
    return [...this.#versions.keys()].map((version) => toldPool(this.#viewOf(version)));
  }

  /**
   * For a switch, which is judged by what is in force: it begins when the change that is being made has ended, and in
   * the same breath, so that none comes between. Those that wait behind it are refused meanwhile: it is one change
   * that a switch waits for.
   */
  async beforeSwitch<Answer>(begin: () => Promise<Answer>): Promise<Answer> {
    if (this.#waiting === 0) return begin();
    this.#switchesWaiting++;
    await this.#last;
    this.#switchesWaiting--;
    return begin();
  }

  /** @throws SwitchRefusal or ProxyError with a code of the admin API; nothing has changed then. */
  change(call: BackendsCall, actor: string): Promise<BackendsAnswer> {
    if (this.#waiting >= MAX_WAITING) {
      const message = `${MAX_WAITING} changes of backends wait already; try again when some have been answered`;
      return Promise.reject(new SwitchRefusal("TOO_MANY_CALLS", message, { retryAfterSeconds: 1 }));
    }
    this.#waiting++;
    const answer = this.#last.then(() => this.#change(call, actor));
    this.#last = answer.then(
      () => this.#waiting--,
      () => this.#waiting--,
    );
    return answer;
  }

  async #change(call: BackendsCall, actor: string): Promise<BackendsAnswer> {
    const { version, backend } = call;
    refuseUnknown(version, this.#versions);
    this.#refuseNow();
    const view = this.#viewOf(version);
    refuseRemovalOfAddress(
      call,
      view.backends.find(({ name }) => name === backend),
    );
    const { step, message } = planChange(call, view);
    if (step === null) return this.#answer(version, message, null);
    const after = withStep(this.#changes, { version, backend, inForce: step.inForce });
    refuseLast(call, view, this.#parts.pools.backendsFrom(version, sourceOf(version, view.targets, after)));
    await this.#write(this.#entry(call, actor, step.inForce), after);
    this.#changes = after;
    this.#putInForce(version);
    this.#parts.pools.tellNow();
    this.#tell(call, actor);
    return this.#answer(version, message, await this.#parts.takenUp());
  }

  #refuseNow(): void {
    const { isEnding, switchPhase } = this.#parts;
    if (isEnding()) throw new SwitchRefusal("NOT_READY", "the daemon is ending; nothing changed");
    const phase = switchPhase();
    if (phase === "idle" && this.#switchesWaiting === 0) return;
    const message =
      "a switch is running, and is judged by the backends there are; try again when it has ended";
    throw new SwitchRefusal("SWITCH_IN_PROGRESS", message, { details: { phase } });
  }

  #viewOf(version: Version): PoolView {
    const { pools, store } = this.#parts;
    return {
      version,
      targets: this.#versions.get(version)?.targets ?? [],
      backends: pools.backendsOf(version),
      changes: this.#changes,
      wasRemoved: (backend) => {
        const last = store
          .history(ENTRIES_LOOKED_AT, "backends")
          .find(
            (entry) => entry.trigger === "backends" && entry.version === version && entry.backend === backend,
          );
        return last?.trigger === "backends" && last.action === "remove";
      },
    };
  }

  #putInForce(version: Version): void {
    const targets = this.#versions.get(version)?.targets ?? [];
    this.#parts.pools.setSource(version, sourceOf(version, targets, this.#changes));
  }

  async #write(entry: NewBackendsEntry, after: Changes): Promise<void> {
    const limit = new AbortController();
    const callOff = this.#parts.after(this.#parts.writeLimitMs, () => limit.abort());
    try {
      await this.#parts.store.appendBackends(entry, { before: this.#changes, after }, limit.signal);
    } finally {
      callOff();
    }
  }

  #entry(call: BackendsCall, actor: string, inForce: ChangeInForce | null): NewBackendsEntry {
    const { version, backend, action, weight, force, reason } = call;
    const { clock, bootId } = this.#parts;
    return {
      trigger: "backends",
      version,
      backend,
      action,
      weight,
      forced: force,
      reason,
      actor,
      at: new Date(clock.wallMs()).toISOString(),
      clock: { boot_id: bootId, monotonic_ms: Math.round(clock.nowMs()) },
      in_force: inForce,
    };
  }

  #tell({ version, backend, action, weight, force, reason }: BackendsCall, actor: string): void {
    const change = { version, backend, action, weight, forced: force, reason, actor };
    this.#parts.log.info(change, "backends were changed by hand");
    this.#parts.events.publish({ type: "backends", ...change });
  }

  /** @param silent null: nothing has changed. */
  #answer(version: Version, message: string, silent: readonly number[] | null): BackendsAnswer {
    const { backends } = toldPool(this.#viewOf(version));
    const changed = silent !== null;
    return { success: true, changed, message, version, backends, silent_workers: silent ?? [] };
  }
}
