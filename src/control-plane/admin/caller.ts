/**
 * Caller: who makes an admin call, and how much that one may do. Pure.
 */
import { ProxyError } from "../../core/errors.ts";
import { covers, type Role } from "../../core/role.ts";

/** For the history: `anyone`, `loopback`, `allow-list`, `socket`, `token`, `token:<name>`, `cert:<name>`. */
export type Actor = string;

export interface Caller {
  readonly actor: Actor;
  readonly role: Role;
}

/**
 * @param what the caller wants, for the refusal: `this call`, `force`.
 * @throws ProxyError FORBIDDEN that says which role is needed.
 */
export function needRole({ actor, role }: Caller, needed: Role, what: string): void {
  if (covers(role, needed)) return;
  throw new ProxyError("FORBIDDEN", `${what} needs the role ${needed}; ${actor} has the role ${role}`);
}
