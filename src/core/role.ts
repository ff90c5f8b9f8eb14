/**
 * Role: how much a caller of the admin API may do. Each role may do what those before it may.
 */
export const ROLES = ["read", "switch", "admin"] as const;

/**
 * `read`: see everything. `switch`: also change what serves. `admin`: also skip the safety (`force`), and say which
 * backends there are.
 */
export type Role = (typeof ROLES)[number];

export function covers(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}
