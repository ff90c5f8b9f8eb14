/**
 * The name or the address in an origin, as `new URL(...).origin` writes it; an IPv6 address without its brackets. Pure.
 *
 * Cut out, not parsed: with thousands of backends it is asked for each of them at each change.
 */
export function hostOf(origin: string): string {
  const start = origin.indexOf("//") + 2;
  if (origin.charAt(start) === "[") return origin.slice(start + 1, origin.indexOf("]", start));
  const colon = origin.indexOf(":", start);
  return origin.slice(start, colon === -1 ? undefined : colon);
}
