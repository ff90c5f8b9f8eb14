/**
 * Open socket: one new connection for a request of our own, plain or TLS, to given addresses or to a name.
 *
 * TLS asks for the backend's own name and verifies it, whichever address it is at; an address is no such name
 * (RFC 6066 §3).
 */
import { connect as connectTcp, isIP, type LookupFunction, type Socket } from "node:net";
import { hostOf, serverNameOf } from "../core/host-of.ts";

/** @param onOpen it is connected and, with TLS, verified. What goes wrong is the socket's `error` or `close`. */
export function openSocket(origin: URL, addresses: readonly string[], onOpen: () => void): Socket {
  const isTls = origin.protocol === "https:";
  const host = hostOf(origin.origin);
  const address = {
    host,
    port: Number(origin.port) || (isTls ? 443 : 80),
    ...(addresses.length === 0 ? {} : { lookup: lookupOf(addresses) }),
  };
  if (!isTls) return connectTcp({ ...address, noDelay: true }).once("connect", onOpen);
  const servername = isIP(host) === 0 ? { servername: serverNameOf(host) } : {};
  const { connect } = process.getBuiltinModule("node:tls");
  return connect({ ...address, ...servername, ALPNProtocols: ["http/1.1"] }).once("secureConnect", onOpen);
}

/** Stands for a look-up that gave these. Not called where the host is an address itself. */
function lookupOf(addresses: readonly string[]): LookupFunction {
  const found = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_name, { all }, done) => {
    const [first] = found;
    if (all || first === undefined) return done(null, found);
    done(null, first.address, first.family);
  };
}
