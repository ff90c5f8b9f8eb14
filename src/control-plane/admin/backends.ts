/**
 * GET and POST /backends: the backends of every version as the primary knows them, and changes of them by hand.
 */
import type { AdminAnswer, AdminCall } from "../../core/admin-call.ts";
import { parseBackendsBody } from "../pools/backends-call.ts";
import type { BackendAction } from "../pools/changes.ts";
import type { AdminDeps } from "./admin-deps.ts";
import { jsonAnswer } from "./answers.ts";
import { type Caller, needRole } from "./caller.ts";

export function getBackends({ backends }: AdminDeps): AdminAnswer {
  return jsonAnswer({ versions: backends.pools });
}

/**
 * What a release does to the backends that there are: it moves traffic among them, as a switch does. What says which
 * hosts belong to a version is for who may write the config.
 */
const OF_A_RELEASE: ReadonlySet<BackendAction> = new Set(["drain", "enable", "weight"]);

/** Answers when the change is on the disk and every worker goes by it, or the time for that is over. @throws ProxyError, SwitchRefusal */
export async function postBackends(
  call: AdminCall,
  { backends }: AdminDeps,
  caller: Caller,
): Promise<AdminAnswer> {
  const body = parseBackendsBody(call.body);
  if (!OF_A_RELEASE.has(body.action)) needRole(caller, "admin", `the action ${body.action}`);
  if (body.force) needRole(caller, "admin", "force");
  return jsonAnswer(await backends.change(body, caller.actor));
}
