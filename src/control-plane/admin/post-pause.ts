/**
 * POST /pause and POST /resume: for maintenance, all new requests wait, bounded in number, bytes and time.
 */
import type { AdminAnswer, AdminCall } from "../../core/admin-call.ts";
import { parsePauseBody, parseResumeBody } from "../switch/switch-call.ts";
import type { AdminDeps } from "./admin-deps.ts";
import { jsonAnswer } from "./answers.ts";
import type { Caller } from "./caller.ts";

/** Answers when every worker holds. @throws ProxyError, SwitchRefusal */
export async function postPause(
  call: AdminCall,
  { switcher }: AdminDeps,
  { actor }: Caller,
): Promise<AdminAnswer> {
  return jsonAnswer(await switcher.pause(parsePauseBody(call.body), actor));
}

/** What waited goes on, to the version that is active now. @throws ProxyError, SwitchRefusal */
export async function postResume(
  call: AdminCall,
  { switcher }: AdminDeps,
  { actor }: Caller,
): Promise<AdminAnswer> {
  parseResumeBody(call.body);
  return jsonAnswer(await switcher.resume(actor));
}
