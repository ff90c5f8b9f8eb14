/**
 * Client certificate: whom it names, fit for the history and the log. Whether it may be believed, the handshake has
 * found out.
 */
import type { PeerCertificate, TLSSocket } from "node:tls";

const MAX_NAME_LENGTH = 64;

/**
 * @returns the common name, cleaned; the start of the fingerprint when it has none. Undefined without a
 *   certificate that was checked.
 */
export function clientNameOf(socket: TLSSocket): string | undefined {
  if (!socket.authorized) return undefined;
  const { subject, fingerprint256 } = socket.getPeerCertificate() as Partial<PeerCertificate>;
  if (fingerprint256 === undefined) return undefined;
  const given: string | string[] | undefined = subject?.CN; // several are possible
  const name = cleanName(Array.isArray(given) ? given.join("+") : (given ?? ""));
  return name === "" ? `sha256-${fingerprint256.replaceAll(":", "").slice(0, 16)}` : name;
}

/** What a signer was talked into must not draw on a terminal: no control, format or line characters. */
export function cleanName(name: string): string {
  const printable = name.replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, "?").trim();
  return [...printable].slice(0, MAX_NAME_LENGTH).join("");
}
