/**
 * Who the client of a connection is: worked out once per connection and kept on its socket.
 */
import { BlockList, isIPv6, type Socket } from "node:net";
import type { ClientSide } from "../forward/headers.ts";

const CLIENT = Symbol("client");
const MAPPED_IPV4 = "::ffff:";

/** @param trustedProxies addresses and CIDRs, checked by the config. */
export function createClientSide(trustedProxies: readonly string[]): (socket: Socket) => ClientSide {
  const trusted = new BlockList();
  for (const entry of trustedProxies) {
    const [address = "", prefix] = entry.split("/");
    const family = isIPv6(address) ? "ipv6" : "ipv4";
    if (prefix === undefined) trusted.addAddress(address, family);
    else trusted.addSubnet(address, Number(prefix), family);
  }
  return (socket: Socket & { [CLIENT]?: ClientSide }) => {
    const known = socket[CLIENT];
    if (known !== undefined) return known;
    const raw = socket.remoteAddress ?? "unknown";
    const address = raw.startsWith(MAPPED_IPV4) ? raw.slice(MAPPED_IPV4.length) : raw;
    const isTrusted = trustedProxies.length > 0 && trusted.check(address, isIPv6(address) ? "ipv6" : "ipv4");
    const client: ClientSide = { address, isTrusted, protocol: "http" };
    socket[CLIENT] = client;
    return client;
  };
}
