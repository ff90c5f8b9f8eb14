/**
 * Router: one admin call to its handler: path, then method, then access, then the handler.
 *
 * Runs in the primary, for the admin listener and for the calls that workers relay from the traffic port.
 * Never rejects: every failure is an answer.
 */
import type { AdminAnswer, AdminCall } from "../../core/admin-call.ts";
import { TRAFFIC_PORT_PATHS } from "../../core/admin-call.ts";
import { ProxyError } from "../../core/errors.ts";
import { problemAnswer } from "../../http/problem.ts";
import { accessRules, checkAccess, type Need } from "./access.ts";
import type { AdminDeps } from "./admin-deps.ts";
import { getBackends, postBackends } from "./backends.ts";
import type { Caller } from "./caller.ts";
import { getEvents } from "./get-events.ts";
import { getLivez, getReadyz } from "./get-health.ts";
import { getHistory } from "./get-history.ts";
import { getMetrics } from "./get-metrics.ts";
import { getRoot } from "./get-root.ts";
import { getStatus } from "./get-status.ts";
import { postPause, postResume } from "./post-pause.ts";
import { postRollback } from "./post-rollback.ts";
import { postSwitch } from "./post-switch.ts";
import { refusalAnswer } from "./refusal.ts";

/** What a path does for some methods. */
interface Route {
  readonly methods: readonly string[];
  readonly need: Need;
  readonly handle: (call: AdminCall, deps: AdminDeps, caller: Caller) => AdminAnswer | Promise<AdminAnswer>;
}

const READ = ["GET", "HEAD"];
const CHANGE = ["POST"];

/** Every call of the admin API by its path; README lists the same, and a test holds the two equal. */
const ROUTES: ReadonlyMap<string, readonly Route[]> = new Map<string, readonly Route[]>([
  ["/", [{ methods: READ, need: "read", handle: () => getRoot() }]],
  ["/switch", [{ methods: CHANGE, need: "change", handle: postSwitch }]],
  ["/rollback", [{ methods: CHANGE, need: "change", handle: postRollback }]],
  ["/pause", [{ methods: CHANGE, need: "change", handle: postPause }]],
  ["/resume", [{ methods: CHANGE, need: "change", handle: postResume }]],
  ["/status", [{ methods: READ, need: "read", handle: (_, deps) => getStatus(deps) }]],
  [
    "/backends",
    [
      { methods: READ, need: "read", handle: (_, deps) => getBackends(deps) },
      { methods: CHANGE, need: "change", handle: postBackends },
    ],
  ],
  ["/metrics", [{ methods: READ, need: "read", handle: getMetrics }]],
  ["/history", [{ methods: READ, need: "read", handle: getHistory }]],
  ["/events", [{ methods: READ, need: "read", handle: getEvents }]],
  ["/livez", [{ methods: READ, need: "open", handle: () => getLivez() }]],
  ["/readyz", [{ methods: READ, need: "open", handle: (_, deps) => getReadyz(deps) }]],
]);

/** @throws StartError for a bad entry of `admin.read_allow`. */
export function createAdminRouter(deps: AdminDeps): (call: AdminCall) => Promise<AdminAnswer> {
  const rules = accessRules(deps.config.admin);
  return async (call) => {
    try {
      const routes = findRoutes(call);
      const route = routes.find(({ methods }) => methods.includes(call.method));
      if (route === undefined) {
        const allow = routes.flatMap(({ methods }) => methods).join(", ");
        return problemAnswer("METHOD_NOT_ALLOWED", `this path takes ${allow}`, {}, { Allow: allow });
      }
      const caller = checkAccess(call, route.need, rules);
      return await route.handle(call, deps, caller);
    } catch (error) {
      return refusalAnswer(error, call, deps.log);
    }
  };
}

/** The query is not looked at; a path that only resembles one of ours is not ours. */
function findRoutes({ target, listener }: AdminCall): readonly Route[] {
  const path = target.split("?", 1)[0] ?? "";
  const routes = listener === "traffic" && !TRAFFIC_PORT_PATHS.has(path) ? undefined : ROUTES.get(path);
  if (routes === undefined) throw new ProxyError("NOT_FOUND", "no such path; GET / lists the calls");
  return routes;
}
