/**
 * Call context: what the switcher is told of a call besides its body.
 */
import type { AdminCall } from "../../core/admin-call.ts";
import { ProxyError } from "../../core/errors.ts";
import { callDigest } from "../switch/switch-call.ts";
import type { CallContext } from "../switch/switcher.ts";
import type { Actor } from "./caller.ts";

const KEY_MAX_LENGTH = 255;

/** @param call one whose body its parser has accepted. @throws ProxyError MALFORMED_CALL for a bad Idempotency-Key. */
export function callContext(kind: "switch" | "rollback", call: AdminCall, actor: Actor): CallContext {
  const idempotencyKey = call.headers["idempotency-key"] ?? null;
  if (idempotencyKey !== null && (idempotencyKey === "" || idempotencyKey.length > KEY_MAX_LENGTH)) {
    throw new ProxyError("MALFORMED_CALL", `Idempotency-Key must have 1 to ${KEY_MAX_LENGTH} characters`);
  }
  return { actor, idempotencyKey, bodyDigest: callDigest(kind, call.body) };
}
