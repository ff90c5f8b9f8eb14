/**
 * Members: the backends of a version, from its targets and the addresses of their names. Pure.
 *
 * What is changed by hand, and what the probes say, comes on top of it elsewhere.
 */
import { isIP } from "node:net";
import type { TargetConfig } from "../../config/pool-config.ts";
import type { BackendSnapshot } from "../../config/snapshot.ts";
import { hostAndPort } from "../../core/host-and-port.ts";
import { hostOf } from "../../core/host-of.ts";

/** What one version may have: so many targets too, and what names bring beyond is left out. */
export const MAX_BACKENDS = 1_000;

/** The addresses of a name, as they were last found; empty: never found. */
export type AddressesOf = (name: string) => readonly string[];

/**
 * @returns a backend for each target, or with `resolve: all` one for each of its addresses, in the order of the
 *   targets. Two of the same name are one: the first. At most `MAX_BACKENDS`; one above them says that there are more.
 */
export function membersOf(targets: readonly TargetConfig[], addressesOf: AddressesOf): BackendSnapshot[] {
  const members = new Map<string, BackendSnapshot>();
  for (const target of targets) {
    for (const member of membersOfTarget(target, addressesOf)) {
      if (!members.has(member.name)) members.set(member.name, member);
      if (members.size > MAX_BACKENDS) return [...members.values()];
    }
  }
  return [...members.values()];
}

function membersOfTarget(target: TargetConfig, addressesOf: AddressesOf): BackendSnapshot[] {
  const host = hostOf(target.origin);
  const addresses = isIP(host) === 0 ? addressesOf(host) : [host];
  if (target.resolve === "name") return [memberOf(target, target.origin, addresses)];
  return addresses.map((address) => memberOf(target, originAt(target.origin, address), [address]));
}

function memberOf(
  { origin, weight }: TargetConfig,
  name: string,
  addresses: readonly string[],
): BackendSnapshot {
  return { name, origin, addresses, weight, isDrained: false, health: "unknown" };
}

/** The same scheme and port at an address: `http://10.0.0.7:9000`, as the operator would write it. */
function originAt(origin: string, address: string): string {
  const { protocol, port } = new URL(origin);
  return new URL(`${protocol}//${hostAndPort(address, port)}`).origin;
}
