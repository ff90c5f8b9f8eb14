/** uri-host with an optional port: what `Host` and the authority of a target may be (RFC 9110 §7.2, RFC 3986 §3.2.2). */
const HOST = /^(?:\[[0-9A-Fa-fv:.]+\]|[-A-Za-z0-9._~%!$&'()*+,;=]*)(?::\d{0,5})?$/;

/** Strict, since another reader could take what is no host for two values or for a path. Empty is one: a target may have no host. */
export function isHost(text: string): boolean {
  return HOST.test(text);
}
