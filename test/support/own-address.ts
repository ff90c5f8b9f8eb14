/**
 * An address of this very machine that is not loopback: a connection from it to it never leaves the machine, and
 * its peer address is what a stranger's would be.
 */
import { networkInterfaces } from "node:os";

/** An IPv4 address; undefined on a machine that has only loopback. */
export function ownAddress(): string | undefined {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === "IPv4" && !internal)?.address;
}

/** Whether ::1 can be listened on. */
export function hasIpv6Loopback(): boolean {
  return Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ address }) => address === "::1"),
  );
}
