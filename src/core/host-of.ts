/**
 * Host of an origin, as connecting and TLS want it. Pure.
 */

/**
 * Cut out, not parsed: with thousands of backends it is asked for each of them at each change.
 *
 * @param origin as `new URL(...).origin` writes it.
 * @returns its name or its address, of IPv6 without brackets.
 */
export function hostOf(origin: string): string {
  const start = origin.indexOf("//") + 2;
  if (origin.charAt(start) === "[") return origin.slice(start + 1, origin.indexOf("]", start));
  const colon = origin.indexOf(":", start);
  return origin.slice(start, colon === -1 ? undefined : colon);
}

/** Whom TLS asks for at a name: without the dot that may end it (RFC 6066 §3). */
export function serverNameOf(name: string): string {
  return name.endsWith(".") ? name.slice(0, -1) : name;
}
