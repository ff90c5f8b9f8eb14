/**
 * Who the client of a connection is: worked out once per connection.
 */
import { BlockList, isIPv6 } from "node:net";
import type { ClientSide } from "../forward/headers.ts";

/** @param trustedProxies addresses and CIDRs, checked by the config. @returns whether an address is one of them. */
export function createTrust(trustedProxies: readonly string[]): (address: string) => boolean {
  if (trustedProxies.length === 0) return () => false;
  const trusted = new BlockList();
  for (const entry of trustedProxies) {
    const [address = "", prefix] = entry.split("/");
    const family = isIPv6(address) ? "ipv6" : "ipv4";
    if (prefix === undefined) trusted.addAddress(address, family);
    else trusted.addSubnet(address, Number(prefix), family);
  }
  return (address) => trusted.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}

export function clientSide(address: string, isTrusted: boolean): ClientSide {
  return { address, isTrusted, protocol: "http", lastHost: null, lastLines: "" };
}
