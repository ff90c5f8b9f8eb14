/**
 * POST /switch: makes another version active. Answers when every worker serves it, or with why nothing changed.
 */
import type { AdminAnswer, AdminCall } from "../../core/admin-call.ts";
import { parseSwitchBody } from "../switch/switch-call.ts";
import type { AdminDeps } from "./admin-deps.ts";
import { jsonAnswer } from "./answers.ts";
import { callContext } from "./call-context.ts";
import { type Caller, needRole } from "./caller.ts";

/** @throws ProxyError, SwitchRefusal */
export async function postSwitch(
  call: AdminCall,
  { switcher, backends }: AdminDeps,
  caller: Caller,
): Promise<AdminAnswer> {
  const body = parseSwitchBody(call.body);
  if (body.force) needRole(caller, "admin", "force");
  const context = callContext("switch", call, caller.actor);
  return jsonAnswer(await backends.beforeSwitch(() => switcher.switchTo(body, context)));
}
