/**
 * POST /switch: makes another version active. Answers when every worker serves it, or with why nothing changed.
 */
import type { AdminAnswer, AdminCall } from "../../core/admin-call.ts";
import { parseSwitchBody } from "../switch/switch-call.ts";
import type { Actor } from "./access.ts";
import type { AdminDeps } from "./admin-deps.ts";
import { jsonAnswer } from "./answers.ts";
import { callContext } from "./call-context.ts";

/** @throws ProxyError, SwitchRefusal */
export async function postSwitch(
  call: AdminCall,
  { switcher }: AdminDeps,
  actor: Actor,
): Promise<AdminAnswer> {
  const body = parseSwitchBody(call.body);
  return jsonAnswer(await switcher.switchTo(body, callContext("switch", call, actor)));
}
