/**
 * Refusal: whatever a handler threw, as the answer that says so. Never throws.
 */
import type { AdminAnswer, AdminCall } from "../../core/admin-call.ts";
import { ProxyError } from "../../core/errors.ts";
import { problemAnswer, problemFromError } from "../../http/problem.ts";
import { SwitchRefusal } from "../switch/switch-refusal.ts";
import type { AdminLog } from "./admin-deps.ts";

export function refusalAnswer(error: unknown, call: AdminCall, log: AdminLog): AdminAnswer {
  if (error instanceof SwitchRefusal) {
    const { details, retryAfterSeconds } = error;
    const headers: Record<string, string> =
      retryAfterSeconds === undefined ? {} : { "Retry-After": String(retryAfterSeconds) };
    return problemFromError(error, details, headers);
  }
  if (error instanceof ProxyError) {
    const headers: Record<string, string> =
      error.code === "UNAUTHORIZED" ? { "WWW-Authenticate": "Bearer" } : {};
    return problemFromError(error, {}, headers);
  }
  // The path without the query: nobody needs what a stranger wrote there.
  log.error({ err: error, method: call.method, path: call.target.split("?", 1)[0] }, "an admin call failed");
  return problemAnswer("ADMIN_INTERNAL_ERROR", "a fault of the proxy itself; the log has the details");
}
