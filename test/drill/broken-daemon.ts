/**
 * The real daemon, broken on purpose, for a drill that must notice. `DRILL_FAULT` says how; everything else is as it
 * ships. Runs in place of main.ts, in the primary and in the workers.
 */
import type { Pool } from "../../src/data-plane/backend/pool.ts";
import { Drains } from "../../src/data-plane/listener/drain.ts";
import { type Live, Serving } from "../../src/data-plane/serving.ts";

const LATE_MS = 200;

/** A worker confirms the switch and serves the version before for a while longer. */
function confirmEarly(): void {
  const current = Object.getOwnPropertyDescriptor(Serving.prototype, "current")?.get;
  const late = new WeakMap<Serving, { active: Pool; untilMs: number }>();
  const apply = Serving.prototype.apply;
  Serving.prototype.apply = function (snapshot) {
    late.set(this, { active: this.current.active, untilMs: performance.now() + LATE_MS });
    apply.call(this, snapshot);
  };
  Object.defineProperty(Serving.prototype, "current", {
    get(this: Serving): Live {
      const live = current?.call(this) as Live;
      const before = late.get(this);
      return before && performance.now() < before.untilMs ? { ...live, active: before.active } : live;
    },
  });
}

/** What runs on the version that is left gets no time to end. */
function cutAtOnce(): void {
  const start = Drains.prototype.start;
  Drains.prototype.start = function (drained, limits) {
    for (const { requests } of drained.backends) requests.each((request) => request.cutForDrain());
    start.call(this, drained, limits);
  };
}

if (process.env.DRILL_FAULT === "confirms-early") confirmEarly();
if (process.env.DRILL_FAULT === "cuts-at-once") cutAtOnce();
await import("../../src/main.ts");
