/**
 * Admin relay: `/switch`, `/status` and `/metrics` on the traffic port, carried to the primary and back.
 *
 * Decides only which paths are ours; who may do what is the primary's to say (access.ts).
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type AdminAnswer, type AdminCall, TRAFFIC_PORT_PATHS } from "../../core/admin-call.ts";
import { ProxyError } from "../../core/errors.ts";
import { readAdminCall, writeAdminAnswer } from "../../http/admin-exchange.ts";
import { problemAnswer, problemFromError } from "../../http/problem.ts";

/** Asks the primary; null when it does not answer. */
export type AskPrimary = (call: AdminCall) => Promise<AdminAnswer | null>;

export interface AdminRelay {
  /** A look-alike (`/switch/`, `//switch`, `/%73witch`) is the backends'. */
  isOurs(target: string): boolean;
  relay(target: string, request: IncomingMessage, response: ServerResponse): void;
}

export function createAdminRelay(isOn: boolean, ask: AskPrimary): AdminRelay {
  return {
    isOurs: (target) => {
      if (!isOn) return false;
      const end = target.indexOf("?");
      return TRAFFIC_PORT_PATHS.has(end === -1 ? target : target.slice(0, end));
    },
    relay: (target, request, response) => void relay(target, request, response, ask),
  };
}

async function relay(
  target: string,
  request: IncomingMessage,
  response: ServerResponse,
  ask: AskPrimary,
): Promise<void> {
  try {
    const call = await readAdminCall(request, "traffic");
    const answer = await ask({ ...call, target });
    writeAdminAnswer(request, response, answer ?? problemAnswer("NOT_READY", "the primary does not answer"));
  } catch (error) {
    const answer =
      error instanceof ProxyError
        ? problemFromError(error)
        : problemAnswer("ADMIN_INTERNAL_ERROR", "internal error");
    writeAdminAnswer(request, response, answer);
  }
}
