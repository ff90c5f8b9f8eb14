/**
 * GET and POST /backends: the backends of every version as the primary knows them, and changes of them by hand.
 */
import type { AdminAnswer, AdminCall } from "../../core/admin-call.ts";
import { parseBackendsBody } from "../pools/backends-call.ts";
import type { AdminDeps } from "./admin-deps.ts";
import { jsonAnswer } from "./answers.ts";
import { type Caller, needRole } from "./caller.ts";

export function getBackends({ backends }: AdminDeps): AdminAnswer {
  return jsonAnswer({ versions: backends.pools });
}

/** Answers when the change is on the disk and every worker is being told of it. @throws ProxyError, SwitchRefusal */
export async function postBackends(
  call: AdminCall,
  { backends }: AdminDeps,
  caller: Caller,
): Promise<AdminAnswer> {
  const body = parseBackendsBody(call.body);
  needRole(caller, "admin", "POST /backends");
  return jsonAnswer(await backends.change(body, caller.actor));
}
