/**
 * Create events: puts the log, its readers and those who watch for changes together, for primary.ts.
 */
import type { Clock } from "../../core/clock.ts";
import type { SwitchObserver } from "../switch/switcher.ts";
import type { Fleet, WorkerState } from "../workers/fleet.ts";
import { type DrainSources, DrainWatch } from "./drain-watch.ts";
import { EventLog } from "./event-log.ts";
import { EventSubscribers, newStartId } from "./event-subscribers.ts";
import type { EventSink, StatusEvent } from "./events.ts";
import { ReadyWatch } from "./ready-watch.ts";
import { createSwitchEvents } from "./switch-events.ts";

type SwitchView = ReturnType<DrainSources["switchView"]> & Pick<StatusEvent, "epoch" | "phase">;

/** All but the clock and the log are only asked once the daemon runs. */
export interface EventSources {
  readonly clock: Clock;
  readonly log: { error(fields: object, sentence: string): void };
  readonly switchView: () => SwitchView;
  readonly workers: Fleet["workers"];
  readonly collect: Fleet["collect"];
  readonly readiness: () => { readonly ready: boolean; readonly why: string };
}

export interface Events {
  readonly sink: EventSink;
  /** Takes what the switcher says. */
  readonly observe: SwitchObserver;
  readonly subscribers: EventSubscribers;
  /** Takes what the supervisor says. */
  onWorkerState(worker: number, pid: number, state: WorkerState | "gone"): void;
  /** Something other than a worker may have changed the readiness. */
  lookAtReadiness(): void;
  /** The daemon runs: looks for drains from now on. */
  start(): void;
  /** The daemon ends: says so and ends every stream at once. */
  close(): void;
}

export function createEvents({ clock, log, switchView, workers, collect, readiness }: EventSources): Events {
  const sink = new EventLog(clock, {
    startId: newStartId(),
    onFault: (err) => log.error({ err }, "a reader of events failed"),
  });
  const status = (): StatusEvent => {
    const { activeVersion, epoch, phase } = switchView();
    const processes = workers().map(({ id, pid, state }) => ({ worker: id, pid, state }));
    return { active_version: activeVersion, epoch, phase, ...readiness(), workers: processes };
  };
  const subscribers = new EventSubscribers({ log: sink, clock, status });
  const ready = new ReadyWatch(sink, readiness);
  const hasReaders = () => subscribers.size > 0;
  const drains = new DrainWatch({ events: sink, clock, switchView, collect, hasReaders });
  return {
    sink,
    observe: createSwitchEvents(sink, clock),
    subscribers,
    onWorkerState(worker, pid, state) {
      sink.publish({ type: "worker", worker, pid, state });
      ready.look();
    },
    lookAtReadiness: () => ready.look(),
    start: () => drains.start(),
    close() {
      ready.look();
      subscribers.close();
    },
  };
}
