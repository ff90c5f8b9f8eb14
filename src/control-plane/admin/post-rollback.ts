/**
 * POST /rollback: back to the version that the last switch left.
 */
import type { AdminAnswer, AdminCall } from "../../core/admin-call.ts";
import { parseRollbackBody } from "../switch/switch-call.ts";
import type { Actor } from "./access.ts";
import type { AdminDeps } from "./admin-deps.ts";
import { jsonAnswer } from "./answers.ts";
import { callContext } from "./call-context.ts";

/** @throws ProxyError, SwitchRefusal */
export async function postRollback(
  call: AdminCall,
  { switcher }: AdminDeps,
  actor: Actor,
): Promise<AdminAnswer> {
  const body = parseRollbackBody(call.body);
  return jsonAnswer(await switcher.rollback(body, callContext("rollback", call, actor)));
}
