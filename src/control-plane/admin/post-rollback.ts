/**
 * POST /rollback: back to the version that the last switch left.
 */
import type { AdminAnswer, AdminCall } from "../../core/admin-call.ts";
import { parseRollbackBody } from "../switch/switch-call.ts";
import type { AdminDeps } from "./admin-deps.ts";
import { jsonAnswer } from "./answers.ts";
import { callContext } from "./call-context.ts";
import { type Caller, needRole } from "./caller.ts";

/** @throws ProxyError, SwitchRefusal */
export async function postRollback(
  call: AdminCall,
  { switcher, backends }: AdminDeps,
  caller: Caller,
): Promise<AdminAnswer> {
  const body = parseRollbackBody(call.body);
  if (body.force) needRole(caller, "admin", "force");
  const context = callContext("rollback", call, caller.actor);
  return jsonAnswer(await backends.beforeSwitch(() => switcher.rollback(body, context)));
}
