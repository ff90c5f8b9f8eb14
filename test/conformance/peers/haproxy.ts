/** HAProxy as a careful operator would set it in front of one service. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LIMITS } from "../profiles.ts";
import { type Peer, type Place, peerTarget } from "./peer.ts";

const haproxyPeer: Peer = {
  name: "HAProxy",
  program: "haproxy",
  versionArgs: ["-v"],
  versionPattern: /version (\d[\w.]*)/,
  // How long a connection may be idle between requests is capped by "timeout client", which is that of a body here.
  has: [
    "max_body_bytes",
    "max_target_bytes",
    "max_header_bytes",
    "max_header_count",
    "header_timeout",
    "body_idle_timeout",
    "response_timeout",
    "upstream_body_idle_timeout",
    "trusted_proxies",
  ],
  prepare: async (place) => {
    const file = join(place.dir, "haproxy.cfg");
    await writeFile(file, configText(place));
    return { command: "haproxy", args: ["-db", "-f", file] }; // -db: stay in the foreground
  },
};
export const haproxy = peerTarget(haproxyPeer);

function configText({ profile, port, backendPort }: Place): string {
  const isLimited = profile === "limits";
  // What is left of a buffer for a head is its size less what is kept for rewriting. The last place for a field is
  // where it marks their end.
  const globalLimits = `
  tune.bufsize ${2 * LIMITS.maxHeaderBytes}
  tune.maxrewrite ${LIMITS.maxHeaderBytes}
  tune.http.maxhdr ${LIMITS.maxHeaderCount + 1}`;
  const rules = `
  http-request deny deny_status 413 if { req.body_size gt ${LIMITS.maxBodyBytes} }
  http-request return status 414 if { url_len gt ${LIMITS.maxTargetBytes} }`;
  // The client's own word counts only when it is trusted.
  const unless =
    profile === "trusting" ? (name: string) => ` unless { req.hdr(${name}) -m found }` : () => "";
  return `
global
  maxconn 4000
  nbthread 1${isLimited ? globalLimits : ""}

defaults
  mode http
  # A client that leaves ends its request, here for both sides; pieces are not gathered.
  option abortonclose
  option http-no-delay
  timeout connect 5s
  timeout client ${isLimited ? `${LIMITS.bodyIdleTimeoutMs}ms` : "60s"}
  # Both to the head of an answer and between two pieces of its body.
  timeout server ${isLimited ? `${LIMITS.responseTimeoutMs}ms` : "60s"}
  timeout http-request ${isLimited ? `${LIMITS.headerTimeoutMs}ms` : "10s"}
  timeout http-keep-alive ${isLimited ? `${LIMITS.keepAliveTimeoutMs}ms` : "75s"}
  # For WebSocket and the like, once upgraded.
  timeout tunnel 1h

frontend front
  bind 127.0.0.1:${port}${isLimited ? rules : ""}
  option forwardfor
  http-request set-header X-Forwarded-Proto http${unless("X-Forwarded-Proto")}
  http-request set-header X-Forwarded-Host %[req.hdr(Host)]${unless("X-Forwarded-Host")}
  default_backend back

backend back
  # Not checked: the one backend is never given up.
  server one 127.0.0.1:${backendPort}
`;
}
