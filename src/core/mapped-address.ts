/** Addresses as the system gives them to a socket that listens on `::`. Pure. */

const MAPPED_IPV4 = /^::ffff:(?=[\d.]+$)/i;

/** An IPv4 address in IPv6's clothes (RFC 4291 §2.5.5.2) is the same client: `::ffff:192.0.2.1` is `192.0.2.1`. */
export function withoutMapping(address: string): string {
  return address.replace(MAPPED_IPV4, "");
}
