/**
 * Switch events: what the switcher reports, as events. Publishes and returns; holds nothing.
 */
import type { Clock } from "../../core/clock.ts";
import { ERROR_CODES, ProxyError } from "../../core/errors.ts";
import type { SwitchEnd } from "../switch/switch-event.ts";
import type { SwitchObserver } from "../switch/switcher.ts";
import type { DaemonEvent, EventSink } from "./events.ts";

type Change = Parameters<SwitchObserver["changed"]>[0];

export function createSwitchEvents(sink: EventSink, clock: Clock): SwitchObserver {
  return {
    switchEnded: (end) => sink.publish(end.outcome === "done" ? switched(end) : refused(end)),
    changed: (change) => sink.publish(changeEvent(change, clock)),
  };
}

function switched({ from, to, epoch, trigger, forced, reason, actor, durationMs }: SwitchEnd): DaemonEvent {
  const duration_ms = Math.round(durationMs * 10) / 10;
  return { type: "switched", from, to, epoch, trigger, forced, reason, actor, duration_ms };
}

function refused({ from, to, trigger, actor, error }: SwitchEnd): DaemonEvent {
  const told =
    error instanceof ProxyError
      ? { code: error.code, message: error.message }
      : { code: "ADMIN_INTERNAL_ERROR", message: ERROR_CODES.ADMIN_INTERNAL_ERROR.about };
  return { type: "refused", from, to, trigger, ...told, actor };
}

function changeEvent(change: Change, clock: Clock): DaemonEvent {
  switch (change.type) {
    case "phase":
      return { type: "phase", phase: change.phase, ...change.during };
    case "paused": {
      const until = new Date(clock.wallMs() + change.untilMs - clock.nowMs()).toISOString();
      return { type: "paused", until, reason: change.reason, actor: change.actor };
    }
    case "resumed":
      return { type: "resumed", actor: change.actor };
  }
}
